# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist at the panels in a real Blender, with a backend that plays every part.

What happens is in `drive_panels.py`; here is what must come of it.
"""

import sys
from typing import Any

import pytest

from tests.addon.conftest import Run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the mock is a shell script")


@pytest.fixture(scope="module")
def photos(in_blender: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return in_blender("drive_panels.py", tmp_path_factory.mktemp("photos"), "photos")


@pytest.fixture(scope="module")
def generated(in_blender: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return in_blender("drive_panels.py", tmp_path_factory.mktemp("generate"), "generate")


@pytest.fixture(scope="module")
def history(in_blender: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return in_blender("drive_panels.py", tmp_path_factory.mktemp("history"), "history")


@pytest.fixture(scope="module")
def scenarios(in_blender: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return in_blender("drive_panels.py", tmp_path_factory.mktemp("scenarios"), "scenarios")


def test_photos_come_in_once_and_only_pictures(photos: dict[str, Any]) -> None:
    assert photos["add"] == "FINISHED"
    assert photos["added"] == ["good.png", "soft.png", "bad.png"]


def test_verdicts_arrive_and_say_what_to_do(photos: dict[str, Any]) -> None:
    assert photos["verdicts"] == {
        "good.png": "USABLE",
        "soft.png": "WARNING",
        "bad.png": "UNUSABLE",
    }
    advice = "The face is blurred. Choose a photo in focus."
    assert photos["bad findings"] == photos["bad tooltip"] == advice
    assert photos["findings"] == "FINISHED"
    assert photos["panels"]["rows"]["texts"] == ["good.png", "soft.png", "bad.png"]
    assert "focus." in photos["panels"]["photos"]["texts"]


def test_order_and_removal(photos: dict[str, Any]) -> None:
    assert photos["moves"] == ["CANCELLED", "FINISHED"]
    assert photos["moved"] == ["soft.png", "good.png", "bad.png"]
    assert photos["removed"] == ["soft.png", "good.png"]
    # Whether it is one person is asked of all photos together.
    assert photos["verdicts after a change"] == ["UNKNOWN", "UNKNOWN"]


def test_images_and_the_clipboard(photos: dict[str, Any]) -> None:
    assert photos["from image"] == "FINISHED"
    assert photos["painted"] == [".png", "89504e47", True]
    assert photos["painted is in the user's folder"] and photos["image with a file"]
    assert photos["paste nothing"] == "CANCELLED"
    assert photos["clipboard"] == {
        "/a b.jpg": ["/a b.jpg"],
        "file:///a%20b.jpg\nfile:///c.png": ["/a b.jpg", "/c.png"],
        "hello": [],
        "/a.jpg\nhello": [],
        "": [],
    }


def test_photos_are_dropped_on_the_sidebar_only(photos: dict[str, Any]) -> None:
    operator, suffixes, places = photos["drop"]
    assert operator == "idto3d.photos_add" and ".jpg" in suffixes.split(";")
    assert places == {"VIEW_3D UI": True, "VIEW_3D WINDOW": False, "IMAGE_EDITOR UI": False}


def test_sets_of_expressions(photos: dict[str, Any]) -> None:
    assert photos["default expressions"] == 3
    assert photos["sets"] == {"NONE": 0, "3": 3, "6": 6, "13": 13, "ALL": 16}


def test_every_panel_has_help(photos: dict[str, Any]) -> None:
    panels = photos["empty panels"]
    assert len(panels) == 8
    for name, drawn in panels.items():
        assert name == "rows" or "idto3d.help" in drawn["operators"], name
    assert set(photos["helps"]) == {"FINISHED"}


def test_what_is_missing_is_said(generated: dict[str, Any]) -> None:
    photos, consent, name, backend, nothing = generated["problems"]
    assert photos.startswith("There are no photos.")
    assert consent.startswith("The right to use this likeness")
    assert name.startswith("The person has no name.")
    assert "no such file" in backend and nothing == ""
    assert "likeness is not confirmed" in generated["refused"]
    assert "idto3d.preferences_show" in generated["panel without backend"]["operators"]


def test_forecast_is_measured_or_unknown(generated: dict[str, Any]) -> None:
    assert "Not known." in generated["unknown forecast"]["texts"]
    assert "idto3d.measure" in generated["unknown forecast"]["operators"]
    assert generated["measure"] == "FINISHED"
    assert "Measuring this machine" in generated["panel while measuring"]


def test_from_the_button_to_the_head(generated: dict[str, Any]) -> None:
    assert generated["generate"] == "FINISHED" and generated["first phase"] == "starting"
    assert generated["phase"] == "done"
    name, description, consent, seed, preset, expressions, same_photo = generated["request"]
    assert (name, description, consent, seed, preset) == ("Ada", "grey hair", True, 7, "draft")
    assert expressions == ["smile", "jaw_open", "surprise"] and same_photo
    assert generated["overrides"] == {"asset.teeth_and_lashes": False}
    assert generated["head"] == {
        "keys": {"smile": 0.0, "jaw_open": 0.0, "surprise": 0.0},
        "collections": ["Ada"],
        "others": [],
    }


def test_panel_shows_how_far_it_is(generated: dict[str, Any]) -> None:
    assert generated["bars"] == [0.0, 0.5]
    texts = generated["panel texts"]
    for text in ("Ada: at work", "Shape (1 of 3): 5/10", "Skin (2 of 3): 5/10", "Cancel"):
        assert text in texts
    assert any(text.endswith("left in this stage") for text in texts)
    assert {"idto3d.job_cancel", "idto3d.job_keep", "idto3d.job_log"} <= set(
        generated["panel operators"]
    )


def test_pictures_are_loaded(generated: dict[str, Any]) -> None:
    # Without a window there are no icons, but Blender reads the files for them.
    assert generated["thumbnails"] and all(size != [0, 0] for size in generated["thumbnails"])


def test_preview_is_one_object_and_no_pile(generated: dict[str, Any]) -> None:
    # One object, and one mesh and one count of meshes and materials through all refreshes.
    assert generated["preview objects"] == [1]
    assert generated["left over"] == {}


def test_undo_loses_no_job_and_brings_no_second_head(generated: dict[str, Any]) -> None:
    assert generated["after undo"] == [1, True, 0]
    assert generated["import again"] == "FINISHED"
    assert generated["heads"] == ["Ada", "Ada.001"]


@pytest.mark.parametrize(
    ("scenario", "phase", "words"),
    [
        ("error", "failed", "No photo shows a face. Take one from the front."),
        ("memory", "failed", "not enough memory for this job. Close other programs"),
        ("killed", "dead", "most often because memory ran out."),
        ("crash", "dead", "The worker crashed (signal 11). Press Resume"),
        ("mute", "dead", "did not start: ModuleNotFoundError: No module named 'torch'"),
        ("silence", "dead", "The worker was ended at once, as asked."),
    ],
)
def test_a_bad_end_is_explained_and_resumed(
    scenarios: dict[str, Any], scenario: str, phase: str, words: str
) -> None:
    found = scenarios[scenario]
    assert found["phase"] == phase and words in found["texts"]
    assert "idto3d.job_resume" in found["operators"]
    assert found["new objects"] == [] and found["problem"] == ""
    assert found["resume"] == "FINISHED" and found["came in"]


def test_a_corrupt_result_is_told_and_leaves_nothing(scenarios: dict[str, Any]) -> None:
    found = scenarios["corrupt"]
    assert found["phase"] == "done" and found["new objects"] == [] and found["problem"] == ""
    assert "The head did not come in: head.glb is damaged" in found["texts"]
    assert "is damaged" in found["import again"]
    assert "(3 lines could not be read)" in found["log text"]


def test_silence_is_told_and_ended_within_five_seconds(scenarios: dict[str, Any]) -> None:
    found = scenarios["silence"]
    assert found["said"] and found["cancel"] == "FINISHED"
    assert found["stopping"] and found["end button"]
    assert found["noticed after"] < 5.0


def test_log_is_a_text(scenarios: dict[str, Any]) -> None:
    assert scenarios["error"]["log"] == "FINISHED"
    assert "Failed: No photo shows a face." in scenarios["error"]["log text"]
    assert "No module named 'torch'" in scenarios["mute"]["log text"]


def test_queue(history: dict[str, Any]) -> None:
    assert history["queue"] == ["Grace", "Emmy"]
    assert {"Grace: waits", "Emmy: waits"} <= set(history["panel with queue"]["texts"])
    assert history["withdraw"] == "FINISHED" and history["next"] == "Grace"


def test_stop_and_keep_this(history: dict[str, Any]) -> None:
    assert history["keep"] == "FINISHED" and history["kept"]
    assert "Writing the head from what there is" in history["panel while keeping"]


def test_history(history: dict[str, Any]) -> None:
    texts = history["history"]["texts"]
    rows = [row for row, text in enumerate(texts) if ", draft, " in text]
    states = {texts[row - 1]: texts[row].split(",")[0] for row in rows}
    assert states == {"Emmy": "Stopped", "Grace": "Done", "Ada": "Stopped"}
    assert history["page"] == ["FINISHED", "FINISHED"]


def test_file_that_is_opened_again_finds_its_job(history: dict[str, Any]) -> None:
    assert history["other file"] == [0, 0]
    assert history["found again"] and history["imported"] == [True, "done"]
    assert history["previews left"] == []


def test_redo_fills_the_panels(history: dict[str, Any]) -> None:
    assert history["redo"] == "FINISHED"
    assert history["redone"] == ["Ada", "draft", 0, 1, 3, True, True]


def test_delete_takes_the_folder_and_leaves_the_head(history: dict[str, Any]) -> None:
    assert history["delete active"].startswith("A worker is at this job.")
    assert history["delete"] == ["FINISHED", False] and history["head stays"]
    assert history["gone"].startswith("This job is gone.")


def test_a_tick_without_news_is_cheap(
    in_blender: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = in_blender("drive_panels.py", tmp_path_factory.mktemp("costs"), "costs")
    assert found["jobs"] == 31 and found["ticks"] > 200 and found["problem"] == ""
    # Milliseconds; a few of 300 are interrupted by the machine's other work.
    assert found["median"] < 1.0 and found["nine of ten"] < 2.0
