# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a drawn face have its eyes? Each is held against the true picture of the same eye.

A recogniser overlooks a smudged eye and a mean error hardly sees it: it covers a hundredth of the
picture. An artist sees nothing else.
"""

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from idto3d.head.template import EYE_LEFT, EYE_RIGHT

DRAWN = 0.5  # likeness from which an eye counts as drawn
# Of the patch that is compared: half its width and height by the eye's width, samples across.
_REACH = (0.6, 0.4)
_SAMPLES = (25, 17)
# Brightness, as ITU-R BT.601 weighs the colours.
_LUMA = (0.299, 0.587, 0.114)


def eye_likeness(
    drawn: np.ndarray, drawn_marks: np.ndarray, true: np.ndarray, true_marks: np.ndarray
) -> np.ndarray:
    """(B,2) between -1 and 1 for the right and the left eye of each of B pictures.

    drawn, true (B,S,S,3) uint8; marks (B,68,2) pixels, x right and y down, 0 at the first pixel's
    centre, each of its own picture. It is the correlation of brightness over the eye, the best
    within a pixel's shift, less where the drawn eye has under half of the true one's contrast.
    """
    pairs = []
    for eye in (EYE_RIGHT, EYE_LEFT):
        wanted = _centred(_patches(true, true_marks[:, eye], (0.0, 0.0)))
        size = wanted.norm(dim=1)
        found = []
        for shift in ((x, y) for x in (-1.0, 0.0, 1.0) for y in (-1.0, 0.0, 1.0)):
            patch = _centred(_patches(drawn, drawn_marks[:, eye], shift))
            own = patch.norm(dim=1)
            alike = (patch * wanted).sum(dim=1) / (own * size).clamp_min(1e-9)
            found.append(alike * (2 * own / size.clamp_min(1e-9)).clamp(max=1))
        pairs.append(torch.stack(found).amax(dim=0))
    return torch.stack(pairs, dim=1).numpy()


def _patches(pictures: np.ndarray, marks: np.ndarray, shift: tuple[float, float]) -> Tensor:
    """(B,N) brightness around eyes whose landmarks are marks (B,6,2)."""
    images = torch.from_numpy(pictures).float() / 255
    size = images.shape[1]
    points = torch.from_numpy(np.asarray(marks, dtype=np.float32))
    width = (points[:, 3] - points[:, 0]).norm(dim=1).view(-1, 1, 1)
    centre = points.mean(dim=1) + torch.tensor(shift)
    across, down = (torch.linspace(-1, 1, count) for count in _SAMPLES)
    y, x = torch.meshgrid(down * _REACH[1], across * _REACH[0], indexing="ij")
    place = torch.stack(
        [centre[:, 0, None, None] + width * x, centre[:, 1, None, None] + width * y]
    )
    grid = ((place + 0.5) / size * 2 - 1).movedim(0, -1)
    brightness = (images @ torch.tensor(_LUMA))[:, None]
    return functional.grid_sample(brightness, grid, align_corners=False).flatten(1)


def _centred(patches: Tensor) -> Tensor:
    return patches - patches.mean(dim=1, keepdim=True)
