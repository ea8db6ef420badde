# SPDX-License-Identifier: GPL-3.0-or-later
"""A layout that draws nothing: it notes what a panel asks for, and refuses what does not exist.

Blender itself only complains in a window when a panel names a property, an operator, an icon or an
argument that is not there; this complains at once.
"""

import types
from typing import Any

import bpy

FUNCTIONS = bpy.types.UILayout.bl_rna.functions
SETTINGS = bpy.types.UILayout.bl_rna.properties


class Drawn:
    """What was asked for, of one panel."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.operators: list[str] = []
        self.properties: list[str] = []
        self.progress: list[float] = []
        self.pictures = 0


class Words:
    """The properties of an operator's button: only those that it has can be set."""

    def __init__(self, name: str) -> None:
        group, _, word = name.partition(".")
        kind = getattr(getattr(bpy.ops, group), word).get_rna_type()  # KeyError if there is none
        object.__setattr__(self, "known", {item.identifier for item in kind.properties})

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self.known:
            raise AttributeError(f"the operator has no property {name}")


class RecordingLayout:
    """Has the functions and settings of `bpy.types.UILayout`, with their arguments."""

    def __init__(self, drawn: Drawn) -> None:
        object.__setattr__(self, "drawn", drawn)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in SETTINGS:
            raise AttributeError(f"a layout has no {name}")

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            raise AttributeError(f"a layout has no {name}")
        inputs = [item for item in FUNCTIONS[name].parameters if not item.is_output]

        def call(*positional: object, **named: object) -> Any:
            known = {item.identifier: item for item in inputs}
            # `text_ctxt` and `translate` are added by Blender's own wrapper of these functions.
            values = dict(zip(known, positional, strict=False)) | named
            strange = set(values) - set(known) - {"text_ctxt", "translate"}
            assert not strange and len(positional) <= len(known), (name, strange)
            for key, value in values.items():
                item = known.get(key)
                if item is not None and item.type == "ENUM" and not item.is_enum_flag:
                    assert value in item.enum_items, (name, key, value)
                if item is not None and item.type == "STRING":
                    assert isinstance(value, str), (name, key, value)
            return self._record(name, values)

        return call

    def _record(self, name: str, values: dict[str, Any]) -> Any:
        drawn = self.drawn
        if values.get("text"):
            drawn.texts.append(values["text"])
        if name == "operator":
            drawn.operators.append(values["operator"])
            return Words(values["operator"])
        if name in ("prop", "prop_search", "prop_enum", "template_ID"):
            self._property(values["data"], values["property"])
        if name == "template_list":
            self._property(values["dataptr"], values["propname"])
            self._property(values["active_dataptr"], values["active_propname"])
            assert hasattr(bpy.types, values["listtype_name"])
        if name == "panel":  # open, whatever the artist would see at first
            return RecordingLayout(drawn), RecordingLayout(drawn)
        if name == "progress":
            assert 0.0 <= values["factor"] <= 1.0
            drawn.progress.append(values["factor"])
        if name == "template_icon":
            drawn.pictures += 1
        return RecordingLayout(drawn)

    def _property(self, owner: Any, name: str) -> None:
        if name not in owner.bl_rna.properties and name not in getattr(owner, "keys", list)():
            raise AttributeError(f"{owner} has no property {name}")
        getattr(owner, name)
        self.drawn.properties.append(name)


class Stage:
    """Stands for a panel's or a preferences page's `self`."""

    def __init__(self, kind: type, layout: RecordingLayout, owner: object) -> None:
        self.layout, self._kind, self._owner = layout, kind, owner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._kind, name, None)
        if isinstance(found, types.FunctionType):
            return types.MethodType(found, self)
        return getattr(self._owner, name) if self._owner is not None else getattr(self._kind, name)


def draw(kind: type, owner: object = None) -> Drawn:
    """Run `draw` of a panel or a preferences page, and its header."""
    drawn = Drawn()
    stage = Stage(kind, RecordingLayout(drawn), owner)
    poll = getattr(kind, "poll", None)
    if poll is None or poll(bpy.context):
        kind.draw(stage, bpy.context)
    if hasattr(kind, "draw_header_preset"):
        kind.draw_header_preset(stage, bpy.context)
    return drawn


def draw_list(kind: type, owner: Any, collection: str, active: str) -> Drawn:
    """Run `draw_item` of a list for each of its rows."""
    drawn = Drawn()
    for index, item in enumerate(getattr(owner, collection)):
        layout = RecordingLayout(drawn)
        stage = Stage(kind, layout, None)
        kind.draw_item(stage, bpy.context, layout, owner, item, 0, owner, active, index)
    return drawn
