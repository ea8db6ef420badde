# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of Blender's exporters, one for each kind of file, and what an engine needs around."""

from pathlib import Path

import bpy

from .material import picture_material, with_occlusion
from .presets import Preset

# Unreal leaves an armature of exactly this name out and takes the bone as the root.
ARMATURE = "Armature"
BONE = "head"


def write(
    scene: bpy.types.Scene,
    head: bpy.types.Object,
    preset: Preset,
    path: Path,
    pictures: dict[str, Path],
) -> None:
    """Write the scene, in which the head is alone, to a file.

    Args:
        scene: shown in the window.
        head: may be changed: it gets a material of the pictures and perhaps an armature.
        preset: for which program.
        path: the file.
        pictures: kind -> file beside it.

    Raises:
        RuntimeError: the exporter refused.
    """
    if pictures:
        head.data.materials.clear()
        head.data.materials.append(picture_material(head.name, pictures))
    elif preset.suffix == ".glb":
        for index, used in enumerate(head.data.materials):
            if used is not None:
                head.data.materials[index] = with_occlusion(used)
    if preset.armature:
        add_head_bone(scene, head)
    {".glb": write_glb, ".fbx": write_fbx, ".usdc": write_usd}[preset.suffix](path)


def write_glb(path: Path) -> None:
    """Binary glTF, Y up, with the maps inside and the head's provenance as extras."""
    bpy.ops.export_scene.gltf(
        filepath=str(path),
        export_format="GLB",
        use_active_scene=True,
        export_yup=True,
        export_tangents=True,
        export_morph=True,
        export_morph_normal=True,
        export_animations=False,
        export_extras=True,
    )


def write_fbx(path: Path) -> None:
    """FBX with Y up and -Z forward, in the scene's unit, the material's pictures by their names."""
    bpy.ops.export_scene.fbx(
        filepath=str(path),
        object_types={"MESH", "ARMATURE"},
        # In Unity, metres; where the scene's unit is a centimetre, this is FBX's own unit.
        apply_scale_options="FBX_SCALE_UNITS",
        axis_forward="-Z",
        axis_up="Y",
        use_mesh_modifiers=False,  # applying them would lose the shape keys
        mesh_smooth_type="FACE",
        use_tspace=True,
        use_custom_props=True,
        add_leaf_bones=False,
        bake_anim=False,
        path_mode="RELATIVE",
    )


def write_usd(path: Path) -> None:
    """USD with Z up in metres; blend shapes, a preview surface, the pictures by their names."""
    bpy.ops.wm.usd_export(
        filepath=str(path),
        export_animation=False,
        export_shapekeys=True,
        export_materials=True,
        generate_preview_surface=True,
        export_textures_mode="KEEP",
        relative_paths=True,
        convert_world_material=False,
    )


def add_head_bone(scene: bpy.types.Scene, head: bpy.types.Object) -> bpy.types.Object:
    """An armature of one upright bone that carries the whole head.

    Engines make a mesh that keeps its blend shapes only of one with a skin.
    """
    armature = bpy.data.armatures.new(ARMATURE)
    rig = bpy.data.objects.new(ARMATURE, armature)
    scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    bone = armature.edit_bones.new(BONE)
    bone.head, bone.tail = (0.0, 0.0, 0.0), (0.0, 0.0, head.dimensions.z / 2)
    bpy.ops.object.mode_set(mode="OBJECT")
    head.vertex_groups.clear()
    group = head.vertex_groups.new(name=BONE)
    group.add(range(len(head.data.vertices)), 1.0, "REPLACE")
    head.parent = rig
    head.modifiers.new(ARMATURE, "ARMATURE").object = rig
    return rig
