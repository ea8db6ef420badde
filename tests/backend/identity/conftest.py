# SPDX-License-Identifier: GPL-3.0-or-later
"""A real portrait: Eileen Collins, NASA, public domain, from scikit-image's wheel."""

import numpy as np
import pytest
from skimage.data import astronaut

from idto3d.identity.detect import Face, find_faces


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """(512, 512, 3) uint8; her eyes are 43 pixels apart at about (223, 113)."""
    return astronaut()


@pytest.fixture(scope="session")
def face(portrait) -> Face:
    """Her face as detected."""
    degrees, (found,) = find_faces(portrait)
    assert degrees == 0
    return found
