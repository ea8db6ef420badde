# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender's Python: installs the zip, uses the add-on, prints what happened as JSON.

python -I inside_blender.py ZIP FOLDER
"""

import json
import os
import sys
import traceback
from pathlib import Path


class Layout:
    """Stands for a panel's layout: notes the texts and operators that are drawn."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.operators: list[str] = []
        self.properties: list[str] = []

    def column(self, align: bool = False) -> "Layout":
        return self

    def separator(self) -> None:
        pass

    def label(self, text: str, icon: str = "NONE") -> None:
        self.texts.append(text)

    def operator(self, name: str, icon: str = "NONE", text: str = "") -> None:
        self.operators.append(name)

    def prop(self, owner: object, name: str) -> None:
        if not hasattr(owner, name):
            raise AttributeError(name)
        self.properties.append(name)


def main(package: Path, folder: Path) -> dict[str, object]:
    """Everything a person could do with the add-on; returns what the test wants to know."""
    os.environ["BLENDER_USER_RESOURCES"] = str(folder / "user")
    import bpy

    report: dict[str, object] = {"blender": bpy.app.version_string}
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.extensions.package_install_files(
        filepath=str(package), repo="user_default", enable_on_install=True, overwrite=True
    )
    name = "bl_ext.user_default.idto3d"
    report["enabled"] = name in bpy.context.preferences.addons
    preferences = bpy.context.preferences.addons[name].preferences

    addon = sys.modules[f"{name}.addon"]
    report["panel"] = draw(addon.HeadPanel)
    preferences.backend_python = sys.executable
    report["panel with backend"] = draw(addon.HeadPanel)

    head = folder / "head.glb"
    make_head(head)
    report["head"] = import_head(head)
    report["collections"] = [item.name for item in bpy.data.collections]
    (folder / "damaged.glb").write_bytes(head.read_bytes()[:200])
    report["damaged"] = import_head(folder / "damaged.glb")
    report["absent"] = import_head(folder / "absent.glb")
    make_empty(folder / "empty.glb")
    report["empty"] = import_head(folder / "empty.glb")

    modules = {item for item in sys.modules if item.split(".")[0] in ("torch", "idto3d")}
    report["foreign modules"] = sorted(modules)
    bpy.ops.preferences.addon_disable(module=name)
    report["left over"] = [
        kind for kind in ("VIEW3D_PT_idto3d",) if getattr(bpy.types, kind, None) is not None
    ]
    bpy.ops.preferences.addon_enable(module=name)
    report["enabled again"] = name in bpy.context.preferences.addons
    return report


def draw(kind: type, **values: object) -> dict[str, list[str]]:
    """Run the class's `draw` with a layout that takes notes."""
    import types

    import bpy

    layout = Layout()
    kind.draw(types.SimpleNamespace(layout=layout, **values), bpy.context)
    return {
        "texts": layout.texts,
        "operators": layout.operators,
        "properties": layout.properties,
    }


def make_head(path: Path) -> None:
    """A glTF file with a mesh, two shape keys, one of them on, and a material."""
    import bpy

    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=2)
    ball = bpy.context.object
    ball.name = ball.data.name = "Ada"
    ball.data.materials.append(bpy.data.materials.new("skin"))
    ball.shape_key_add(name="Basis")
    for index, name in enumerate(("smile", "jaw_open")):
        key = ball.shape_key_add(name=name)
        key.value = float(index)
        key.data[0].co.z += 0.5
    bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB")
    bpy.data.materials.remove(ball.data.materials[0])
    bpy.data.objects.remove(ball)


def make_empty(path: Path) -> None:
    """A valid glTF file without a mesh."""
    import bpy

    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    bpy.ops.object.empty_add()
    bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB")
    bpy.data.objects.remove(bpy.context.object)


def import_head(path: Path) -> dict[str, object]:
    """Import by the operator; says what came in or what was reported."""
    import bpy

    before = set(bpy.data.objects)
    try:
        result = sorted(bpy.ops.idto3d.import_head(filepath=str(path)))
    except RuntimeError as error:  # how Python sees an operator's error report
        return {
            "error": str(error).strip(),
            "objects": sorted(item.name for item in set(bpy.data.objects) - before),
        }
    added = set(bpy.data.objects) - before
    return {
        "result": result,
        "objects": {
            item.name: {
                "collections": [owner.name for owner in item.users_collection],
                "keys": {block.name: block.value for block in item.data.shape_keys.key_blocks[1:]},
                "materials": [slot.name for slot in item.data.materials],
            }
            for item in added
        },
    }


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
