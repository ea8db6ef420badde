# SPDX-License-Identifier: GPL-3.0-or-later
"""ArcFace embeddings from a model of the InsightFace project, run by ONNX Runtime.

Deng et al., "ArcFace: Additive angular margin loss for deep face recognition", CVPR 2019. The
full prior is conditioned on these 512 numbers. InsightFace's code is MIT, its models are for
non-commercial research only, so none is shipped or fetched: the person names a file.
"""

import logging
from pathlib import Path

import numpy as np

from idto3d.errors import UserError
from idto3d.identity.align import ARCFACE_SIZE, arcface_chip
from idto3d.identity.onnx_session import open_session

# The recogniser among the files of a pack: buffalo_l, antelopev2, buffalo_s.
RECOGNISERS = ("w600k_r50.onnx", "glintr100.onnx", "w600k_mbf.onnx")

_log = logging.getLogger(__name__)


class InsightFaceEncoder:
    """One ArcFace model behind the interface of `encoders.Encoder`."""

    name = "insightface"
    licence_note = (
        "InsightFace's face models are for non-commercial research only, and so is what is made "
        "with them. Its authors license them for other uses."
    )
    # Unit vectors at cosine 0.3 (distance = sqrt(2 - 2 cos)). The paper counts 0.5 and more as the
    # same person; photos of one person fall below that in a hard pose, strangers lie near 0.
    stranger_distance = 1.18

    def __init__(self, model: Path | str, device: str = "cpu") -> None:
        """Open an .onnx file, or a folder laid out like the packs buffalo_l and antelopev2.

        Raises:
            UserError: onnxruntime is missing, there is no such model, or it is no ArcFace model.
        """
        path = pack_file(Path(model), RECOGNISERS)
        self._session = open_session(path, device)
        _log.warning("%s", self.licence_note)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shapes = [list(inputs[0].shape), list(outputs[0].shape)]
        if shapes[0][1:] != [3, ARCFACE_SIZE, ARCFACE_SIZE] or len(shapes[1]) != 2:
            raise UserError(
                f"{path} is not a face recogniser: it maps {shapes[0]} to {shapes[1]}, not "
                "(N, 3, 112, 112) to (N, D). Name the recognition model, such as w600k_r50.onnx."
            )
        self._input = inputs[0].name
        # A graph may leave the width of its output open; one empty chip tells it.
        blank = np.zeros((1, ARCFACE_SIZE, ARCFACE_SIZE, 3), np.uint8)
        self.dimension = self._run(blank).shape[1]

    def align(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 and (5, 2) landmarks to a chip (112, 112, 3) uint8."""
        return arcface_chip(image, landmarks)

    def embed(self, chips: np.ndarray) -> np.ndarray:
        """(N, 112, 112, 3) uint8 RGB to (N, D) float32 of unit length, as IP-Adapter expects."""
        if chips.dtype != np.uint8 or chips.shape[1:] != (ARCFACE_SIZE, ARCFACE_SIZE, 3):
            raise ValueError(
                f"chips must be (N, 112, 112, 3) uint8, not {chips.shape} {chips.dtype}"
            )
        if len(chips) == 0:
            return np.zeros((0, self.dimension), np.float32)
        embeddings = self._run(chips)
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)

    def _run(self, chips: np.ndarray) -> np.ndarray:
        pixels = (chips.astype(np.float32) - 127.5) / 127.5
        (embeddings,) = self._session.run(None, {self._input: pixels.transpose(0, 3, 1, 2)})[:1]
        return np.asarray(embeddings, dtype=np.float32)


def pack_file(model: Path, names: tuple[str, ...]) -> Path:
    """The first of `names` in an unpacked pack's folder, or the file itself if `model` is one.

    Raises UserError when there is none.
    """
    if model.is_file():
        return model
    if not model.is_dir():
        raise UserError(f"There is no InsightFace model {model}. Check the path.")
    for name in names:
        if (model / name).is_file():
            return model / name
    raise UserError(
        f"The folder {model} holds none of {', '.join(names)}. Name the folder of an "
        "unpacked InsightFace pack such as buffalo_l, or the .onnx file itself."
    )
