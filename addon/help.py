# SPDX-License-Identifier: GPL-3.0-or-later
"""The `?` in each panel's header: what the panel is for, in a few lines."""

import bpy

HELP: dict[str, tuple[str, ...]] = {
    "photos": (
        "One to five photos of one person, sharp, evenly lit, the whole head on them.",
        "Look at the camera on one at least; others may be turned by up to 45 degrees.",
        "Drop files here, use the plus, or paste a picture that you have copied.",
        "The sign beside a photo says whether it will do; its tooltip says why.",
        "The photos stay where they are and never leave this computer.",
    ),
    "person": (
        "The name is given to the head and its collection.",
        "A description helps where photos are unclear: 'short grey hair, a beard'.",
        "Each expression becomes a shape key from 0 to 1. More of them cost little time.",
        "Teeth, gums and lashes come with the head; untick them if you model your own.",
        "Draft shows in minutes whether the photos will do; Standard is for use.",
        "Another seed gives another head from the same photos.",
    ),
    "generate": (
        "The work is done by a program of its own: Blender stays free, and may be closed.",
        "Open the file again and the job is found. After a crash, Resume goes on.",
        "Cancel keeps the work so far; Stop and Keep This makes the head from it now.",
        "A second Generate Head waits until the first is done.",
    ),
    "result": (
        "The finished head: one object with a shape key for each expression.",
        "Sliders mix expressions; the button beside one shows it alone.",
        "The clip moves through all of them.",
    ),
    "light": (
        "Shows the head under other light; your own world comes back when you switch it off.",
        "Turn the light: shades that do not move with it are baked into the skin.",
        "The check renders both sides and measures that.",
    ),
    "export": (
        "Writes the head for an engine with its axes, scale, names and maps.",
        "The file is read again and compared with the head: what is reported was seen.",
        "Your scene is not changed.",
    ),
    "history": (
        "Every job of the jobs folder, newest first, from all .blend files.",
        "Redo puts its photos and settings back into the panels.",
        "Delete removes the job's folder; heads in your scenes stay.",
    ),
}


class ShowHelp(bpy.types.Operator):
    """What this panel is for"""

    bl_idname = "idto3d.help"
    bl_label = "Help"
    bl_options = {"INTERNAL"}

    topic: bpy.props.StringProperty(name="Topic", description="The panel in question")  # type: ignore[valid-type]

    @classmethod
    def description(cls, context: bpy.types.Context, properties: object) -> str:
        """The whole help is the tooltip, too."""
        return "\n".join(HELP.get(properties.topic, ()))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show it as a popup."""
        lines = HELP.get(self.topic)
        if lines is None:
            return {"CANCELLED"}

        def draw(menu: bpy.types.Menu, context: bpy.types.Context) -> None:
            for line in lines:
                menu.layout.label(text=line)

        if not bpy.app.background:
            title = self.topic.capitalize()
            context.window_manager.popup_menu(draw, title=title, icon="QUESTION")
        return {"FINISHED"}


CLASSES = (ShowHelp,)
