# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a finished head into the scene: one object with its expressions, skin and maps."""

import json
from array import array
from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper
from mathutils import Matrix

from ..package import preferences
from . import geometry, glb, material

# Custom properties of the objects that are heads.
PERSON, ABOUT = "idto3d_person", "idto3d_about"
HEAD_FILE = "head.glb"


class ImportFailed(Exception):
    """Nothing was imported; the text is for the person."""


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
            path = Path(self.filepath)
            head = import_head(context, path, folder=maps_folder(context))
        except ImportFailed as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        count = len(expression_names(head))
        self.report({"INFO"}, f"Imported {head.name} with {count} expressions.")
        return {"FINISHED"}


def import_result(context: bpy.types.Context, result_folder: Path, name: str) -> bpy.types.Object:
    """Import the head of a finished job as an object of that name; see `import_head`."""
    return import_head(context, result_folder / HEAD_FILE, name, maps_folder(context))


def maps_folder(context: bpy.types.Context) -> Path | None:
    """Where the person wants a head's maps: beside the .blend file, or packed into it (None)."""
    if preferences(context).images == "PACK" or not bpy.data.filepath:
        return None
    return Path(bpy.data.filepath).parent / "textures"


def import_head(
    context: bpy.types.Context, path: Path, name: str = "", folder: Path | None = None
) -> bpy.types.Object:
    """Import a head into a collection of its own, every expression at rest.

    Nothing but data is touched, no operator runs: the selection, the mode and the undo history
    stay as they are, so that a timer may call this too.

    Args:
        context: its scene gets the collection.
        path: the file.
        name: the person's; "" takes the name in the file.
        folder: where to save the maps; None packs them into the .blend file.

    Returns:
        The object: metres, Z up, facing -Y, its origin at the neck's base.

    Raises:
        ImportFailed: no such file, a damaged one, or no head.
    """
    try:
        found = glb.read_head(path)
    except glb.UnreadableFile as error:
        raise ImportFailed(str(error)) from error
    if not found.maps or found.uv is None:
        raise ImportFailed(f"{path.name} is a preview. Choose the head.glb of a finished job.")
    name = name or found.name
    mesh = bpy.data.meshes.new(name)
    head = bpy.data.objects.new(name, mesh)
    vertices = geometry.weld(found)
    geometry.fill_mesh(mesh, found, vertices)
    if found.targets:
        geometry.add_expressions(head, found, vertices)
        mesh.shape_keys.name = name
    mesh.transform(Matrix(geometry.Z_UP), shape_keys=True)
    mesh.update()
    try:
        maps = material.load_maps(found.maps, head.name, folder)
    except OSError as error:
        bpy.data.meshes.remove(mesh)
        raise ImportFailed(
            f"The maps can't be saved in {folder}: {error.strerror}. "
            "Pack the images instead, or save the .blend file elsewhere."
        ) from error
    mesh.materials.append(material.skin_material(name, maps))
    head[PERSON] = name
    head[ABOUT] = json.dumps(found.about)
    collection = bpy.data.collections.new(name)
    context.scene.collection.children.link(collection)
    collection.objects.link(head)
    return head


def is_head(item: bpy.types.Object | None) -> bool:
    """Whether an object is a head that came in by `import_head`."""
    return item is not None and item.type == "MESH" and PERSON in item


def current_head(context: bpy.types.Context) -> bpy.types.Object | None:
    """The head that the panels are about: the active object, else the scene's newest head."""
    if is_head(context.object):
        return context.object
    heads = [item for item in context.scene.objects if is_head(item)]
    return heads[-1] if heads else None


class NeedsHead:
    """An operator on the current head."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a head in the scene."""
        if current_head(context) is None:
            cls.poll_message_set("There is no head in this scene yet.")
            return False
        return True


def expression_names(head: bpy.types.Object) -> list[str]:
    """The expressions of a head: its shape keys without the basis."""
    keys = head.data.shape_keys
    return [] if keys is None else [block.name for block in keys.key_blocks[1:]]


def key_positions(item: bpy.types.Object, index: int) -> array:
    """The vertices of one shape key of an object, 0 the one at rest; flat."""
    values = array("f", bytes(12 * len(item.data.vertices)))
    keys = item.data.shape_keys
    if keys is None:
        item.data.vertices.foreach_get("co", values)
    else:
        keys.key_blocks[index].points.foreach_get("co", values)
    return values


def draw_menu(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
    """The line in File > Import."""
    menu.layout.operator(ImportHead.bl_idname, text="ID-to-3D Head (.glb)")


CLASSES = (ImportHead,)


def register() -> None:
    """Add the line in File > Import."""
    bpy.types.TOPBAR_MT_file_import.append(draw_menu)


def unregister() -> None:
    """Take it away again."""
    bpy.types.TOPBAR_MT_file_import.remove(draw_menu)
