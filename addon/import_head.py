# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a finished head into the scene: one collection with the mesh, its shape keys and maps."""

from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper


class ImportHead(bpy.types.Operator, ImportHelper):
    """Import a finished head (head.glb in the result folder of a job)"""

    bl_idname = "idto3d.import_head"
    bl_label = "Import Head"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".glb"
    filter_glob: bpy.props.StringProperty(  # type: ignore[valid-type]
        default="*.glb", options={"HIDDEN"}
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Import `self.filepath`; reports what came in, or why nothing did."""
        try:
            heads = import_head(context, Path(self.filepath))
        except ImportFailed as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        keys = sum(len(shape_key_names(head)) for head in heads)
        self.report({"INFO"}, f"Imported {heads[0].name} with {keys} expressions.")
        return {"FINISHED"}


class ImportFailed(Exception):
    """Nothing was imported; the text is for the person."""


def import_head(context: bpy.types.Context, path: Path) -> list[bpy.types.Object]:
    """Import a glTF binary into a new collection, every expression at rest.

    Args:
        context: its scene gets the collection.
        path: the file.

    Returns:
        The mesh objects of the file, at least one.

    Raises:
        ImportFailed: no such file, not a glTF file, or one without a mesh.
    """
    if not path.is_file():
        raise ImportFailed(f"There is no file {path}.")
    before = set(bpy.data.objects)
    try:
        bpy.ops.import_scene.gltf(filepath=str(path))
    except RuntimeError as error:
        remove(set(bpy.data.objects) - before)
        raise ImportFailed(f"{path.name} can't be read as glTF: it is damaged.") from error
    added = set(bpy.data.objects) - before
    heads = sorted((item for item in added if item.type == "MESH"), key=lambda item: item.name)
    if not heads:
        remove(added)
        raise ImportFailed(f"{path.name} holds no mesh. Choose the head.glb of a finished job.")
    collection = bpy.data.collections.new(heads[0].name)
    context.scene.collection.children.link(collection)
    for item in added:
        for other in item.users_collection:
            other.objects.unlink(item)
        collection.objects.link(item)
    for head in heads:
        for name in shape_key_names(head):
            head.data.shape_keys.key_blocks[name].value = 0.0
    return heads


def shape_key_names(head: bpy.types.Object) -> list[str]:
    """The expressions of a mesh object: its shape keys without the basis."""
    keys = head.data.shape_keys
    return [] if keys is None else [block.name for block in keys.key_blocks[1:]]


def remove(objects: set[bpy.types.Object]) -> None:
    """Delete objects that a failed import left."""
    for item in objects:
        bpy.data.objects.remove(item)


def draw_menu(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """The line in File > Import."""
    menu.layout.operator(ImportHead.bl_idname, text="ID-to-3D Head (.glb)")
