# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender's Python: switches the extension on and off and looks at what it registers.

python -I drive_extension.py ZIP FOLDER
"""

import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import artist  # noqa: E402
import mock_head  # noqa: E402


def registered() -> dict[str, list[str]]:
    """Everything of the add-on that Blender knows now."""
    import bpy

    kinds = {
        f"{kind.__module__}.{kind.__name__}"
        for base in (
            *(bpy.types.Operator, bpy.types.Panel, bpy.types.PropertyGroup, bpy.types.UIList),
            *(bpy.types.FileHandler, bpy.types.AddonPreferences, bpy.types.Menu),
        )
        for kind in base.__subclasses__()
        if getattr(kind, "is_registered", False) and "idto3d" in kind.__module__
    }
    handlers = [
        function.__module__
        for name in dir(bpy.app.handlers)
        if isinstance(getattr(bpy.app.handlers, name), list)
        for function in getattr(bpy.app.handlers, name)
    ]
    return {
        "classes": sorted(kinds),
        "operators": [name for name in dir(bpy.ops.idto3d) if not name.startswith("_")],
        "scene": [
            item.identifier
            for item in bpy.types.Scene.bl_rna.properties
            if item.identifier.startswith("idto3d")
        ],
        "handlers": [name for name in handlers if "idto3d" in name],
        "menu lines": [
            function.__module__
            for function in bpy.types.TOPBAR_MT_file_import.draw._draw_funcs
            if "idto3d" in function.__module__
        ],
    }


def without_words() -> list[str]:
    """Operators and properties that have no tooltip."""
    import bpy

    found = []
    for name in registered()["operators"]:
        kind = getattr(bpy.ops.idto3d, name).get_rna_type()
        if not kind.description:
            found.append(name)
        # The file browser's own properties come with ImportHelper and ExportHelper.
        own = {"filepath", "check_existing", "files", "directory", "filter_glob", "rna_type"}
        found += [
            f"{name}.{item.identifier}"
            for item in kind.properties
            if not (item.description or item.is_hidden or item.identifier in own)
        ]
    groups = [
        *(bpy.context.scene.idto3d, bpy.context.scene.idto3d.expressions),
        *(bpy.context.scene.idto3d_light, artist.preferences()),
    ]
    for group in groups:
        for item in type(group).bl_rna.properties:
            inherited = item.identifier in ("rna_type", "name", "bl_idname")
            data = item.type in ("COLLECTION", "POINTER") and not item.is_runtime
            nested = item.type == "COLLECTION" or item.identifier == "expressions"
            if not item.description and not (inherited or data or nested):
                found.append(f"{type(group).__name__}.{item.identifier}")
    return found


def without_undo() -> list[str]:
    """Operators after which there is nothing to undo."""
    import bpy

    kinds = [kind for kind in bpy.types.Operator.__subclasses__() if "idto3d" in kind.__module__]
    return sorted(
        kind.bl_idname.removeprefix("idto3d.")
        for kind in kinds
        if kind.is_registered and "UNDO" not in getattr(kind, "bl_options", ())
    )


def main() -> dict[str, Any]:
    """Install, look, switch off, look, switch on, look."""
    package, folder = Path(sys.argv[1]), Path(sys.argv[2])
    artist.begin(package, folder)
    import bpy
    import recording_layout

    found: dict[str, Any] = {"blender": bpy.app.version_string}
    found["enabled"] = artist.NAME in bpy.context.preferences.addons
    before = registered()
    found["registered"] = before
    found["without words"] = without_words()
    found["without undo"] = without_undo()
    page = type(artist.preferences())
    found["page"] = vars(recording_layout.draw(page, artist.preferences()))
    mock_head.write_head(folder / "head.glb", "Ada", ("smile", "jaw_open"))
    found["import"] = artist.press(bpy.ops.idto3d.import_head, filepath=str(folder / "head.glb"))
    found["objects"] = [item.name for item in bpy.data.objects]
    modules = {item for item in sys.modules if item.split(".")[0] in ("torch", "idto3d")}
    found["foreign modules"] = sorted(modules)
    files = [path for path in (folder / "user").rglob("*") if path.is_file()]
    found["written into itself"] = [
        str(path) for path in files if "idto3d" in path.parts and path.suffix in (".log", ".png")
    ]
    bpy.ops.preferences.addon_disable(module=artist.NAME)
    found["left over"] = registered()
    bpy.ops.preferences.addon_enable(module=artist.NAME)
    found["enabled again"] = artist.NAME in bpy.context.preferences.addons
    found["same again"] = registered() == before
    found["paths"] = [path for path in sys.path if "idto3d" in path and os.sep + "user" in path]
    return found


if __name__ == "__main__":
    artist.report(main)
