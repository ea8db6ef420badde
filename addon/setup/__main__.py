# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -I addon/setup …` runs the program in `environment/`, outside Blender and without bpy.

A folder that Python is asked to run comes first on that process's path, also with -I, so the
program's modules are found and can import each other.
"""

import runpy

if __name__ == "__main__":
    runpy.run_module("environment", run_name="__main__")
