# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of the spatial hint: the same plain face on everybody.

Normals say where the head is, but hardly where the irises, brows and lips are: an eye of a whole
head is half a cell of the latents. A painted template says it in the latents' own language.
"""

import torch
from torch import Tensor

from idto3d.head.regions import LEFT_EYE, RIGHT_EYE, smoothstep
from idto3d.head.template import Template
from idto3d.render.normals import vertex_normals
from idto3d.texture.paint import Look, paint_head

# Nobody's colours: middle skin, dark brows and irises, red lips, no hair and no blemish.
PLAIN = Look(
    skin=(0.70, 0.55, 0.47),
    hair=(0.15, 0.11, 0.09),
    iris=(0.25, 0.17, 0.12),
    hair_amount=0.0,
    brow_amount=1.0,
    lip_redness=0.6,
    blush=0.0,
    spots=0.0,
    variation=0.0,
)


def hint_paint(template: Template) -> Tensor:
    """(V,3) float32 sRGB at the template's vertices."""
    mean, part = template.mean.cpu(), template.part.cpu().numpy()
    shape = mean.numpy()
    front = smoothstep(0.0, 0.3, vertex_normals(mean, template.faces.cpu()).numpy()[:, 2])
    eyes = [mean[torch.from_numpy(part == code)].mean(dim=0) for code in (LEFT_EYE, RIGHT_EYE)]
    paint = paint_head(
        shape, shape[template.landmarks.cpu().numpy()], part, front,
        torch.stack(eyes).numpy(), PLAIN,
    )  # fmt: skip
    return torch.from_numpy(paint.albedo).float().clamp(0, 1)
