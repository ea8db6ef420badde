# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor names cause and remedy, and tells nothing about the person."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from idto3d import doctor
from tests.backend.job.test_preflight import make_prior


def test_every_failing_check_has_a_remedy(tmp_path: Path) -> None:
    checks = doctor.examine(prior=tmp_path / "absent", work=tmp_path)
    assert len({check.name for check in checks}) == len(checks) >= 10
    assert all(bool(check.remedy) == (check.state != "ok") for check in checks)
    by_name = {check.name: check for check in checks}
    assert by_name["prior"].state == "fail"
    assert by_name["torch"].state == "ok" and by_name["torch"].found == torch.__version__


def test_intact_prior(tmp_path: Path) -> None:
    check = doctor.check_prior_folder(make_prior(tmp_path / "prior"))
    assert check.state == "ok" and check.found.startswith("toy, 1 files")


def test_damaged_prior(tmp_path: Path) -> None:
    prior = make_prior(tmp_path / "prior")
    (prior / "unet" / "weights.safetensors").write_bytes(b"")
    check = doctor.check_prior_folder(prior)
    assert check.state == "fail" and "damaged" in check.found and check.remedy
    assert str(tmp_path) not in check.found


def test_licence_of_insightface_is_said(tmp_path: Path) -> None:
    ours = doctor.check_licences(make_prior(tmp_path / "a"))
    assert ours.state == "ok" and "CC0-1.0" in ours.found
    theirs = doctor.check_licences(make_prior(tmp_path / "b", encoder="insightface"))
    assert theirs.state == "warn" and "non-commercial" in theirs.found


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert doctor.check_torch().state == "fail" and doctor.check_torch().repair
    assert doctor.check_device().state == "fail"


def test_gpu_that_torch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(torch.version, "cuda", None)
    check = doctor.check_device()
    assert check.state == "warn" and "torch has no CUDA" in check.found
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    assert "driver" in doctor.check_device().remedy


def test_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SimpleNamespace(available=2 * doctor.GIB, total=8 * doctor.GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    check = doctor.check_memory()
    assert check.state == "warn" and check.found == "2.0 GiB free of 8.0"


def test_little_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**6))
    assert doctor.check_disk(tmp_path).state == "fail"


def test_disk_of_a_folder_that_is_yet_to_make(tmp_path: Path) -> None:
    assert doctor.check_disk(tmp_path / "a" / "b").found == doctor.check_disk(tmp_path).found


def test_missing_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    assert doctor.check_encoder().state == "fail"
    assert doctor.check_kernels().state == "fail"
    assert doctor.check_training().state == "warn"


def test_report_names_no_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "annabel"
    monkeypatch.setattr(doctor.Path, "home", lambda: home)
    monkeypatch.setattr(doctor.getpass, "getuser", lambda: "annabel")
    checks = [
        doctor.Check("a", "fail", f"{home}/heads", "Look into /data/annabel/x."),
        doctor.Check("b", "ok", "C:\\Users\\annabel", ""),
    ]
    for report in (doctor.as_text(checks), doctor.as_json(checks)):
        assert "annabel" not in report
        assert "~/heads" in report and "/data/user/x" in report


def test_json_report(tmp_path: Path) -> None:
    check = doctor.Check("a", "warn", "found", "do this")
    report = json.loads(doctor.as_json([check]))
    assert report["version"] == 1
    assert report["checks"] == [
        {
            "name": "a",
            "state": "warn",
            "found": "found",
            "remedy": "do this",
            "repair": False,
            "for_developers": False,
        }
    ]
    assert doctor.as_text([check]).splitlines() == ["warn  a  found", "         -> do this"]
