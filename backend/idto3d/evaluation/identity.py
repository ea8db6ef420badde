# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is it? A face recogniser ranks the true people by pictures of a generated head.

Embeddings of renders share a direction that says 'render' and not who: each set (pictures of the
generated heads, pictures of the people) is centred on its own mean before cosines are taken, and
what counts is the rank among people, never a threshold.
"""

import numpy as np
import torch

from idto3d.render.cameras import Cameras, orbit

PICTURES = 4  # of each head
PICTURE_SIZE = 224  # pixels
YAW, PITCH = 30.0, 8.0  # degrees to each side, uniform


def portrait_cameras(yaw: torch.Tensor, pitch: torch.Tensor) -> Cameras:
    """Cameras (B,) on the face, neck and hair partly cut off, from degrees (B,)."""
    return orbit(yaw, pitch, 2.6, (0.0, 0.0, 0.05), 19.0)


def similarities(probes: np.ndarray, gallery: np.ndarray, centred: bool = True) -> np.ndarray:
    """Cosines (N,M) of mean embeddings, centred: probes (N,E,D) against people (M,E,D).

    Not `centred` for a single head: alone, it is its set's mean.
    """
    return _directions(probes, centred) @ _directions(gallery, centred).T


def ranks(similarity: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N,) the place, 1 the best, of person `right` (N,) in each row of `similarity` (N,M).

    Who is as similar as the right person comes before them: a tie is no recognition.
    """
    own = similarity[np.arange(len(right)), right]
    return (similarity >= own[:, None]).sum(axis=1)


def _directions(embeddings: np.ndarray, centred: bool) -> np.ndarray:
    rows = embeddings.astype(np.float64).mean(axis=1)
    if centred:
        rows = rows - rows.mean(axis=0)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
