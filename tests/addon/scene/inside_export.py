# SPDX-License-Identifier: GPL-3.0-or-later
"""Every export preset in a real Blender: written, read back by the check here, not the add-on's."""

import json
import math
import struct

import bpy
import head_file
from mathutils import Matrix


def check_plain_gltf(scene, folder):
    head, path = _export(scene, folder, "GLTF")
    document = _document(path)
    (mesh,) = document["meshes"]
    assert mesh["extras"]["targetNames"] == list(head_file.EXPRESSIONS)
    assert set(mesh["primitives"][0]["attributes"]) == {
        *("POSITION", "NORMAL", "TANGENT", "TEXCOORD_0")
    }
    (node,) = document["nodes"]
    assert node["name"] == mesh["name"] == "Ada"
    assert not {"translation", "rotation", "scale"} & set(node)
    assert "idto3d_about" in node["extras"]
    (material,) = document["materials"]
    surface = material["pbrMetallicRoughness"]
    assert surface["metallicRoughnessTexture"] == material["occlusionTexture"]
    assert len(document["images"]) == 3
    _read_back(scene, head, path, {"albedo": (0, 1, 2), "normal": (0, 1, 2), "orm": (0, 1, 2)})


def check_godot(scene, folder):
    head, path = _export(scene, folder, "GODOT")
    _read_back(scene, head, path, {"albedo": (0, 1, 2), "normal": (0, 1, 2), "orm": (0, 1, 2)})


def check_unity(scene, folder):
    head, path = _export(scene, folder, "UNITY")
    found = _read_back(scene, head, path, {"albedo": (0, 1, 2), "normal": (0, 1, 2)})
    _has_one_bone(found)
    orm, mask = _texels(_map(scene, head, "orm")), _file_texels(folder / "Ada_mask.png")
    for source, texel in zip(orm, mask, strict=True):
        wanted = (source[2], source[0], 0.0, 1.0 - source[1])
        assert max(abs(a - b) for a, b in zip(texel, wanted, strict=True)) < 0.003


def check_unreal(scene, folder):
    head, path = _export(scene, folder, "UNREAL")
    found = _read_back(scene, head, path, {"albedo": (0, 1, 2)})
    _has_one_bone(found)
    # In centimetres: FBX's own unit, so that no engine has to scale a node.
    after = path.read_bytes().split(b"UnitScaleFactor")[1]
    (unit,) = struct.unpack_from("<d", after, after.index(b"D") + 1)
    assert abs(unit - 1.0) < 1e-6
    normal, flipped = _texels(_map(scene, head, "normal")), _file_texels(folder / "Ada_normal.png")
    for source, texel in zip(normal, flipped, strict=True):
        assert abs(texel[0] - source[0]) < 0.003 and abs(texel[2] - source[2]) < 0.003
        assert abs(texel[1] - (1.0 - source[1])) < 0.003
    orm, packed = _texels(_map(scene, head, "orm")), _file_texels(folder / "Ada_orm.png")
    for source, texel in zip(orm, packed, strict=True):
        assert max(abs(a - b) for a, b in zip(source, texel, strict=True)) < 0.003


def check_usd(scene, folder):
    head, path = _export(scene, folder, "USD")
    _read_back(scene, head, path, {"albedo": (0, 1, 2), "normal": (0, 1, 2)})
    orm = _texels(_map(scene, head, "orm"))
    for channel, kind in enumerate(("occlusion", "roughness", "metallic")):
        for source, texel in zip(orm, _file_texels(folder / f"Ada_{kind}.png"), strict=True):
            assert max(abs(texel[lane] - source[channel]) for lane in range(3)) < 0.003


def check_arkit_names(scene, folder):
    """smile becomes two sides that add up to it, jaw_open is scaled; anger stays."""
    head, path = _export(scene, folder, "GLTF", arkit_names=True)
    names = ["mouthSmileLeft", "mouthSmileRight", "jawOpen", "anger"]
    assert _document(path)["meshes"][0]["extras"]["targetNames"] == names
    assert scene.head.expression_names(head) == list(head_file.EXPRESSIONS)
    bpy.ops.import_scene.gltf(filepath=str(path), merge_vertices=True)
    found = bpy.context.object
    rest = found.data.shape_keys.key_blocks[0].points
    moved = {
        name: [
            point.co.z - at.co.z
            for at, point in zip(rest, found.data.shape_keys.key_blocks[name].points, strict=True)
        ]
        for name in names
    }
    for index, at in enumerate(rest):
        left, right = moved["mouthSmileLeft"][index], moved["mouthSmileRight"][index]
        up = 0.01 * (at.co.z > -1e-6)  # what the ball's first expression does
        assert abs(0.9 * (left + right) - up) < 1e-6
        assert abs(0.8 * moved["jawOpen"][index] - 2 * up) < 1e-6
        if up and abs(at.co.x) > 0.011:
            assert (left > 0) == (at.co.x > 0) and (right > 0) == (at.co.x < 0)


def check_moved_head_is_written_where_it_belongs(scene, folder):
    """Its place and turn in the artist's scene don't matter, its size does."""
    head = head_file.bring_in(scene, folder)
    head.matrix_world = (
        Matrix.Translation((1, 2, 3)) @ Matrix.Rotation(0.7, 4, "Z") @ Matrix.Scale(2.0, 4)
    )
    head.data.shape_keys.key_blocks["smile"].value = 0.7
    head.modifiers.new("Round", "SUBSURF")
    preset = scene.presets.preset_named("GLTF")
    scene.export.export_head(bpy.context, head, preset, folder / "Ada.glb")
    bpy.ops.import_scene.gltf(filepath=str(folder / "Ada.glb"))
    found = bpy.context.object
    assert max(abs(value) for value in found.location) < 1e-6
    high = max(vertex.co.z for vertex in found.data.vertices)
    assert abs(high - 0.2) < 1e-5
    assert len(head.modifiers) == 1 and abs(head.location.x - 1) < 1e-6


def check_names_that_files_cannot_keep(scene, folder):
    head = head_file.bring_in(scene, folder)
    head.name = "Zoë Q. 7"
    head.data.shape_keys.key_blocks["smile"].name = "big smile"
    for preset in scene.presets.PRESETS:
        path = folder / f"{preset.name}{preset.suffix}"
        scene.export.export_head(bpy.context, head, preset, path)
        assert path.stat().st_size > 1000
    assert head.name == "Zoë Q. 7"
    assert "big smile" in scene.head.expression_names(head)


def check_a_head_without_expressions(scene, folder):
    head = head_file.bring_in(scene, folder)
    head.shape_key_clear()
    for preset in scene.presets.PRESETS:
        path = folder / f"{preset.name}{preset.suffix}"
        scene.export.export_head(bpy.context, head, preset, path, arkit_names=True)


def check_a_head_with_another_material(scene, folder):
    """Maps that the artist took away are not written, and not missed."""
    head = head_file.bring_in(scene, folder)
    head.data.materials.clear()
    head.data.materials.append(bpy.data.materials.new("Clay"))
    if bpy.app.version < (5, 0):
        head.data.materials[0].use_nodes = True
    for preset in scene.presets.PRESETS:
        path = folder / preset.name / f"Ada{preset.suffix}"
        assert scene.export.export_head(bpy.context, head, preset, path) == []
        assert [item.name for item in path.parent.iterdir()] == [path.name]


def check_the_check_sees_what_is_wrong(scene, folder):
    """Files that hold something else than asked for are found out."""
    head = head_file.bring_in(scene, folder)
    preset = scene.presets.preset_named("UNREAL")
    path = folder / "Ada.fbx"
    scene.export.export_head(bpy.context, head, preset, path)
    maps = scene.material.maps_of(head)
    pictures = {kind: folder / f"Ada_{kind}.png" for kind in ("albedo", "normal", "orm")}
    expected = scene.export_check.expectation(head, 1.0)

    def found(expectation, used=maps):
        with scene.workbench.workbench(bpy.context):
            return " ".join(
                scene.export_check.differences(expectation, used, preset, path, pictures)
            )

    assert found(expected) == ""
    shapes = dict(expected.shapes)
    shapes["frown"] = shapes.pop("smile")
    text = found(scene.export_check.Expectation("Ada", shapes))
    assert "lost: ['frown'], unexpected: ['smile']" in text, text
    shapes = {name: values[:] for name, values in expected.shapes.items()}
    shapes["smile"][0] += 1e-3
    assert "smile is another one" in found(scene.export_check.Expectation("Ada", shapes))
    shapes = {name: values[:] for name, values in expected.shapes.items()}
    shapes[""][0] += 1e-3
    text = found(scene.export_check.Expectation("Ada", shapes))
    assert "1 vertices of" in text and "missing" in text
    text = found(expected, {**maps, "orm": maps["albedo"]})
    assert "Ada_orm.png is wrong" in text
    pictures["albedo"], pictures["normal"] = pictures["normal"], pictures["albedo"]
    text = found(expected)
    assert "map albedo is another one" in text and "Ada_normal.png is wrong" in text, text
    path.write_bytes(path.read_bytes()[:500])
    assert "can't be read" in found(expected) or "no mesh" in found(expected)


def check_the_operator(scene, folder):
    head = head_file.bring_in(scene, folder)
    path = folder / "head.wrong"
    assert bpy.ops.idto3d.export_head(preset="USD", filepath=str(path)) == {"FINISHED"}
    assert (folder / "head.usdc").is_file() and not path.exists()
    (folder / "file").write_text("")
    try:
        bpy.ops.idto3d.export_head(preset="UNITY", filepath=str(folder / "file" / "Ada.fbx"))
    except RuntimeError as error:
        assert "could not be written" in str(error) and "Traceback" not in str(error)
    else:
        raise AssertionError("written into a file")
    bpy.context.view_layer.objects.active = head
    bpy.ops.object.mode_set(mode="EDIT")
    assert not bpy.ops.idto3d.export_head.poll()


def _export(scene, folder, name, **options):
    """Export by a preset among things that have the names it wants; all must be as before."""
    head = head_file.bring_in(scene, folder)
    head.location = (1.0, 2.0, 3.0)
    bpy.ops.object.armature_add()
    bpy.ops.mesh.primitive_cube_add()
    before = head_file.state()
    active, chosen = bpy.context.object, list(bpy.context.selected_objects)
    preset = scene.presets.preset_named(name)
    path = folder / f"Ada{preset.suffix}"
    scene.export.export_head(bpy.context, head, preset, path, check=False, **options)
    assert head_file.state() == before
    scene.export.export_head(bpy.context, head, preset, path, **options)
    assert head_file.state() == before
    assert (bpy.context.object, bpy.context.selected_objects) == (active, chosen)
    assert head.name == "Ada" and tuple(head.location) == (1.0, 2.0, 3.0)
    return head, path


def _read_back(scene, head, path, channels):
    """Import a file and compare vertices, names and maps with the head's; the mesh object."""
    found = scene.export_check.read(path)
    assert scene.head.expression_names(found) == list(head_file.EXPRESSIONS)
    places = [tuple(found.matrix_world @ vertex.co) for vertex in found.data.vertices]
    rest = scene.head.key_positions(head, 0)
    wanted = [tuple(rest[start : start + 3]) for start in range(0, len(rest), 3)]
    twins = [min(range(len(wanted)), key=lambda i: math.dist(wanted[i], at)) for at in places]
    assert max(math.dist(wanted[i], at) for i, at in zip(twins, places, strict=True)) < 1e-6
    assert set(twins) == set(range(len(wanted)))
    for index, name in enumerate(head_file.EXPRESSIONS, start=1):
        moved = scene.head.key_positions(head, index)
        block = found.data.shape_keys.key_blocks[name]
        assert block.value == 0.0
        for twin, point in zip(twins, block.points, strict=True):
            at = found.matrix_world @ point.co
            assert math.dist(at, moved[3 * twin : 3 * twin + 3]) < 1e-6
    for kind, lanes in channels.items():
        mine, theirs = (_texels(_map(scene, item, kind)) for item in (head, found))
        for source, texel in zip(mine, theirs, strict=True):
            assert max(abs(source[lane] - texel[lane]) for lane in lanes) < 0.003, kind
    return found


def _has_one_bone(found):
    (rig,) = [item.object for item in found.modifiers if item.type == "ARMATURE"]
    (bone,) = rig.data.bones
    assert bone.name == "head" and (rig.matrix_world @ bone.head_local).length < 1e-6
    assert (rig.matrix_world.to_3x3() @ bone.vector).normalized().z > 0.999
    (group,) = found.vertex_groups
    assert group.name == "head"
    assert all(vertex.groups[0].weight == 1.0 for vertex in found.data.vertices)


def _map(scene, item, kind):
    return scene.material.maps_of(item)[kind]


def _texels(image):
    values = list(image.pixels)
    return [values[start : start + 4] for start in range(0, len(values), 4)]


def _file_texels(path):
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"
    return _texels(image)


def _document(path):
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length])
