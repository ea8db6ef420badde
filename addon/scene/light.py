# SPDX-License-Identifier: GPL-3.0-or-later
"""The world's light around a head: Blender's own HDRIs or a file, and the artist's world back."""

import math
from pathlib import Path

import bpy

WORLD = "ID-to-3D Light"
ENVIRONMENTS = (
    ("studio", "Studio", "A large soft box in a dark room"),
    ("city", "City", "Even daylight between buildings"),
    ("courtyard", "Courtyard", "Strong warm light off walls"),
    ("forest", "Forest", "Dim light from above"),
    ("interior", "Interior", "Window light in a warm room"),
    ("night", "Night", "Warm lamps in the dark"),
    ("sunrise", "Sunrise", "A low sun from one side"),
    ("sunset", "Sunset", "Soft light, a little red"),
    ("FILE", "Own File", "An HDRI of your own"),
)
GREY = (0.18, 0.18, 0.18, 1.0)


class LightFailed(Exception):
    """The light is as it was; the text is for the person."""


def _changed(settings: "LightSettings", context: bpy.types.Context) -> None:
    """A slider was moved: the light follows while it is on."""
    if settings.is_on:
        try:
            settings.problem = ""
            update_light(settings.id_data)
        except LightFailed as error:
            settings.problem = str(error)


class LightSettings(bpy.types.PropertyGroup):
    """What the panel Light sets, kept with the scene."""

    environment: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Light",
        description="The surroundings that light the head",
        items=ENVIRONMENTS,
        update=_changed,
    )
    path: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="File",
        description="An HDRI of your own: a panorama as .exr or .hdr file",
        subtype="FILE_PATH",
        update=_changed,
    )
    rotation: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Rotation",
        description="Turns the light around the head",
        subtype="ANGLE",
        # The studio's soft box then comes from the upper left of the picture and models the face.
        default=math.radians(150.0),
        update=_changed,
    )
    strength: bpy.props.FloatProperty(  # type: ignore[valid-type]
        name="Strength",
        description="How bright the light is",
        default=1.0,
        min=0.0,
        soft_max=5.0,
        update=_changed,
    )
    show_surroundings: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="Show Surroundings",
        description="See the surroundings behind the head; off gives a plain grey",
        default=False,
        update=_changed,
    )
    is_on: bpy.props.BoolProperty(  # type: ignore[valid-type]
        name="On", description="Whether the scene has this light now", options={"HIDDEN"}
    )
    problem: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Problem", description="Why the light could not be changed", options={"HIDDEN"}
    )
    artists_world: bpy.props.PointerProperty(  # type: ignore[valid-type]
        name="Artist's World",
        description="The world that the scene gets back when this light is switched off",
        type=bpy.types.World,
    )


class LightOn(bpy.types.Operator):
    """Light the scene by the chosen surroundings; your own world is kept for later"""

    bl_idname = "idto3d.light_on"
    bl_label = "Light the Head"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Exchange the world."""
        try:
            switch_on(context.scene)
        except LightFailed as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class LightOff(bpy.types.Operator):
    """Take this light away and put your own world back"""

    bl_idname = "idto3d.light_off"
    bl_label = "Restore My World"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only while the light is on."""
        return context.scene.idto3d_light.is_on

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put the artist's world back."""
        switch_off(context.scene)
        return {"FINISHED"}


def switch_on(scene: bpy.types.Scene) -> None:
    """Give the scene the light of its settings; its own world is remembered.

    Raises:
        LightFailed: the file that was chosen can't be used; nothing has changed.
    """
    settings = scene.idto3d_light
    if settings.is_on:
        update_light(scene)
        return
    path = environment_path(settings)
    world = make_world()
    try:
        set_world(world, path, settings)
    except LightFailed:
        remove_world(world)
        raise
    settings.artists_world, scene.world = scene.world, world
    settings.is_on = True


def update_light(scene: bpy.types.Scene) -> None:
    """Bring the light up to date with its settings.

    Raises:
        LightFailed: as in `switch_on`.
    """
    path = environment_path(scene.idto3d_light)
    if scene.world is not None and WORLD in scene.world:
        set_world(scene.world, path, scene.idto3d_light)


def switch_off(scene: bpy.types.Scene) -> None:
    """Give the scene its own world back and remove the light's; fine when it is off."""
    settings = scene.idto3d_light
    if not settings.is_on:
        return
    used = scene.world
    # Where the artist has chosen another world in the meantime, that one stays.
    if used is not None and WORLD in used:
        scene.world = settings.artists_world
        remove_world(used)
    settings.artists_world = None
    settings.is_on = False


def environment_path(settings: LightSettings) -> Path:
    """The file of the chosen surroundings.

    Raises:
        LightFailed: there is no such file or it is no picture.
    """
    if settings.environment != "FILE":
        folder = Path(bpy.utils.system_resource("DATAFILES")) / "studiolights" / "world"
        return folder / f"{settings.environment}.exr"
    if not settings.path:
        raise LightFailed("Choose an .exr or .hdr file, or one of the surroundings in the list.")
    path = Path(bpy.path.abspath(settings.path))
    if not path.is_file():
        raise LightFailed(f"There is no file {path}. Choose another one.")
    return path


def make_world() -> bpy.types.World:
    """A world with an environment texture that the camera need not see; still without a file."""
    world = bpy.data.worlds.new(WORLD)
    world[WORLD] = True
    if bpy.app.version < (5, 0):
        world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    row = {
        "Coordinates": "ShaderNodeTexCoord",
        "Mapping": "ShaderNodeMapping",
        "Environment": "ShaderNodeTexEnvironment",
        "Light": "ShaderNodeBackground",
        "Choice": "ShaderNodeMixShader",
        "Output": "ShaderNodeOutputWorld",
    }
    made = {}
    for column, (name, kind) in enumerate(row.items()):
        made[name] = nodes.new(kind)
        made[name].name = name
        made[name].location = (column * 260.0, 0.0)
    backdrop, rays = nodes.new("ShaderNodeBackground"), nodes.new("ShaderNodeLightPath")
    show = nodes.new("ShaderNodeMath")
    backdrop.inputs["Color"].default_value = GREY
    backdrop.location, rays.location = (780.0, -200.0), (520.0, 400.0)
    show.name, show.operation, show.location = "Grey Backdrop", "MULTIPLY", (780.0, 400.0)
    links.new(made["Coordinates"].outputs["Generated"], made["Mapping"].inputs["Vector"])
    links.new(made["Mapping"].outputs["Vector"], made["Environment"].inputs["Vector"])
    links.new(made["Environment"].outputs["Color"], made["Light"].inputs["Color"])
    links.new(rays.outputs["Is Camera Ray"], show.inputs[0])
    links.new(show.outputs["Value"], made["Choice"].inputs[0])
    links.new(made["Light"].outputs["Background"], made["Choice"].inputs[1])
    links.new(backdrop.outputs["Background"], made["Choice"].inputs[2])
    links.new(made["Choice"].outputs["Shader"], made["Output"].inputs["Surface"])
    return world


def set_world(world: bpy.types.World, path: Path, settings: LightSettings) -> None:
    """Write file, rotation, strength and backdrop into a world of `make_world`.

    Raises:
        LightFailed: the file is no picture.
    """
    nodes = world.node_tree.nodes
    node = nodes["Environment"]
    if node.image is None or node.image.get(WORLD) != str(path):
        image = _load(path)
        before, node.image = node.image, image
        _remove_unused(before)
    nodes["Mapping"].inputs["Rotation"].default_value[2] = settings.rotation
    nodes["Light"].inputs["Strength"].default_value = settings.strength
    nodes["Grey Backdrop"].inputs[1].default_value = float(not settings.show_surroundings)


def remove_world(world: bpy.types.World) -> None:
    """Remove a world of `make_world` with its image."""
    image = world.node_tree.nodes["Environment"].image
    bpy.data.worlds.remove(world)
    _remove_unused(image)


def _load(path: Path) -> bpy.types.Image:
    try:
        image = bpy.data.images.load(str(path))
    except RuntimeError as error:
        raise LightFailed(f"{path.name} can't be read. Choose an .exr or .hdr file.") from error
    if 0 in image.size:
        bpy.data.images.remove(image)
        raise LightFailed(f"{path.name} is no picture. Choose an .exr or .hdr file.")
    image[WORLD] = str(path)
    image.pack()  # so that the .blend file shows the same on another machine
    return image


def _remove_unused(image: bpy.types.Image | None) -> None:
    if image is not None and image.users == 0:
        bpy.data.images.remove(image)


CLASSES = (LightSettings, LightOn, LightOff)


def register() -> None:
    """Give scenes the light's settings."""
    bpy.types.Scene.idto3d_light = bpy.props.PointerProperty(type=LightSettings)


def unregister() -> None:
    """Take the settings away."""
    del bpy.types.Scene.idto3d_light
