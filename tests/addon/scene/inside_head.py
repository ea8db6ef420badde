# SPDX-License-Identifier: GPL-3.0-or-later
"""The head and its preview in a real Blender."""

import bpy
import head_file
import mock_head


def check_the_head_comes_in_at_rest(scene, folder):
    head = scene.head.import_head(bpy.context, head_file.write(folder))
    assert head.name == head.data.name == "Ada"
    assert [item.name for item in head.users_collection] == ["Ada"]
    assert scene.head.expression_names(head) == list(head_file.EXPRESSIONS)
    assert [block.value for block in head.data.shape_keys.key_blocks] == [0.0] * 4
    assert (head.data.shape_keys.key_blocks["smile"].slider_max) == 1.0
    assert list(head.location) == [0.0] * 3 and list(head.scale) == [1.0] * 3


def check_up_is_z_and_the_seam_is_welded(scene, folder):
    """The ball's v grows downwards from its upper pole; its seam is where u is 0 and 1."""
    head = scene.head.import_head(bpy.context, head_file.write(folder))
    rings, segments = mock_head.RINGS, mock_head.SEGMENTS
    assert len(head.data.vertices) == (rings - 1) * segments + 2
    layer = head.data.uv_layers["UVMap"].uv
    for loop, uv in zip(head.data.loops, layer, strict=True):
        place = head.data.vertices[loop.vertex_index].co
        assert abs(0.1 * _cosine(1.0 - uv.vector.y) - place.z) < 1e-6
        if 0.01 < uv.vector.x < 0.49:
            assert place.x > 1e-3 or abs(place.z) > 0.0999
        if abs(uv.vector.x) < 1e-6 and abs(place.z) < 0.09:
            assert place.y < -0.01  # glTF's +Z, the front
    assert not head.data.validate()
    for polygon in head.data.polygons:
        assert polygon.normal.dot(polygon.center) > 0 and polygon.use_smooth


def _cosine(share):
    from math import cos, pi

    return cos(pi * share)


def check_expressions_move_as_in_the_file(scene, folder):
    """The second morph target lifts what is above the middle by 2 cm."""
    head = scene.head.import_head(bpy.context, head_file.write(folder))
    rest = scene.head.key_positions(head, 0)
    moved = scene.head.key_positions(head, 2)
    for vertex in range(len(head.data.vertices)):
        up = 0.02 if rest[3 * vertex + 2] > -1e-6 else 0.0
        assert abs(moved[3 * vertex + 2] - rest[3 * vertex + 2] - up) < 1e-6
        assert moved[3 * vertex] == rest[3 * vertex]


def check_normals_are_the_files(scene, folder):
    """The ball's normals point from its middle, as Blender's own would only nearly do."""
    head = scene.head.import_head(bpy.context, head_file.write(folder))
    for loop, normal in zip(head.data.loops, head.data.corner_normals, strict=True):
        wanted = head.data.vertices[loop.vertex_index].co.normalized()
        assert (normal.vector - wanted).length < 2e-3


def check_the_skin(scene, folder):
    head = scene.head.import_head(bpy.context, head_file.write(folder))
    (material,) = head.data.materials
    maps = scene.material.maps_of(head)
    assert {kind: image.name for kind, image in maps.items()} == {
        "albedo": "Ada_albedo",
        "normal": "Ada_normal",
        "orm": "Ada_orm",
    }
    assert maps["albedo"].colorspace_settings.name == "sRGB"
    assert maps["normal"].colorspace_settings.name == "Non-Color"
    assert maps["orm"].colorspace_settings.name == "Non-Color"
    assert all(image.packed_file is not None for image in maps.values())
    assert [tuple(image.size) for image in maps.values()] == [(16, 16)] * 3
    assert abs(maps["albedo"].pixels[0] - 200 / 255) < 1e-3
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    linked = {socket.name for socket in shader.inputs if socket.is_linked}
    assert linked == {"Base Color", "Roughness", "Metallic", "Normal"}
    roughness = shader.inputs["Roughness"].links[0].from_socket.name
    metallic = shader.inputs["Metallic"].links[0].from_socket.name
    assert (roughness, metallic) == ("Green", "Blue")
    assert shader.inputs["Subsurface Weight"].default_value > 0
    radius = shader.inputs["Subsurface Radius"].default_value
    assert radius[0] > radius[1] > radius[2]


def check_blenders_importer_works_beside_a_head(scene, folder):
    """Nothing of ours has a name that Blender's glTF add-on takes for its own."""
    head_file.bring_in(scene, folder)
    assert bpy.ops.import_scene.gltf(filepath=str(folder / "head.glb")) == {"FINISHED"}
    preset = scene.presets.preset_named("GLTF")
    head = bpy.data.objects["Ada"]
    scene.export.export_head(bpy.context, head, preset, folder / "Ada.glb")
    assert bpy.ops.import_scene.gltf(filepath=str(folder / "Ada.glb")) == {"FINISHED"}


def check_maps_are_saved_beside_the_blend_file(scene, folder):
    path = head_file.write(folder)
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
    scene.preferences.images = "SAVE"
    try:
        assert bpy.ops.idto3d.import_head(filepath=str(path)) == {"FINISHED"}
        assert bpy.ops.idto3d.import_head(filepath=str(path)) == {"FINISHED"}
    finally:
        scene.preferences.images = "PACK"
    names = {item.name for item in (folder / "textures").iterdir()}
    both = ("Ada", "Ada.001")
    assert names == {
        f"{bpy.path.clean_name(name)}_{kind}.png"
        for name in both
        for kind in ("albedo", "normal", "orm")
    }
    image = scene.material.maps_of(bpy.data.objects["Ada"])["normal"]
    assert image.packed_file is None and image.filepath == "//textures/Ada_normal.png"
    assert tuple(image.size) == (16, 16)


def check_selection_and_mode_stay(scene, folder):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    scene.head.import_head(bpy.context, head_file.write(folder))
    assert bpy.context.object == cube and cube.mode == "EDIT"
    assert bpy.context.selected_objects == [cube]


def check_what_is_no_head_leaves_nothing(scene, folder):
    good = head_file.write(folder).read_bytes()
    preview = folder / "preview.glb"
    mock_head.write_preview(preview, "Ada")
    damaged = {
        "short": (good[:200], "damaged"),
        "cut": (good[:-1], "damaged"),
        "text": (b"solid cube", "damaged"),
        "empty": (b"", "damaged"),
        "twisted": (good.replace(b'"VEC3"', b'"MAT4"'), "damaged"),
        "preview": (preview.read_bytes(), "is a preview"),
        "absent": (None, "There is no file"),
    }
    before = head_file.state()
    for name, (data, words) in damaged.items():
        path = folder / f"{name}.glb"
        if data is not None:
            path.write_bytes(data)
        try:
            scene.head.import_head(bpy.context, path)
        except scene.head.ImportFailed as error:
            assert words in str(error), error
        else:
            raise AssertionError(f"{name} came in")
        assert head_file.state() == before


def check_maps_that_cannot_be_saved_leave_nothing(scene, folder):
    path = head_file.write(folder)
    (folder / "taken").write_text("a file, not a folder")
    before = head_file.state()
    try:
        scene.head.import_head(bpy.context, path, folder=folder / "taken")
    except scene.head.ImportFailed as error:
        assert "can't be saved" in str(error)
    else:
        raise AssertionError("came in")
    assert head_file.state() == before


def check_a_result_gets_the_persons_name(scene, folder):
    head_file.write(folder, "in the file")
    head = scene.head.import_result(bpy.context, folder, "Grace")
    assert head.name == "Grace" and scene.head.current_head(bpy.context) == head
    again = scene.head.import_result(bpy.context, folder, "Grace")
    assert again.name == "Grace.001" and scene.head.current_head(bpy.context) == again
    bpy.context.view_layer.objects.active = head
    assert scene.head.current_head(bpy.context) == head


def check_a_preview_is_exchanged_in_place(scene, folder):
    path = folder / "preview.glb"
    mock_head.write_preview(path, "Ada")
    shown = scene.preview.refresh_preview(bpy.context, path, "Ada")
    mesh, before = shown.data, head_file.state()
    assert abs(shown.dimensions.z - 0.2) < 1e-6
    assert [round(value, 4) for value in mesh.color_attributes["Color"].data[0].color] == [
        *(0.5, 0.4, 0.3),
        1.0,
    ]
    shown.location = (1.0, 0.0, 0.0)
    for radius in (0.15, 0.2, 0.3):
        mock_head.write_preview(path, "Ada", radius)
        again = scene.preview.refresh_preview(bpy.context, path, "Ada")
        assert again == shown and again.data == mesh and head_file.state() == before
        bpy.context.view_layer.update()
        assert abs(shown.dimensions.z - 2 * radius) < 1e-6
    assert shown.location.x == 1.0
    assert not mesh.validate() and len(mesh.uv_layers) == 0 and len(mesh.color_attributes) == 1


def check_a_preview_waits_for_edit_mode_and_a_whole_file(scene, folder):
    path = folder / "preview.glb"
    mock_head.write_preview(path, "Ada")
    shown = scene.preview.refresh_preview(bpy.context, path, "Ada")
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    try:
        scene.preview.refresh_preview(bpy.context, path, "Ada")
    except scene.glb.UnreadableFile:
        assert len(shown.data.vertices) > 0
    else:
        raise AssertionError("half a file was shown")
    mock_head.write_preview(path, "Ada", 0.3)
    bpy.context.view_layer.objects.active = shown
    bpy.ops.object.mode_set(mode="EDIT")
    scene.preview.refresh_preview(bpy.context, path, "Ada")
    bpy.ops.object.mode_set(mode="OBJECT")
    assert abs(shown.dimensions.z - 0.2) < 1e-6


def check_previews_go_without_a_trace(scene, folder):
    path = folder / "preview.glb"
    mock_head.write_preview(path, "Ada")
    before = head_file.state()
    scene.preview.refresh_preview(bpy.context, path, "Ada")
    scene.preview.refresh_preview(bpy.context, path, "Grace")
    scene.preview.remove_preview(bpy.context, "Ada")
    assert scene.preview.find_preview("Ada") is None
    assert scene.preview.find_preview("Grace") is not None
    scene.preview.remove_preview(bpy.context, "Grace")
    scene.preview.remove_preview(bpy.context, "Grace")
    assert head_file.state() == before
