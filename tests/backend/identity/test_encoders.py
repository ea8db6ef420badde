# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of encoder, and the InsightFace path on a small ONNX model."""

import sys

import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d.identity.dlib_encoder import DlibEncoder
from idto3d.identity.encoders import open_encoder
from idto3d.identity.insightface_encoder import InsightFaceEncoder
from tests.backend.identity.toy_pack import WEIGHTS, write_recogniser


@pytest.fixture
def encoder(tmp_path):
    return InsightFaceEncoder(write_recogniser(tmp_path / "r50.onnx"))


def test_colours_are_normalised_and_in_rgb_order(encoder):
    chips = np.zeros((2, 112, 112, 3), np.uint8)
    chips[0] = [255, 51, 102]
    chips[1] = [0, 255, 255]
    means = (chips[:, 0, 0].astype(np.float64) - 127.5) / 127.5
    expected = means @ WEIGHTS
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    embeddings = encoder.embed(chips)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)


def test_width_is_read_from_the_model(encoder):
    assert encoder.dimension == 4
    assert encoder.embed(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0, 4)


def test_portrait_through_the_model(encoder, portrait, face):
    chip = encoder.align(portrait, face.landmarks)
    assert chip.shape == (112, 112, 3)
    assert np.isfinite(encoder.embed(chip[None])).all()


def test_chips_of_another_size_are_refused(encoder):
    with pytest.raises(ValueError, match="112"):
        encoder.embed(np.zeros((1, 150, 150, 3), np.uint8))


@pytest.mark.parametrize("name", ["w600k_r50.onnx", "glintr100.onnx"])
def test_the_recogniser_of_a_pack_is_found(tmp_path, name):
    write_recogniser(tmp_path / "2d106det.onnx", side=192)
    write_recogniser(tmp_path / name)
    assert InsightFaceEncoder(tmp_path).dimension == 4


def test_the_licence_is_said(tmp_path, caplog):
    open_encoder("insightface", write_recogniser(tmp_path / "r50.onnx"))
    assert "non-commercial research" in caplog.text


def test_a_folder_without_recogniser(tmp_path):
    write_recogniser(tmp_path / "2d106det.onnx", side=192)
    with pytest.raises(UserError, match=r"holds none of w600k_r50\.onnx.*Name the folder"):
        InsightFaceEncoder(tmp_path)


def test_another_kind_of_model(tmp_path):
    with pytest.raises(UserError, match="is not a face recogniser.*192"):
        InsightFaceEncoder(write_recogniser(tmp_path / "2d106det.onnx", side=192))


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "r50.onnx").write_text("not found\n" * 20)
    with pytest.raises(UserError, match="can't be opened as an ONNX model.*Fetch it again"):
        InsightFaceEncoder(tmp_path / "r50.onnx")


def test_no_such_model(tmp_path):
    with pytest.raises(UserError, match="There is no InsightFace model"):
        InsightFaceEncoder(tmp_path / "r50.onnx")


def test_onnxruntime_is_optional(tmp_path, monkeypatch):
    write_recogniser(tmp_path / "r50.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="needs onnxruntime.*Install it with"):
        InsightFaceEncoder(tmp_path / "r50.onnx")


def test_choice():
    assert isinstance(open_encoder("dlib"), DlibEncoder)
    with pytest.raises(UserError, match="none was named"):
        open_encoder("insightface")
    with pytest.raises(ValueError, match="facenet"):
        open_encoder("facenet")
