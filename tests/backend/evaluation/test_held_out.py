# SPDX-License-Identifier: GPL-3.0-or-later
"""The photos of held-out people: always the same, usable, and never those of the comparison."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anny")

from idto3d.assets import ASSETS  # noqa: E402
from idto3d.evaluation import held_out  # noqa: E402
from idto3d.evaluation.identity import PICTURE_SIZE, PICTURES  # noqa: E402
from idto3d.identity import open_encoder, person_from_photos  # noqa: E402
from idto3d.training.dataset import (  # noqa: E402
    DatasetSettings,
    expression_table,
    identity_embeddings,
)
from tests.backend.evaluation.toy_people import ToyPeople  # noqa: E402

TABLE = expression_table(ASSETS / "expressions.json")


def test_no_seed_of_training() -> None:
    assert DatasetSettings().seed != held_out.SEED


def test_photos_are_the_same_each_time_and_others_for_others() -> None:
    person = ToyPeople().person(held_out.SEED, 0)
    first, again = (held_out.casual_photos(person, 0, TABLE, 32) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len({photo.tobytes() for photo in first}) == held_out.PHOTOS
    other = held_out.casual_photos(person, 1, TABLE, 32)
    assert not any((a == b).all() for a, b in zip(first, other, strict=True))


def test_photos_are_written_once_and_show_a_usable_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = ToyPeople().person(held_out.SEED, 0)
    monkeypatch.setattr(held_out, "PHOTO_SIZE", 256)
    case = held_out.case(tmp_path, person, 0, photos=2)
    held_out.write_photos(case, TABLE)
    files = held_out.photo_files(tmp_path)
    assert case.photos == tuple(files[:2])
    assert [Image.open(file).size for file in files] == [(256, 256)] * held_out.PHOTOS
    times = [file.stat().st_mtime_ns for file in files]
    held_out.write_photos(case, TABLE)
    assert [file.stat().st_mtime_ns for file in files] == times
    found = person_from_photos(files, open_encoder("dlib"))
    assert len(found.embeddings) >= 4
    comparison = held_out.comparison_embeddings(person, 0, TABLE)
    gaps = np.linalg.norm(found.embeddings[:, None] - comparison[None], axis=-1)
    assert gaps.min() > 0.02  # another picture
    assert np.median(gaps) < 0.5  # of the same person


def test_comparison_pictures_are_those_that_training_would_draw() -> None:
    person = ToyPeople().person(held_out.SEED, 0)
    random = held_out.stream(0, held_out.COMPARISON_STREAM)
    expected = identity_embeddings(person, PICTURES, PICTURE_SIZE, random, TABLE)
    np.testing.assert_allclose(held_out.comparison_embeddings(person, 0, TABLE), expected)


def test_streams_differ() -> None:
    draws = {
        held_out.stream(index, number).integers(1 << 60)
        for index in range(3)
        for number in (held_out.PHOTO_STREAM, held_out.COMPARISON_STREAM,
                       held_out.PORTRAIT_STREAM, held_out.CEILING_STREAM)
    }  # fmt: skip
    assert len(draws) == 12
