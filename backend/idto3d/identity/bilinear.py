# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures between their pixels."""

import numpy as np


def bilinear(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values (N,C) of an image (H,W,C) at points (N,2), x and y in pixels; borders repeat."""
    height, width = image.shape[:2]
    x, y = np.clip(points[:, 0], 0, width - 1.001), np.clip(points[:, 1], 0, height - 1.001)
    left, top = x.astype(int), y.astype(int)
    u, v = (x - left)[:, None], (y - top)[:, None]
    a, b, c, d = (image[top + dy, left + dx].astype(np.float32) for dy in (0, 1) for dx in (0, 1))
    return (a * (1 - u) + b * u) * (1 - v) + (c * (1 - u) + d * u) * v
