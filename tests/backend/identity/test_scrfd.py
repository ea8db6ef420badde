# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector of InsightFace's packs on a small ONNX model with the same inputs and outputs."""

import numpy as np
import pytest
from PIL import Image

from idto3d.errors import UserError
from idto3d.identity.align import ARCFACE_POINTS, arcface_chip, eye_centres
from idto3d.identity.detect import Face, find_faces
from idto3d.identity.encoders import chip_of, open_encoder, open_finder
from idto3d.identity.onnx_session import chosen_providers
from idto3d.identity.person import person_from_photos
from idto3d.identity.scrfd import ScrfdFinder, decode, quarter_turns, suppressed
from tests.backend.identity.toy_pack import write_detector, write_pack, write_recogniser


@pytest.fixture(scope="module")
def finder(tmp_path_factory):
    return ScrfdFinder(write_detector(tmp_path_factory.mktemp("pack") / "det_10g.onnx"))


def picture(*squares, size=(640, 640)):
    """Grey with red squares (left, top, side)."""
    image = np.full((*size, 3), 128, np.uint8)
    for left, top, side in squares:
        image[top : top + side, left : left + side] = (255, 0, 0)
    return image


def test_box_and_points_by_hand(finder):
    """A cell of 8 pixels at column 20, row 10: its anchor is (160, 80)."""
    (found,) = finder.detect(picture((160, 80, 8)))
    assert found.score == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(found.box, [160 - 24, 80 - 32, 160 + 40, 80 + 48], atol=1e-3)
    expected = [[152, 72], [176, 72], [164, 88], [156, 104], [172, 104]]
    np.testing.assert_allclose(found.points, expected, atol=1e-3)


def test_another_level_has_another_stride(finder):
    """32 pixels fill one cell of the last level: the largest box wins the order."""
    found = finder.detect(picture((320, 64, 32)))[0]
    np.testing.assert_allclose(found.box, [320 - 96, 64 - 128, 320 + 160, 64 + 192], atol=1e-3)


def test_larger_picture_is_scaled_and_back(finder):
    (found,) = finder.detect(picture((320, 160, 16), size=(800, 1280)))
    np.testing.assert_allclose(found.box, [272, 96, 400, 256], atol=1e-3)


def test_faces_are_told_apart_and_doubles_are_not(finder):
    """Neighbouring cells give boxes that overlap; far ones are two faces."""
    assert len(finder.detect(picture((160, 80, 8), (400, 400, 8)))) == 2
    assert len(finder.detect(picture((160, 80, 16)))) == 1 or all(
        each.score >= 0.5 for each in finder.detect(picture((160, 80, 16)))
    )
    assert finder.detect(picture()) == []


def test_suppression_keeps_the_surest():
    boxes = np.array([[0, 0, 9, 9], [1, 0, 10, 9], [20, 0, 29, 9]], float)
    assert suppressed(boxes, np.array([0.6, 0.9, 0.7])) == [1, 2]
    # 10 of 190 pixels are shared: both stay.
    assert suppressed(boxes[:2] + [[0, 0, 0, 0], [8, 0, 8, 0]], np.array([0.9, 0.6])) == [0, 1]


def test_leading_batch_dimension_is_accepted():
    outputs = []
    for width in (1, 4, 10):
        for stride in (8, 16, 32):
            outputs.append(np.zeros((1, 2 * (640 // stride) ** 2, width), np.float32))
    assert decode(outputs) == []
    outputs[2][0, 2 * (20 + 3) + 1] = 0.8  # row 1, column 3 of the last level, second anchor
    (found,) = decode(outputs)
    np.testing.assert_allclose(found.box, [96, 32, 96, 32])


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_how_a_face_lies(turns):
    points = ARCFACE_POINTS - ARCFACE_POINTS.mean(axis=0)
    for _ in range(turns):  # a quarter clockwise, y down
        points = np.stack([-points[:, 1], points[:, 0]], axis=1)
    assert quarter_turns(points) == turns


def test_arcface_points_of_a_portrait_give_its_chip(portrait, face):
    """ArcFace's own points put the eyes where dlib's do, on her real face."""
    eyes = eye_centres(face.landmarks)
    # Where ArcFace's template would have its points for those eyes.
    scale = (eyes[1] - eyes[0])[0] / (ARCFACE_POINTS[1] - ARCFACE_POINTS[0])[0]
    points = eyes.mean(axis=0) + scale * (ARCFACE_POINTS - ARCFACE_POINTS[:2].mean(axis=0))
    own = Face(face.box, face.landmarks, "scrfd", points)

    class Dlib:
        def align(self, image, landmarks):
            return arcface_chip(image, landmarks)

    assert (chip_of(Dlib(), portrait, own) == arcface_chip(portrait, face.landmarks)).all()


def test_pack_finds_and_embeds(tmp_path, portrait, face):
    """Through the whole of `identity`: a red mark where the detector sees her face."""
    pack = write_pack(tmp_path / "buffalo_l")
    image = portrait.copy()
    eyes = eye_centres(face.landmarks)
    # The network sees 640 / 512 of the picture; its points lie one stride up and left.
    column, row = np.round(eyes.mean(axis=0) * 640 / 512 / 8 - [0.5, -1]).astype(int)
    box = np.array([column, row, column + 1, row + 1]) * 8 * 512 / 640
    left, top, right, bottom = np.round(box).astype(int)
    image[top - 1 : bottom + 1, left - 1 : right + 1] = (255, 0, 0)
    Image.fromarray(image).save(tmp_path / "a.png")
    encoder, finder = open_encoder("insightface", pack), open_finder("insightface", pack)
    degrees, faces = finder(image)
    assert degrees == 0 and faces[0].detector == "scrfd" and faces[0].arcface.shape == (5, 2)
    person = person_from_photos([tmp_path / "a.png"], encoder, finder=finder)
    assert person.embeddings.shape == (1, 4)
    assert person.aligned_faces.shape == (1, 112, 112, 3)
    # By ArcFace's own points, not by dlib's.
    assert (person.aligned_faces[0] != encoder.align(image, person.landmarks[0])).any()


@pytest.mark.parametrize("name", ["det_10g.onnx", "scrfd_10g_bnkps.onnx"])
def test_detector_of_a_pack_is_chosen(tmp_path, name):
    pack = write_pack(tmp_path, name)
    assert open_finder("insightface", pack) is not find_faces
    (pack / name).unlink()
    assert open_finder("insightface", pack) is find_faces
    assert open_finder("dlib") is find_faces


def test_a_model_that_is_no_detector(tmp_path):
    with pytest.raises(UserError, match="is not a face detector with five points"):
        ScrfdFinder(write_recogniser(tmp_path / "det_10g.onnx"))


def test_cuda_only_where_it_is_wanted_and_there():
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert chosen_providers("cuda", both) == both
    assert chosen_providers("cuda", both[1:]) == both[1:]
    assert chosen_providers("cpu", both) == both[1:]
