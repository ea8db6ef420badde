# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import torch

from idto3d.render.eight_bits import eight_bits


def test_rounding_and_limits() -> None:
    values = torch.tensor([[-1.0, 0.0, 0.4 / 255], [0.6 / 255, 1.0, 2.0]])
    found = eight_bits(values)
    assert found.dtype == np.uint8
    assert found.tolist() == [[0, 0, 0], [1, 255, 255]]
