# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the example photographs of `make demo`: one synthetic person who was never trained on."""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from idto3d.head.template import load_template
from idto3d.render.cameras import orbit
from idto3d.render.eight_bits import eight_bits
from idto3d.training.people import People
from idto3d.training.views import render_views

# The training population has seed 2026; nobody of this one is in it.
SEED = 4711
SIZE = 512
# Yaw, pitch and ARKit weights of each photo.
SHOTS: tuple[tuple[float, float, dict[str, float]], ...] = (
    (0.0, 2.0, {}),
    (24.0, -4.0, {"mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}),
    (-28.0, 5.0, {"browInnerUp": 0.5}),
    (-10.0, -8.0, {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "cheekSquintLeft": 0.4}),
    (12.0, 8.0, {"jawOpen": 0.15}),
)


def render_examples(person_index: int) -> list[np.ndarray]:
    """Five photos (SIZE,SIZE,3) uint8 under different light."""
    people = People(load_template(Path("assets/template/head.npz")), None, levels=2)
    person = people.person(SEED, person_index)
    random = np.random.default_rng([SEED, person_index])
    photos = []
    for yaw, pitch, arkit in SHOTS:
        vertices = person.neutral + person.displacement(arkit)
        camera = orbit(yaw, pitch, 2.6, (0.0, 0.0, 0.0), 21.0)
        shape = torch.from_numpy(vertices.astype(np.float32))[None]
        photo = render_views(person, shape, camera, SIZE, random).photo[0]
        photos.append(eight_bits(photo))
    return photos


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("assets/example"))
    parser.add_argument("--person", type=int, default=0)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(render_examples(arguments.person), start=1):
        Image.fromarray(pixels).save(arguments.output / f"photo-{number}.jpg", quality=92)
