# SPDX-License-Identifier: GPL-3.0-or-later
"""What can't work is refused in one sentence before anything is written."""

from pathlib import Path

import pytest
import torch

from idto3d.assets import expression_names
from idto3d.errors import UserError
from idto3d.job import preflight
from idto3d.job.protocol import Request
from idto3d.prior.manifest import PARTS, Manifest, write_manifest


def make_prior(folder: Path, encoder: str = "dlib") -> Path:
    """A prior's folder as far as its manifest is concerned: one file with its checksum."""
    for part in PARTS:
        (folder / part).mkdir(parents=True)
    (folder / "unet" / "weights.safetensors").write_bytes(b"weights")
    write_manifest(folder, Manifest(name="toy", identity_encoder=encoder, licence="CC0-1.0"))
    return folder


def test_vocabulary_begins_with_neutral() -> None:
    names = expression_names()
    assert names[0] == "neutral" and len(set(names)) == len(names) >= 13


def test_good_request_passes(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"x")
    prior = make_prior(tmp_path / "prior")
    preflight.check_request(Request((str(photo),), ("smile",), device="cpu", prior=str(prior)))


def test_expression_that_the_prior_was_not_trained_on(tmp_path: Path) -> None:
    """The vocabulary is the program's, the training the prior's."""
    prior = make_prior(tmp_path / "prior")
    preflight.check_prior_vocabulary(prior, ("neutral", "smile"))  # it has none of its own
    texts = {"neutral": "a neutral expression", "anger": "an angry expression"}
    write_manifest(prior, Manifest(expression_texts=texts))
    preflight.check_prior_vocabulary(prior, ("neutral", "anger"))
    with pytest.raises(UserError, match="not trained on .*'smile'.* It knows anger, neutral"):
        preflight.check_prior_vocabulary(prior, ("neutral", "smile"))


def test_photos(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file .*missing.jpg"):
        preflight.check_photos([str(tmp_path / "missing.jpg")])
    with pytest.raises(UserError, match="is a folder"):
        preflight.check_photos([str(tmp_path)])


def test_identity_model_that_is_not_there(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(b"x")
    prior = str(make_prior(tmp_path / "prior"))
    request = Request((str(photo),), (), prior=prior, identity_model=str(tmp_path / "w.onnx"))
    with pytest.raises(UserError, match="no identity model"):
        preflight.check_request(request)


def test_unknown_expression_gets_near_names() -> None:
    vocabulary = ("neutral", "smile", "jaw_open")
    with pytest.raises(UserError, match="Did you mean smile"):
        preflight.check_expression("smlie", vocabulary)
    with pytest.raises(UserError, match="Did you mean jaw_open"):
        preflight.check_expression("jawOpen", vocabulary)
    with pytest.raises(UserError, match="Known are neutral, smile, jaw_open"):
        preflight.check_expression("xxxxxxx", vocabulary)


def test_whole_prior_passes_and_damaged_ones_do_not(tmp_path: Path) -> None:
    prior = make_prior(tmp_path / "prior")
    weights = prior / "unet" / "weights.safetensors"
    preflight.check_prior(prior)
    weights.write_bytes(b"weightz")
    with pytest.raises(UserError, match="weights.safetensors is damaged"):
        preflight.check_prior(prior)
    weights.unlink()
    with pytest.raises(UserError, match="weights.safetensors is missing"):
        preflight.check_prior(prior)
    (prior / "prior.json").write_text("{")
    with pytest.raises(UserError, match="prior.json is damaged"):
        preflight.check_prior(prior)
    (prior / "prior.json").unlink()
    with pytest.raises(UserError, match="has no prior.json"):
        preflight.check_prior(prior)


def test_cuda_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    preflight.check_device("auto")
    preflight.check_device("cpu")
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(UserError, match="torch has no CUDA"):
        preflight.check_device("cuda")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    with pytest.raises(UserError, match="no NVIDIA GPU"):
        preflight.check_device("cuda")


def test_job_is_made_once(tmp_path: Path) -> None:
    request = Request(("a.jpg",), ())
    folder = preflight.create_job(tmp_path / "x" / "job", request)
    assert folder.read_request() == request
    with pytest.raises(UserError, match="already holds a job"):
        preflight.create_job(folder.root, request)


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't be written"):
        preflight.create_job(tmp_path / "file" / "job", Request(("a.jpg",), ()))
    with pytest.raises(UserError, match="can't be written"):
        preflight.create_job(tmp_path / "file", Request(("a.jpg",), ()))
    assert (tmp_path / "file").read_text() == ""


def test_withdrawn_job_leaves_nothing_of_its_own(tmp_path: Path) -> None:
    request = Request(("a.jpg",), ())
    fresh = preflight.create_job(tmp_path / "fresh", request)
    preflight.withdraw_job(fresh, made_root=True)
    assert not fresh.root.exists()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("keep")
    old = preflight.create_job(tmp_path / "old", request)
    preflight.withdraw_job(old, made_root=False)
    assert [path.name for path in old.root.iterdir()] == ["mine.txt"]


def test_job_with_a_checkpoint_is_not_withdrawn(tmp_path: Path) -> None:
    folder = preflight.create_job(tmp_path / "job", Request(("a.jpg",), ()))
    folder.checkpoint.mkdir()
    preflight.withdraw_job(folder, made_root=True)
    assert folder.request.exists()
