# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor found, its remedies, and a report that tells nothing about the person."""

import json
from pathlib import Path

import pytest

from idto3d import doctor as backend_doctor
from tests.addon import extension

doctor = extension.load("addon.setup.doctor")


def report(*checks: backend_doctor.Check) -> object:
    """The backend's answer."""
    return json.loads(backend_doctor.as_json(list(checks)))


def test_repair_is_offered_for_ones_own_environment_only() -> None:
    torch = backend_doctor.Check("torch", "fail", "gone", "Run 'make setup' again.", repair=True)
    disk = backend_doctor.Check("disk", "fail", "0 GiB free", "Free 1 GiB.")
    node = backend_doctor.Check("node", "warn", "none", "Install it.", for_developers=True)
    own = doctor.read_report(report(torch, disk, node), own_environment=True)
    assert [(item.name, item.remedy, item.repair) for item in own] == [
        ("torch", "Press Repair.", True),
        ("disk", "Free 1 GiB.", False),
    ]
    other = doctor.read_report(report(torch), own_environment=False)
    assert other == [doctor.Finding("torch", "fail", "gone", "Run 'make setup' again.", False)]


@pytest.mark.parametrize("wrong", [None, [], {"version": 2, "checks": []}, {"version": 1}])
def test_what_is_no_report(wrong: object) -> None:
    with pytest.raises(ValueError):
        doctor.read_report(wrong, own_environment=True)


def test_backend_that_is_not_there() -> None:
    problem = "The backend is not set up yet. Press Install in Edit > Preferences."
    blender, backend = doctor.blender_findings("5.2.0", online=False, backend_problem=problem)
    assert blender.found.startswith("5.2.0, online access is off")
    assert (backend.state, backend.found) == ("fail", "The backend is not set up yet")
    assert backend.remedy == "Press Install in Edit > Preferences."
    assert doctor.blender_findings("5.2.0", True, "")[1].state == "ok"


def test_python_without_the_backend() -> None:
    finding = doctor.unable("ModuleNotFoundError: No module named 'idto3d'", False)
    assert "not installed for this Python" in finding.found and "Choose" in finding.remedy
    assert doctor.unable("anything", own_environment=True).remedy == "Press Repair."


def test_report_without_paths_and_names() -> None:
    findings = [
        doctor.Finding("a", "fail", "/home/ada lovelace/heads is full", "Look at D:\\ada\\x."),
        doctor.Finding("bb", "ok", "for ada, in ~/x and '/data/ada/y'"),
        doctor.Finding("c", "ok", "2.1 GiB free, 12 files, GPL-3.0-or-later; CUDA/CPU, canada"),
    ]
    text = doctor.report_text(findings, home=Path("/home/ada lovelace"), user="ada")
    lines = text.splitlines()
    assert lines[0] == "fail  a   PATH is full"
    assert lines[1] == "          -> Look at PATH"
    assert lines[2] == "ok    bb  for USER, in PATH and 'PATH'"
    assert lines[3].endswith("2.1 GiB free, 12 files, GPL-3.0-or-later; CUDA/CPU, canada")
