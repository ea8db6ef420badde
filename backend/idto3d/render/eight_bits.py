# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as files hold them."""

import numpy as np
from torch import Tensor


def eight_bits(images: Tensor) -> np.ndarray:
    """Values in [0,1], of any shape, to uint8 of the same; what lies beyond is cut off."""
    return (images.clamp(0, 1) * 255 + 0.5).byte().cpu().numpy()
