# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences page in Blender: each button, on a backend of a few bytes, without a network."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.addon.environment import tiny

# pytest finds these fixtures by their names.
from tests.addon.environment.conftest import begun, bundle, sources  # noqa: F401

pytestmark = pytest.mark.skipif(os.name == "nt", reason="made for the paths of Linux and macOS")

# A backend whose doctor finds a damaged torch, and names a path.
DOCTOR = """
import json, sys
if __name__ == "__main__":
    checks = [
        {"name": "torch", "state": "fail", "found": "damaged in /data/ada", "remedy": "make setup",
         "repair": True, "for_developers": False},
        {"name": "disk", "state": "ok", "found": sys.argv[-1], "remedy": "", "repair": False,
         "for_developers": False},
    ]
    print(json.dumps({"version": 1, "checks": checks}))
    sys.exit(1)
"""


@pytest.fixture(scope="module")
def report(
    in_blender: Any,
    begun: Path,  # noqa: F811
    bundle: Path,  # noqa: F811
    sources: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What `drive_setup.py` saw."""
    folder = tmp_path_factory.mktemp("blender")
    shutil.copytree(begun, folder / "begun", symlinks=True)
    (sources / "backend" / "idto3d" / "cli.py").write_text(DOCTOR)
    # The Python that has begun the environment has to be the one that goes on.
    python = Path(tiny.sys.executable)
    found: dict[str, Any] = in_blender("drive_setup.py", folder, bundle, sources, python)
    return {**found, "folder": folder}


def test_refuses_without_online_access(report: dict[str, Any]) -> None:
    assert not report["online"]
    for name in ("refused", "refused bundle"):
        assert "Blender's online access is off" in report[name]
        assert "Preferences > System > Network" in report[name]
    assert any("Online access is off" in text for text in report["nothing"]["page"]["texts"])


def test_folders_outside_the_add_on(report: dict[str, Any]) -> None:
    environment, jobs = map(Path, report["default folders"])
    assert environment.parts[-3:] == ("user_default", "idto3d", "environment")
    assert ".user" in environment.parts  # Blender's place for what an extension writes
    assert ".user" not in jobs.parts and jobs.name == "ID-to-3D"


def test_nothing_is_set_up(report: dict[str, Any]) -> None:
    nothing = report["nothing"]
    assert nothing["problem"].startswith("The backend is not set up yet. Press Install in Edit >")
    assert nothing["python"] == "None" and report["no command"] == nothing["problem"]
    assert {"idto3d.setup_install", "idto3d.setup_import_bundle", "idto3d.setup_existing"} <= set(
        nothing["page"]["operators"]
    )
    assert {"torch", "base_python", "index", "images", "jobs_folder"} <= set(
        nothing["page"]["properties"]
    )
    (_, backend) = report["doctor of nothing"]
    assert backend[:3] == ["Backend", "fail", "The backend is not set up yet"]
    assert backend[3].startswith("Press Install in")


def test_resume_after_a_break(report: dict[str, Any]) -> None:
    assert "not finished. Press Resume" in report["begun"]["problem"]
    assert "Resume" in report["begun"]["page"]["texts"]


def test_one_thing_at_a_time(report: dict[str, Any]) -> None:
    assert report["started"] == ""
    busy = report["busy"]
    assert (busy["repair"], busy["doctor"], busy["cancel"], busy["timer"]) == (
        *(False, False, True, True),
    )
    assert busy["page"]["progress"] and "idto3d.setup_cancel" in busy["page"]["operators"]
    assert "idto3d.setup_remove" not in busy["page"]["operators"]


def test_installed_from_the_bundle(report: dict[str, Any]) -> None:
    installed = report["installed"]
    assert installed["outcome"] == "done" and installed["problem"] == ""
    assert {"idto3d.setup_repair", "idto3d.setup_move", "idto3d.setup_remove"} <= set(
        installed["page"]["operators"]
    )
    python, *words = report["command"]
    assert python == installed["python"] and words[-3:] == ["-m", "idto3d.cli", "doctor"]
    assert words[0] == "-I"


def test_other_packages_are_asked_for(report: dict[str, Any]) -> None:
    texts = report["outdated"]["texts"]
    assert "This version needs other packages. Press Repair." in texts
    assert "Press Repair to change the build of torch." in texts
    assert not [text for text in report["installed"]["page"]["texts"] if "Press Repair" in text]


def test_environment_of_a_job_at_work_is_left_alone(report: dict[str, Any]) -> None:
    for text in report["with a job at work"]:
        assert "A head is being made with this environment" in text


def test_doctor_shows_each_finding_with_its_remedy(report: dict[str, Any]) -> None:
    assert "Examining…" in report["examining"]["texts"]
    blender, backend, torch, disk = report["doctor of the tiny backend"]
    assert blender[0] == "Blender" and backend[1] == "ok"
    assert torch == ["torch", "fail", "damaged in /data/ada", "Press Repair.", True]
    assert disk[2] == str(report["folder"] / "jobs")  # where heads will be made
    page = report["doctor's page"]
    assert "torch: damaged in /data/ada" in page["texts"]
    assert page["operators"].count("idto3d.setup_repair") == 2


def test_moved_and_removed(report: dict[str, Any]) -> None:
    moved = report["moved"]
    assert moved["outcome"] == "done" and moved["problem"] == ""
    assert moved["folder"].endswith("place/idto3d-environment")
    assert moved["python"] == moved["folder"] + "/python/bin/python"
    assert report["removed"]["problem"] == report["nothing"]["problem"]
    assert not Path(moved["folder"]).exists()


def test_existing_backend(report: dict[str, Any]) -> None:
    absent, good = report["existing"]
    assert "There is no such file" in absent and good == ""
    assert report["with existing"]["problem"] == ""
    assert "idto3d.setup_own" in report["with existing"]["page"]["operators"]
    last = report["doctor of a Python without idto3d"][-1]
    assert last[1] == "fail" and "not installed for this Python" in last[2] and not last[4]
    assert report["own again"] == ""


def test_everything_has_a_tooltip(report: dict[str, Any]) -> None:
    texts = [text for group in report["tooltips"].values() for text in group]
    texts += report["fields"].values()
    assert len(report["fields"]) >= 8 and len(report["tooltips"]) == 12
    assert [text for text in texts if len(text) < 16 or text.endswith(".")] == []


def test_nothing_runs_on_when_switched_off(report: dict[str, Any]) -> None:
    assert report["after"] == [False, False, False]
