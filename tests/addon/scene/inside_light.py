# SPDX-License-Identifier: GPL-3.0-or-later
"""Light, turntable, the check for baked light and expressions in a real Blender."""

from array import array

import bpy
import head_file


def check_the_artists_world_comes_back(scene, folder):
    mine = bpy.data.worlds.new("Mine")
    bpy.context.scene.world = mine
    before = head_file.state()
    settings = bpy.context.scene.idto3d_light
    for environment, *_ in scene.light.ENVIRONMENTS[:-1]:
        settings.environment = environment
        assert bpy.ops.idto3d.light_on() == {"FINISHED"}
        assert bpy.context.scene.world != mine
        image = bpy.context.scene.world.node_tree.nodes["Environment"].image
        assert image.name.startswith(environment) and image.packed_file is not None
        assert tuple(image.size) == (1024, 512)
    assert len(bpy.data.images) == 1 and len(bpy.data.worlds) == 2
    assert bpy.ops.idto3d.light_off() == {"FINISHED"}
    assert bpy.context.scene.world == mine and head_file.state() == before
    assert not bpy.ops.idto3d.light_off.poll()


def check_no_world_comes_back_as_none(scene, folder):
    bpy.context.scene.world = None
    bpy.ops.idto3d.light_on()
    bpy.ops.idto3d.light_off()
    assert bpy.context.scene.world is None


def check_a_world_chosen_meanwhile_stays(scene, folder):
    bpy.ops.idto3d.light_on()
    other = bpy.context.scene.world = bpy.data.worlds.new("Another")
    bpy.ops.idto3d.light_off()
    assert bpy.context.scene.world == other


def check_sliders_move_the_light(scene, folder):
    settings = bpy.context.scene.idto3d_light
    settings.rotation = 0.5  # nothing is lit yet: nothing happens
    assert bpy.context.scene.world is None
    bpy.ops.idto3d.light_on()
    nodes = bpy.context.scene.world.node_tree.nodes
    settings.strength, settings.rotation, settings.show_surroundings = 2.5, 1.25, True
    assert nodes["Light"].inputs["Strength"].default_value == 2.5
    assert nodes["Mapping"].inputs["Rotation"].default_value[2] == 1.25
    assert nodes["Grey Backdrop"].inputs[1].default_value == 0.0
    settings.environment = "forest"
    assert nodes["Environment"].image.name.startswith("forest")


def check_an_own_file(scene, folder):
    settings = bpy.context.scene.idto3d_light
    settings.environment = "FILE"
    for path, words in (
        ("", "Choose an .exr"),
        (folder / "absent.exr", "There is no file"),
        (folder / "text.exr", "Choose an .exr"),
    ):
        if path and path.name == "text.exr":
            path.write_text("no picture")
        settings.path = str(path)
        try:
            bpy.ops.idto3d.light_on()
        except RuntimeError as error:
            assert words in str(error), error
        else:
            raise AssertionError(path)
        assert bpy.context.scene.world is None and not settings.is_on
        assert not bpy.data.worlds and not bpy.data.images
    image = bpy.data.images.new("own", 8, 4, float_buffer=True)
    image.filepath_raw, image.file_format = str(folder / "own.exr"), "OPEN_EXR"
    image.save()
    bpy.data.images.remove(image)
    settings.path = str(folder / "own.exr")
    assert bpy.ops.idto3d.light_on() == {"FINISHED"}
    world = bpy.context.scene.world
    assert tuple(world.node_tree.nodes["Environment"].image.size) == (8, 4)
    settings.path = str(folder / "absent.exr")
    assert "There is no file" in settings.problem and bpy.context.scene.world == world
    settings.environment = "city"
    assert settings.problem == ""


def check_a_turntable_leaves_the_scene_alone(scene, folder):
    head = head_file.bring_in(scene, folder)
    bpy.context.scene.render.engine = "BLENDER_WORKBENCH"
    bpy.context.scene.render.filepath = "//mine"
    before, frame = head_file.state(), bpy.context.scene.frame_current
    assert bpy.ops.idto3d.render_turntable(directory=str(folder / "turn"), frames=3, size=32) == {
        "FINISHED"
    }
    assert sorted(item.name for item in (folder / "turn").iterdir()) == [
        f"Ada_{number:04d}.png" for number in (1, 2, 3)
    ]
    state = head_file.state()
    state["images"] = [name for name in state["images"] if name != "Render Result"]
    assert state == before
    assert bpy.context.scene.frame_current == frame
    assert bpy.context.scene.render.filepath == "//mine"
    assert head.users_scene == (bpy.context.scene,)


def check_the_camera_goes_around_the_head(scene, folder):
    head = head_file.bring_in(scene, folder)
    with scene.studio.studio(bpy.context, head) as studio:
        scene.studio.animate_turn(studio, head, 4)
        artists, bpy.context.window.scene = bpy.context.window.scene, studio
        places = []
        for frame in range(1, 5):
            studio.frame_set(frame)
            graph = bpy.context.evaluated_depsgraph_get()
            camera = studio.camera.evaluated_get(graph).matrix_world
            places.append(camera.translation.copy())
            middle = sum(scene.studio.bounds(head), start=camera.translation * 0) / 2
            looks = -camera.col[2].xyz
            assert looks.dot((middle - camera.translation).normalized()) > 0.9999
            assert camera.col[1].z > 0.9999  # upright
        bpy.context.window.scene = artists
    assert places[0].y < -0.3 and abs(places[0].x) < 1e-6  # before the face
    assert places[1].x > 0.3 and places[2].y > 0.3 and places[3].x < -0.3


def check_baked_light_is_found(scene, folder):
    """Albedo that is brighter on the picture's left, where the ball's u is above a half."""
    head = head_file.bring_in(scene, folder)
    scene.light_check.SIZE = 32
    albedo = scene.material.maps_of(head)["albedo"]
    before = head_file.state()
    differences = []
    for left, right in ((0.6, 0.6), (0.7, 0.5), (0.5, 0.7)):
        values = array("f")
        for texel in range(head_file.SIZE**2):
            grey = left if texel % head_file.SIZE >= head_file.SIZE // 2 else right
            values.extend((grey, grey, grey, 1.0))
        albedo.pixels.foreach_set(values)
        albedo.pack()
        image = scene.light_check.check_baked_light(bpy.context, head)
        differences.append(image[scene.light_check.DIFFERENCE])
    assert tuple(image.size) == (96, 32)
    assert abs(differences[0]) < 0.03, differences
    assert 0.2 < differences[1] < 0.4 and -0.4 < differences[2] < -0.2, differences
    assert "left half is" in scene.light_check.verdict(differences[1])
    assert "right half is" in scene.light_check.verdict(differences[2])
    assert "equally bright" in scene.light_check.verdict(differences[0])
    # Lit from the left, the left is bright, and the other way round.
    pixels, row = list(image.pixels), 4 * 96 * 16
    lit = [pixels[row + 4 * column] for column in (32 + 8, 32 + 24, 64 + 8, 64 + 24)]
    assert lit[0] > 1.5 * lit[1] and lit[3] > 1.5 * lit[2], lit
    bpy.data.images.remove(image)
    state = head_file.state()
    state["images"] = [name for name in state["images"] if name != "Render Result"]
    assert state == before


def check_one_expression_alone(scene, folder):
    head = head_file.bring_in(scene, folder)
    blocks = head.data.shape_keys.key_blocks
    blocks["anger"].value = 0.5
    bpy.ops.idto3d.solo_expression(expression="smile")
    assert [block.value for block in blocks] == [0.0, 1.0, 0.0, 0.0]
    bpy.ops.idto3d.solo_expression(expression="anger")
    assert [block.value for block in blocks] == [0.0, 0.0, 0.0, 1.0]
    bpy.ops.idto3d.solo_expression(expression="anger")
    assert [block.value for block in blocks] == [0.0] * 4
    blocks["smile"].value = 0.5
    bpy.ops.idto3d.reset_expressions()
    assert [block.value for block in blocks] == [0.0] * 4
    try:
        bpy.ops.idto3d.solo_expression(expression="boredom")
    except RuntimeError as error:
        assert "no expression named 'boredom'" in str(error)
    else:
        raise AssertionError("boredom was shown")


def check_the_clip_shows_each_expression_in_turn(scene, folder):
    head = head_file.bring_in(scene, folder)
    bpy.context.scene.frame_start = 11
    bpy.ops.idto3d.expression_clip(frames=20)
    action = head.data.shape_keys.animation_data.action
    assert action.name == "Ada expressions" and tuple(action.frame_range) == (11.0, 71.0)
    blocks = head.data.shape_keys.key_blocks
    for index, name in enumerate(head_file.EXPRESSIONS):
        bpy.context.scene.frame_set(11 + 20 * index + 10)
        assert [block.name for block in blocks if block.value == 1.0] == [name]
        assert sum(block.value for block in blocks) == 1.0
        bpy.context.scene.frame_set(11 + 20 * (index + 1))
        assert sum(block.value for block in blocks) == 0.0
    bpy.ops.idto3d.expression_clip(frames=10)
    assert action.use_fake_user and head.data.shape_keys.animation_data.action != action


def check_operators_say_what_they_need(scene, folder):
    for name in ("solo_expression", "expression_clip", "render_turntable", "export_head"):
        assert not getattr(bpy.ops.idto3d, name).poll(), name


class Layout:
    """Stands for a panel's layout: notes what is drawn, and that it exists."""

    def __init__(self, notes=None):
        self.notes = [] if notes is None else notes

    def column(self, **_):
        return Layout(self.notes)

    row = box = column

    def separator(self, **_):
        pass

    def label(self, text="", icon="NONE"):
        self.notes.append(text)

    def prop(self, owner, name, **_):
        assert hasattr(owner, name), name
        self.notes.append(name)

    def operator(self, name, **_):
        group, operator = name.split(".")
        self.notes.append(name)
        kind = getattr(getattr(bpy.ops, group), operator).get_rna_type()
        return Properties({item.identifier for item in kind.properties})

    def template_icon(self, icon_value, scale=1.0):
        self.notes.append("picture")


class Properties:
    """An operator's properties: only those that it has can be set."""

    def __init__(self, names):
        object.__setattr__(self, "names", names)

    def __setattr__(self, name, value):
        assert name in self.names, name


def check_the_panels_draw(scene, folder):
    def drawn(draw):
        layout = Layout()
        draw(layout, bpy.context)
        return layout.notes

    assert "No head in this scene yet." in drawn(scene.panels.draw_result)
    head = head_file.bring_in(scene, folder)
    notes = drawn(scene.panels.draw_result)
    assert "Ada" in notes and notes.count("idto3d.solo_expression") == 3
    assert not any("Commercial" in note for note in notes)
    head[scene.head.ABOUT] = '{"commercial_use": {"allowed": false, "reason": "No."}}'
    assert "Commercial use: no" in drawn(scene.panels.draw_result)
    notes = drawn(scene.panels.draw_light)
    assert "idto3d.light_on" in notes and "path" not in notes and "picture" not in notes
    settings = bpy.context.scene.idto3d_light
    settings.environment = "FILE"
    settings.is_on = True
    image = bpy.data.images.new(scene.light_check.check_name(head), 96, 32)
    image[scene.light_check.DIFFERENCE] = 0.2
    notes = drawn(scene.panels.draw_light)
    assert {"idto3d.light_off", "path", "picture"} <= set(notes)
    notes = drawn(scene.panels.draw_export)
    assert notes == ["idto3d.export_head"] * len(scene.presets.PRESETS)
