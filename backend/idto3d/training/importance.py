# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in a picture the diffusion loss counts more: at the eyes, the brows and the mouth.

The eyes of a whole head cover two in a hundred of its latents, so an even loss is content with
smudges there. The weight depends on the hint's landmarks alone, which the network sees, so the best
prediction at each cell is the same as without it.
"""

import torch
from torch import Tensor

from idto3d.head.template import (
    BROW_LEFT,
    BROW_RIGHT,
    CHIN,
    EYE_LEFT,
    EYE_RIGHT,
    LIPS_INNER,
    OUTER_EYES,
)

WEIGHT = 8.0  # at the middle of a feature, to that of the background
# How far it reaches from each landmark, as share of the way from the eyes to the chin.
REACH = 0.06
# Heads turned further than so many degrees show none of it; from the first on it fades.
FADES, HIDDEN = 70.0, 100.0
MARKS = [
    row
    for part in (BROW_LEFT, BROW_RIGHT, EYE_LEFT, EYE_RIGHT, LIPS_INNER)
    for row in range(part.start, part.stop)
]


def loss_weight(landmarks: Tensor, yaw: Tensor, image_size: int, cells: int) -> Tensor:
    """(B,1,cells,cells) with mean 1 over each picture.

    landmarks (B,68,2): pixels of the hint, x right and y down, 0 at the first pixel's centre;
    yaw (B,): degrees.
    """
    step = image_size / cells
    centre = (torch.arange(cells, dtype=landmarks.dtype) + 0.5) * step - 0.5
    x, y = torch.meshgrid(centre, centre, indexing="xy")
    grid = torch.stack([x, y], dim=-1).reshape(1, -1, 2)
    # The height from eyes to chin doesn't shrink as the head turns, the width does.
    eyes = landmarks[:, list(OUTER_EYES)].mean(dim=1)
    size = (landmarks[:, CHIN] - eyes).norm(dim=-1)
    reach = (REACH * size).clamp_min(0.5 * step)
    square = (landmarks[:, MARKS, None] - grid[:, None]).square().sum(dim=-1)
    bump = torch.exp(-square.amin(dim=1) / (2 * reach[:, None].square()))
    shown = ((HIDDEN - yaw.abs()) / (HIDDEN - FADES)).clamp(0, 1)
    weight = 1 + (WEIGHT - 1) * shown[:, None] * bump
    return (weight / weight.mean(dim=1, keepdim=True)).view(-1, 1, cells, cells)
