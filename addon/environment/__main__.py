# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -I addon/environment …` runs the program outside Blender.

A folder that Python is told to run comes first on the path, also with -I. In its place comes the
folder above, so that this one is a package whose modules import each other.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    runpy.run_module("environment.program", run_name="__main__")
