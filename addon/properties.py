# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene remembers: the photographs, the person, what to make of them, and its jobs."""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .vocabulary import EXPRESSIONS, NAMES, SETS

VERDICTS = (
    ("UNKNOWN", "Not Checked", "Nobody has looked at this photo yet", "QUESTION", 0),
    ("USABLE", "Good", "The face can be used", "CHECKMARK", 1),
    ("WARNING", "With Faults", "The face can be used, another photo may be better", "ERROR", 2),
    ("UNUSABLE", "Unusable", "No face can be taken from this photo", "CANCEL", 3),
)

PRESETS = (
    ("draft", "Draft", "Minutes on a processor: to see whether the photos will do"),
    ("standard", "Standard", "Four times the shape's detail: an hour or more without a GPU"),
    ("paper", "Paper", "The settings of the paper, for a GPU and a prior of its size"),
)


class Photo(bpy.types.PropertyGroup):
    """One reference photograph."""

    path: StringProperty(  # type: ignore[valid-type]
        name="Photo", description="The file of the photograph", subtype="FILE_PATH"
    )
    verdict: EnumProperty(  # type: ignore[valid-type]
        name="Verdict", description="What the check found about this photo", items=VERDICTS
    )
    findings: StringProperty(  # type: ignore[valid-type]
        name="Findings", description="What is wrong with the photo and what to do, a line each"
    )


# A switch for each expression under its own name, so that a .blend file keeps the choice when a
# later list has more of them.
Expressions = type(
    "Expressions",
    (bpy.types.PropertyGroup,),
    {
        "__doc__": "Which expressions the head gets beside the neutral face.",
        "__module__": __name__,
        "__annotations__": {
            expression.name: BoolProperty(
                name=expression.label,
                description=f"Make a shape key of {expression.text}",
                default=expression.name in SETS["3"],
            )
            for expression in EXPRESSIONS
        },
    },
)


class SceneJob(bpy.types.PropertyGroup):
    """A job that was started for this scene; its `name` is the name of its folder."""

    imported: BoolProperty(  # type: ignore[valid-type]
        name="Imported", description="The finished head has been brought into the scene"
    )


class SceneSettings(bpy.types.PropertyGroup):
    """Everything of ID-to-3D that is saved with a scene but its light."""

    photos: CollectionProperty(type=Photo)  # type: ignore[valid-type]
    photo_index: IntProperty(  # type: ignore[valid-type]
        name="Photo", description="The photo that the buttons beside the list are about"
    )
    image: PointerProperty(  # type: ignore[valid-type]
        name="Image",
        description="An image of this .blend file to use as a photo",
        type=bpy.types.Image,
    )
    person: StringProperty(  # type: ignore[valid-type]
        name="Name",
        description="The person's name; the head and its collection are called so",
        default="Head",
        maxlen=60,
    )
    description: StringProperty(  # type: ignore[valid-type]
        name="Description",
        description="Optional: hair, beard, accessories, age in a few English words, for example "
        "'short grey hair'. Each picture's caption is told them",
        maxlen=200,
    )
    consent: BoolProperty(  # type: ignore[valid-type]
        name="I have the right to use this likeness",
        description="The photos show you, or the person has agreed to this use. Noted in the "
        "provenance of the head",
    )
    expressions: PointerProperty(type=Expressions)  # type: ignore[valid-type]
    preset: EnumProperty(  # type: ignore[valid-type]
        name="Quality", description="How much work goes into the head", items=PRESETS
    )
    teeth_and_lashes: BoolProperty(  # type: ignore[valid-type]
        name="Teeth and Lashes",
        description="Give the head teeth, gums and eyelashes that follow every expression: about "
        "4,000 triangles. Leave them out for heads that get others",
        default=True,
    )
    seed: IntProperty(  # type: ignore[valid-type]
        name="Seed",
        description="The same seed and photos give the same head on the same machine",
        min=0,
    )
    jobs: CollectionProperty(type=SceneJob)  # type: ignore[valid-type]
    history_page: IntProperty(  # type: ignore[valid-type]
        name="Page", description="Which part of the history is shown", min=0
    )


def chosen_expressions(settings: SceneSettings) -> tuple[str, ...]:
    """Names of the expressions that are switched on, in the list's order."""
    return tuple(name for name in NAMES if getattr(settings.expressions, name))


CLASSES = (Photo, Expressions, SceneJob, SceneSettings)


def register() -> None:
    """Let each scene have the settings."""
    bpy.types.Scene.idto3d = PointerProperty(type=SceneSettings)


def unregister() -> None:
    """Take them away; what was stored stays in the files."""
    del bpy.types.Scene.idto3d
