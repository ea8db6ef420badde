# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans in NPHM's layout, on a miniature tree of the same form made from our own template."""

import csv
from pathlib import Path

import numpy as np
import pytest

from idto3d.assets import ASSETS, expression_names
from idto3d.cli import main
from idto3d.errors import UserError
from idto3d.head.stage_zero import StageZero
from idto3d.head.template import Template
from idto3d.settings import HEAD_METRES
from tests.backend.training.conftest import WITHOUT_ANNY

pytest.importorskip("anny", reason=WITHOUT_ANNY)
trimesh = pytest.importorskip("trimesh")
from idto3d.training import nphm_dataset  # noqa: E402  after the check that anny is there
from idto3d.training.dataset import DatasetSettings, expression_table  # noqa: E402
from idto3d.training.nphm import find_scans, placed, read_scan, shift_to_template  # noqa: E402
from idto3d.training.nphm_tables import Subject, read_tables, write_tables  # noqa: E402
from idto3d.training.nphm_words import guess_words  # noqa: E402
from idto3d.training.shards import IMAGE_KINDS, open_dataset, read_shard  # noqa: E402

# Where a scan lies in NPHM's frame, in its units (a quarter of a metre).
OFFSET = np.array([0.02, -0.5, 0.3])
SMILE = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}
SETTINGS = DatasetSettings(image_size=32, views=4, embeddings=2, embedding_size=48)


def write_tree(folder: Path, template: Template) -> Path:
    """Two subjects with a neutral face (000) and a smile (001); the left half is redder."""
    colours = np.full((len(template.mean), 4), 255, np.uint8)
    colours[:, :3] = (150, 110, 90)
    colours[template.mean.numpy()[:, 0] > 0, 0] = 230
    for subject, wider in (("017", 1.0), ("018", 1.05)):
        for expression, moved in (("000", {}), ("001", SMILE)):
            shape = (template.mean + template.expression(moved)).numpy() * [wider, 1, 1]
            vertices = shape * HEAD_METRES * 4 + OFFSET
            mesh = trimesh.Trimesh(
                vertices, template.faces.numpy(), vertex_colors=colours, process=False
            )
            target = folder / subject / expression
            target.mkdir(parents=True)
            mesh.export(target / "scan.ply")
            trimesh.Trimesh(vertices, template.faces.numpy(), process=False).export(
                target / "registration.ply"
            )
    (folder / "017" / "notes").mkdir()
    return folder


@pytest.fixture(scope="module")
def tree(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("nphm"), template)


def fill(folder: Path, name: str, rows: list[list[object]]) -> None:
    with open(folder / name, "a", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "people.csv").write_text("subject,gender,age,ethnicity,hairstyle,held_out\n")
    (folder / "expressions.csv").write_text("subject,expression,name\n")
    fill(folder, "people.csv", [[17, "woman", "old", "", "grey hair", "no"],
                                ["018", "", "", "", "", "yes"]])  # fmt: skip
    fill(folder, "expressions.csv", [["*", 0, "neutral"], ["*", "001", "smile"]])
    return folder


class ColourEncoder:
    """The mean colour as a face's identity: the tree has two tones and no face."""

    name, dimension, licence_note, stranger_distance = "dlib", 3, "", 1.0

    def align(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        return image

    def embed(self, chips: np.ndarray) -> np.ndarray:
        return chips.reshape(len(chips), -1, 3).mean(axis=1).astype(np.float32) / 255


def whole_picture(image: np.ndarray):
    from idto3d.identity.detect import Face

    return 0, (Face((0, 0, 1, 1), np.zeros((5, 2)), "hog"),)


def test_layout(tree: Path, tmp_path: Path) -> None:
    scans = find_scans(tree, "scan")
    assert [(scan.subject, scan.expression) for scan in scans] == [
        (17, 0), (17, 1), (18, 0), (18, 1)
    ]  # fmt: skip
    assert find_scans(tree, "registration")[0].path.name == "registration.ply"
    with pytest.raises(UserError, match="no SUBJECT/EXPRESSION/scan.ply"):
        find_scans(tmp_path, "scan")


def test_scan_comes_to_lie_on_the_template(tree: Path, template: Template) -> None:
    scan = read_scan(tree / "017" / "000" / "scan.ply")
    shift = shift_to_template(scan, template)
    np.testing.assert_allclose(shift, -OFFSET / 4 / HEAD_METRES, atol=2e-3)
    inside = placed(scan, shift)
    assert inside.vertices[:, 1].min() > -0.41 and np.abs(inside.vertices).max() < 0.55
    assert inside.colours is not None
    left = inside.vertices[:, 0] > 0.01
    assert inside.colours[left, 0].min() > 0.85 > 0.7 > inside.colours[~left, 0].mean()
    registration = read_scan(tree / "017" / "000" / "registration.ply")
    assert registration.colours is None


def test_damaged_scan(tmp_path: Path) -> None:
    (tmp_path / "scan.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 3\n")
    with pytest.raises(UserError, match="can't be read|no triangles"):
        read_scan(tmp_path / "scan.ply")


def test_shards_that_training_reads(
    tree: Path, tables: Path, template: Template, tmp_path: Path
) -> None:
    table = expression_table(ASSETS / "expressions.json")
    output = tmp_path / "out"
    left_out = nphm_dataset.build(
        output,
        find_scans(tree, "scan"),
        read_tables(tables, expression_names()),
        template,
        SETTINGS,
        nphm_dataset.Recognition(ColourEncoder(), whole_picture),
        table,
    )
    assert left_out == []
    opened = open_dataset(output)
    assert opened.identities().held_out.tolist() == [False, True]
    assert opened.identities().embedding.shape == (2, 2, 3)
    first, second = opened.shards()
    keys = (
        *IMAGE_KINDS,
        "person",
        "expression",
        "caption",
        "yaw",
        "pitch",
        "close_up",
        "landmarks",
    )
    rows = read_shard(first, keys)
    for kind in IMAGE_KINDS:
        assert rows[kind].shape == (4, 32, 32, 3) and rows[kind].std() > 5, kind
    names = [opened.expressions[index] for index in rows["expression"]]
    assert sorted(set(names)) == ["neutral", "smile"]
    assert all("person" in text or "woman" in text for text in rows["caption"])
    assert rows["person"].tolist() == [0] * 4
    assert read_shard(second, ("person",))["person"].tolist() == [1] * 4
    # The scan is the template: its normals are the hint's, up to the picture's edges.
    difference = np.abs(rows["normal"].astype(float) - rows["hint"]).mean()
    assert difference < 8
    # Albedo is the scan's colour: both tones and white, whatever the light.
    colours = rows["albedo"].reshape(-1, 3).astype(int)
    for tone in ((230, 110, 90), (150, 110, 90)):
        assert (np.abs(colours - tone).max(axis=1) <= 2).any()


def test_subjects_without_names_or_colours_are_left_out(
    tree: Path, tables: Path, template: Template, tmp_path: Path
) -> None:
    fill(tables, "people.csv", [[99, "man", "", "", "", ""]])
    arguments = (
        read_tables(tables, expression_names()),
        template,
        SETTINGS,
        nphm_dataset.Recognition(ColourEncoder(), whole_picture),
        expression_table(ASSETS / "expressions.json"),
    )
    said = nphm_dataset.build(tmp_path / "a", find_scans(tree, "registration"), *arguments)
    assert "017 is left out: its scans have no colours" in said[0]
    assert "099 is left out: none of the 0 scans is named" in said[2]
    assert not (tmp_path / "a" / "dataset.json").exists()


def test_tables_are_written_filled_and_checked(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_tables(folder, find_scans(tree, "scan"))
    assert (folder / "people.csv").read_text().splitlines()[1] == "17,,,,,yes"
    assert (folder / "expressions.csv").read_text().splitlines()[1] == "*,0,"
    with pytest.raises(UserError, match="is there already"):
        write_tables(folder, find_scans(tree, "scan"))
    with pytest.raises(UserError, match="No scan .* is called neutral"):
        read_tables(folder, expression_names())
    fill(folder, "expressions.csv", [["17", 0, "smlie"]])
    with pytest.raises(UserError, match="Line 4 of .*Did you mean smile"):
        read_tables(folder, expression_names())
    with pytest.raises(UserError, match="--write-tables"):
        read_tables(tmp_path, expression_names())


def test_own_name_of_an_expression_wins(tables: Path, tree: Path) -> None:
    fill(tables, "expressions.csv", [["018", 0, "smile"]])
    read = read_tables(tables, expression_names())
    scans = find_scans(tree, "scan")
    assert [read.expression(scan) for scan in scans] == ["neutral", "smile", "smile", "smile"]


def test_captions_leave_out_what_is_not_known() -> None:
    subject = Subject(1, "woman", "young", "asian", "short black hair", False)
    assert subject.caption("front view", [True] * 4) == (
        "a front view face portrait of a young asian woman with short black hair"
    )
    nobody = Subject(1, "", "", "", "", False)
    assert nobody.caption("back view", [True] * 4) == "a back view face portrait of a person"


def test_command(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["dataset", "--output", str(tmp_path / "out"), "--nphm", str(tree)]
    assert main(words) == 2
    assert "--tables" in capsys.readouterr().err
    assert main([*words, "--tables", str(tmp_path / "t"), "--write-tables"]) == 0
    assert (tmp_path / "t" / "people.csv").is_file()


def test_words_are_guessed_from_faces(tree: Path, template: Template, tmp_path: Path) -> None:
    """Stage 0 here reads the colour: the redder half of a head makes it a middle-aged man."""
    weights = np.zeros((4, 7), np.float32)
    weights[3, -2:] = (0.0, 2.0)
    weights[0, -2:] = (10.0, -10.0)
    stage_zero = StageZero(np.full(3, 0.5), np.ones(3), weights, np.zeros(2))
    recognition = nphm_dataset.Recognition(ColourEncoder(), whole_picture)
    scans = find_scans(tree, "scan")
    found = guess_words(scans, template, SETTINGS, recognition, stage_zero)
    embedded = ColourEncoder().embed(np.full((1, 2, 2, 3), 0))
    guess = stage_zero.guess(embedded)
    assert (guess.gender_word(), guess.age_word()) == ("woman", "old")
    assert set(found) == {17, 18}
    assert all(gender in ("man", "woman") and age for gender, age in found.values())
    folder = tmp_path / "guessed"
    write_tables(folder, scans, found)
    assert (folder / "people.csv").read_text().splitlines()[1] == f"17,{','.join(found[17])},,,yes"

    unseen = nphm_dataset.Recognition(ColourEncoder(), lambda image: (0, ()))
    assert guess_words(scans, template, SETTINGS, unseen, stage_zero) == {}
