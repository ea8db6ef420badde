# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs on disk to a person, with every photo's verdict in words."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.data import coffee

from idto3d.errors import UserError
from idto3d.identity import open_encoder, person_from_photos, report
from idto3d.identity.align import arcface_chip


class ColourEncoder:
    """Knows people by the mean colour of their faces: tinting a photo makes another person."""

    name = "colour"
    dimension = 3
    licence_note = ""
    stranger_distance = 0.3

    def align(self, image, landmarks):
        return arcface_chip(image, landmarks)

    def embed(self, chips):
        return (chips[:, 30:90, 30:80].mean(axis=(1, 2)) / 255).astype(np.float32)


BLUE = np.array([0.4, 0.7, 1.4])


def tinted(image: np.ndarray) -> np.ndarray:
    return np.clip(image * BLUE, 0, 255).astype(np.uint8)


@pytest.fixture
def save(tmp_path):
    """Writes (H, W, 3) uint8 under a name, gives the path."""

    def write(name: str, image: np.ndarray):
        Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture(scope="module")
def head(portrait):
    """(260, 260, 3): the portrait without its background."""
    return portrait[:260, 100:360]


def test_two_photos(save, head, portrait):
    paths = [save("a.png", portrait), save("b.png", head[:, ::-1])]
    person = person_from_photos(paths, open_encoder("dlib"))
    assert person.encoder == "dlib"
    assert person.embeddings.shape == (2, 128) and person.embeddings.dtype == np.float32
    np.testing.assert_allclose(person.mean, person.embeddings.mean(axis=0), atol=1e-6)
    assert person.aligned_faces.shape == (2, 150, 150, 3)
    assert person.landmarks.shape == (2, 5, 2)
    assert [photo.path for photo in person.photos] == paths
    np.testing.assert_array_equal(person.photos[0].pixels, portrait)
    # The base of the nose, in the pixels of each photo.
    assert np.abs(person.landmarks[0, 4] - [224, 135]).max() < 5
    assert np.abs(person.landmarks[1, 4] - [259 - 124, 135]).max() < 5
    # One person: far nearer than two people's 0.64.
    assert np.linalg.norm(person.embeddings[0] - person.embeddings[1]) < 0.4
    lines = report(person)
    assert lines[:2] == ["a.png: used.", "b.png: used."]
    assert lines[2].startswith("Identity from 2 of 2 photos (dlib, 128)")


def test_unusable_photos_are_left_out_and_say_why(save, head):
    dark = (255 * ((head / 255.0) ** 2.2 * 0.008) ** (1 / 2.2)).astype(np.uint8)
    tiny = np.asarray(Image.fromarray(head[50:180, 60:190]).resize((30, 30)))
    paths = [
        save("good.png", head),
        save("dot.png", head[:10, :10]),
        save("tiny.png", tiny),
        save("dark.png", dark),
    ]
    person = person_from_photos(paths, ColourEncoder())
    assert len(person.embeddings) == len(person.photos) == 1
    reasons = [
        [finding.reason for finding in verdict.findings if finding.severity == 2]
        for verdict in person.verdicts
    ]
    assert reasons[0] == []
    assert reasons[1] == ["it has only 10 x 10 pixels, too few for a face"]
    assert "the face is small" in reasons[2][0]
    assert reasons[3] == ["the face is under-exposed"]
    lines = report(person)
    assert lines[1].startswith("dot.png: left out. It has only 10 x 10 pixels")
    assert lines[3] == (
        "dark.png: left out. The face is under-exposed. Choose a photo with more light on the face."
    )
    assert lines[4] == "Identity from 1 of 4 photos (colour, 3)."


def test_photos_with_faults_are_used_with_a_warning(save, head):
    bright = (255 * np.clip((head / 255.0) ** 2.2 * 2.5, 0, 1) ** (1 / 2.2)).astype(np.uint8)
    soft = gaussian_filter(head, (2.6, 2.6, 0))
    for image, kind in ((soft, "blurred"), (bright, "over-exposed")):
        person = person_from_photos([save(f"{kind}.png", image)], ColourEncoder())
        assert [finding.kind for finding in person.verdicts[0].findings] == [kind]
        assert len(person.embeddings) == 1


def test_a_lying_photo_is_turned(save, head):
    person = person_from_photos([save("a.png", np.rot90(head))], ColourEncoder())
    np.testing.assert_array_equal(person.photos[0].pixels, head)
    assert "turning the photo a quarter to the right" in report(person)[0]


def test_of_several_faces_the_largest_is_taken(save, head):
    small = np.asarray(Image.fromarray(head).resize((180, 180), Image.Resampling.LANCZOS))
    both = np.full((260, 440, 3), 120, np.uint8)
    both[:180, :180] = tinted(small)
    both[:, 180:] = head
    person = person_from_photos([save("both.png", both)], ColourEncoder())
    assert person.landmarks[0, :, 0].min() > 180
    assert "shows 2 faces; the one on the right was taken, the largest" in report(person)[0]


def test_of_several_faces_the_one_on_the_other_photos_is_taken(save, head):
    small = np.asarray(Image.fromarray(head).resize((180, 180), Image.Resampling.LANCZOS))
    both = np.full((260, 440, 3), 120, np.uint8)
    both[:180, :180] = tinted(small)
    both[:, 180:] = head
    paths = [save("both.png", both), save("alone.png", tinted(head))]
    person = person_from_photos(paths, ColourEncoder())
    assert person.landmarks[0, :, 0].max() < 180
    assert "the one on the left was taken, the one most like the other" in report(person)[0]


def test_another_person_is_warned_of_and_kept(save, head):
    paths = [save("a.png", head), save("b.png", tinted(head)), save("c.png", head[:, ::-1])]
    person = person_from_photos(paths, ColourEncoder())
    kinds = [[finding.kind for finding in verdict.findings] for verdict in person.verdicts]
    assert kinds == [[], ["other person"], []]
    assert len(person.embeddings) == 3


def test_none_usable_names_the_cause_and_the_remedy(save, head):
    with pytest.raises(UserError, match=r"The photo .*a\.png can't be used: it has only 10 x 10"):
        person_from_photos([save("a.png", head[:10, :10])], ColourEncoder())


def test_none_of_several_usable_lists_each_reason(save, head):
    paths = [save("dot.png", head[:10, :10]), save("cup.png", coffee()[:100, :300])]
    with pytest.raises(UserError) as caught:
        person_from_photos(paths, ColourEncoder())
    text = str(caught.value)
    assert text.startswith("None of the 2 photos can be used (dot.png: it has only")
    assert "cup.png: no face was found)" in text
    assert text.endswith("Choose a photo on which the face is at least 100 pixels wide.")


def test_unreadable_photos_end_it(save, head, tmp_path):
    with pytest.raises(UserError, match="There is no photo"):
        person_from_photos([save("a.png", head), tmp_path / "b.png"], ColourEncoder())


def test_no_photo():
    with pytest.raises(UserError, match="No photo was given"):
        person_from_photos([], ColourEncoder())
