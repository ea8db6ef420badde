# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin: one Principled BSDF with the head's maps and a little light below the surface."""

from pathlib import Path

import bpy

from .glb import MapFile

# Light bleeds through skin by millimetres, red the furthest (Jensen et al. 2001, table 1, skin1).
SUBSURFACE_RADIUS_METRES = (0.00367, 0.00137, 0.00068)
SUBSURFACE_WEIGHT = 0.15
SKIN_IOR = 1.4
# A node group of this name is where Blender's glTF exporter looks for the occlusion map. It must
# not stay: Blender's importer would take it for its own, which has more sockets.
OCCLUSION_GROUP = "glTF Material Output"
# Which input of the Principled BSDF tells where a map is.
MAP_SOCKETS = {"albedo": "Base Color", "normal": "Normal", "orm": "Roughness"}
PREVIEW_MATERIAL = "ID-to-3D Preview"


def load_maps(
    maps: dict[str, MapFile], name: str, folder: Path | None
) -> dict[str, bpy.types.Image]:
    """The maps as images, named for the person.

    Args:
        maps: "albedo", "normal", "orm" as they lie in the head's file.
        name: the person's.
        folder: where to save the images; None packs them into the .blend file.
    """
    return {kind: _image(found, f"{name}_{kind}", folder) for kind, found in maps.items()}


def _image(found: MapFile, name: str, folder: Path | None) -> bpy.types.Image:
    if folder is None:
        image = bpy.data.images.new(name, 8, 8)
        image.pack(data=found.data, data_len=len(found.data))
        image.source = "FILE"
    else:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{bpy.path.clean_name(name)}{found.suffix}"
        path.write_bytes(found.data)
        image = bpy.data.images.load(str(path))
        image.name = name
        if bpy.data.filepath:
            image.filepath = bpy.path.relpath(str(path))
    if not name.endswith("_albedo"):
        image.colorspace_settings.name = "Non-Color"
    return image


def skin_material(name: str, images: dict[str, bpy.types.Image]) -> bpy.types.Material:
    """The material of a finished head: `images` as `load_maps` gives them."""
    material = _material(name)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = _shader(material)
    skin = shader.inputs
    scale = max(SUBSURFACE_RADIUS_METRES)
    skin["Subsurface Weight"].default_value = SUBSURFACE_WEIGHT
    skin["Subsurface Scale"].default_value = scale
    skin["Subsurface Radius"].default_value = [
        radius / scale for radius in SUBSURFACE_RADIUS_METRES
    ]
    skin["IOR"].default_value = SKIN_IOR
    material.use_backface_culling = True  # a head is closed, and engines draw one side faster

    def texture(kind: str, height: float) -> bpy.types.Node:
        node = nodes.new("ShaderNodeTexImage")
        node.image = images[kind]
        node.extension = "EXTEND"  # as the file says; a chart at the border must not wrap around
        node.label = kind.upper() if kind == "orm" else kind.capitalize()
        node.location = (-700.0, height)
        return node

    albedo, orm, normal = texture("albedo", 300.0), texture("orm", 0.0), texture("normal", -300.0)
    channels = nodes.new("ShaderNodeSeparateColor")
    channels.label = "Occlusion, Roughness, Metallic"
    channels.location = (-360.0, 0.0)
    bumps = nodes.new("ShaderNodeNormalMap")
    bumps.uv_map = "UVMap"
    bumps.location = (-360.0, -300.0)
    links.new(albedo.outputs["Color"], skin["Base Color"])
    links.new(orm.outputs["Color"], channels.inputs["Color"])
    links.new(channels.outputs["Green"], skin["Roughness"])
    links.new(channels.outputs["Blue"], skin["Metallic"])
    links.new(normal.outputs["Color"], bumps.inputs["Color"])
    links.new(bumps.outputs["Normal"], skin["Normal"])
    nodes.active = albedo  # what the viewport's solid shading shows as texture
    return material


def picture_material(name: str, pictures: dict[str, Path]) -> bpy.types.Material:
    """A plain material of pictures on disk, as the exporters of FBX and USD understand it."""
    material = _material(name)
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = _shader(material)
    sockets = {"albedo": "Base Color", "roughness": "Roughness", "metallic": "Metallic"}
    for kind, path in pictures.items():
        if kind not in (*sockets, "normal"):
            continue  # packed pictures: an engine's own material takes them apart
        texture = nodes.new("ShaderNodeTexImage")
        texture.image = bpy.data.images.load(str(path))
        if kind != "albedo":
            texture.image.colorspace_settings.name = "Non-Color"
        if kind == "normal":
            bumps = nodes.new("ShaderNodeNormalMap")
            links.new(texture.outputs["Color"], bumps.inputs["Color"])
            links.new(bumps.outputs["Normal"], shader.inputs["Normal"])
        else:
            links.new(texture.outputs["Color"], shader.inputs[sockets[kind]])
    return material


def with_occlusion(material: bpy.types.Material) -> bpy.types.Material:
    """A copy of a material that tells Blender's glTF exporter where the occlusion is.

    For the time of an export; its group is a datablock of its own.
    """
    copy = material.copy()
    if copy.node_tree is None:
        return copy
    nodes, links = copy.node_tree.nodes, copy.node_tree.links
    for shader in [node for node in nodes if node.type == "BSDF_PRINCIPLED"]:
        for link in shader.inputs["Roughness"].links:
            if link.from_node.type == "SEPARATE_COLOR":
                group = nodes.new("ShaderNodeGroup")
                group.node_tree = _occlusion_group()
                links.new(link.from_node.outputs["Red"], group.inputs["Occlusion"])
                return copy
    return copy


def _occlusion_group() -> bpy.types.NodeTree:
    group = bpy.data.node_groups.new(OCCLUSION_GROUP, "ShaderNodeTree")
    group.interface.new_socket("Occlusion", in_out="INPUT", socket_type="NodeSocketFloat")
    group.nodes.new("NodeGroupInput")
    return group


def preview_material() -> bpy.types.Material:
    """The one material of all previews: the colours of the vertices, matt."""
    found = bpy.data.materials.get(PREVIEW_MATERIAL)
    if found is not None:
        return found
    material = _material(PREVIEW_MATERIAL)
    shader = _shader(material)
    shader.inputs["Roughness"].default_value = 0.6
    colour = material.node_tree.nodes.new("ShaderNodeVertexColor")
    colour.layer_name = "Color"
    colour.location = (-300.0, 200.0)
    material.node_tree.links.new(colour.outputs["Color"], shader.inputs["Base Color"])
    return material


def maps_of(item: bpy.types.Object) -> dict[str, bpy.types.Image]:
    """The maps that an object's material shows now: "albedo", "normal", "orm".

    Fewer where the artist, or another program, took some away.
    """
    found: dict[str, bpy.types.Image] = {}
    for used in item.data.materials:
        if used is None or used.node_tree is None:
            continue
        for node in used.node_tree.nodes:
            if node.type == "BSDF_PRINCIPLED":
                for kind, socket in MAP_SOCKETS.items():
                    image = _image_behind(node.inputs[socket])
                    if image is not None:
                        found.setdefault(kind, image)
    return found


def _image_behind(socket: bpy.types.NodeSocket) -> bpy.types.Image | None:
    """The image that a socket gets its values from, through whatever nodes."""
    for link in socket.links:
        if link.from_node.type == "TEX_IMAGE":
            return link.from_node.image
        for behind in link.from_node.inputs:
            image = _image_behind(behind)
            if image is not None:
                return image
    return None


def _material(name: str) -> bpy.types.Material:
    """A material with an output and a Principled BSDF, in any version of Blender."""
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    nodes = material.node_tree.nodes
    nodes.clear()
    output = nodes.new("ShaderNodeOutputMaterial")
    output.location = (320.0, 0.0)
    shader = nodes.new("ShaderNodeBsdfPrincipled")
    material.node_tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    return material


def _shader(material: bpy.types.Material) -> bpy.types.Node:
    return next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
