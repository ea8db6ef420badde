# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender's Python: calls the functions `check_*` of a file, each in an empty scene.

python -I inside.py FILE FOLDER

Each gets the add-on's scene modules and a folder of its own. Prints one JSON document: what each
check raised, "" where nothing. A check is written with plain assertions.
"""

import importlib
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace

ROOT = Path(__file__).resolve().parents[3]
NAME = "idto3d_extension"
MODULES = (
    *("geometry", "glb", "material", "presets", "studio", "workbench", "export_check"),
    *("head", "preview", "expressions", "light", "light_check", "turntable", "export"),
    *("view", "panels"),
)


def load_scene() -> SimpleNamespace:
    """The modules of addon/scene, registered as the add-on registers them."""
    import bpy

    load_file(NAME, ROOT / "__init__.py", [str(ROOT)])
    entry = bpy.context.preferences.addons.new()
    entry.module = NAME
    modules = {name: importlib.import_module(f"{NAME}.addon.scene.{name}") for name in MODULES}
    preferences = importlib.import_module(f"{NAME}.addon.preferences")
    for module in (preferences, *modules.values()):
        for kind in getattr(module, "CLASSES", ()):
            bpy.utils.register_class(kind)
        if hasattr(module, "register"):
            module.register()
    return SimpleNamespace(**modules, preferences=entry.preferences)


def load_file(name: str, path: Path, folders: list[str] | None = None) -> ModuleType:
    """A module from a file, a package where folders for its parts are given."""
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=folders)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main(path: Path, folder: Path) -> dict[str, str]:
    """Run every check of the file; returns what went wrong."""
    os.environ["BLENDER_USER_RESOURCES"] = str(folder / "user")
    import bpy

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = load_scene()
    # Before their names can be anything else: the helper that the checks share.
    load_file("mock_head", ROOT / "tests" / "addon" / "mock_head.py")
    load_file("head_file", Path(__file__).with_name("head_file.py"))
    checks = vars(load_file("checks", path))
    outcome = {}
    for name, check in checks.items():
        if not name.startswith("check_"):
            continue
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        own = folder / name
        own.mkdir()
        try:
            check(scene, own)
            outcome[name] = ""
        except Exception:
            outcome[name] = traceback.format_exc()
    return outcome


if __name__ == "__main__":
    code = 0
    try:
        print("REPORT " + json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))), flush=True)
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender as a module may hang or crash while Python shuts down
