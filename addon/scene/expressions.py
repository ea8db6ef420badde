# SPDX-License-Identifier: GPL-3.0-or-later
"""Posing a head: one expression alone, none, or all of them one after the other as a clip."""

import bpy

from .head import NeedsHead, current_head, expression_names

# The clip: how a share of the time of each expression is spent. What is left is the way back.
RISE, HOLD = 0.35, 0.3


class NeedsExpressions(NeedsHead):
    """An operator on the expressions of the current head."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a head that has expressions."""
        if not super().poll(context):
            return False
        if not expression_names(current_head(context)):
            cls.poll_message_set("This head has no expressions.")
            return False
        return True


class SoloExpression(NeedsExpressions, bpy.types.Operator):
    """Show this expression alone; press again for the neutral face"""

    bl_idname = "idto3d.solo_expression"
    bl_label = "Solo"
    bl_options = {"REGISTER", "UNDO"}

    expression: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Expression",
        description="Name of the shape key that is shown alone",
        options={"SKIP_SAVE"},
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Turn every other expression off."""
        head = current_head(context)
        if self.expression not in expression_names(head):
            self.report({"ERROR"}, f"{head.name} has no expression named '{self.expression}'.")
            return {"CANCELLED"}
        show_alone(head, "" if is_alone(head, self.expression) else self.expression)
        return {"FINISHED"}


class ResetExpressions(NeedsExpressions, bpy.types.Operator):
    """Back to the neutral face: every expression to 0"""

    bl_idname = "idto3d.reset_expressions"
    bl_label = "Neutral Face"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Turn every expression off."""
        show_alone(current_head(context), "")
        return {"FINISHED"}


class ExpressionClip(NeedsExpressions, bpy.types.Operator):
    """Animate the head through all its expressions, one after the other, as an action"""

    bl_idname = "idto3d.expression_clip"
    bl_label = "Make Expression Clip"
    bl_options = {"REGISTER", "UNDO"}

    frames: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Frames",
        description="How many frames each expression takes, the way there and back included",
        default=36,
        min=4,
        soft_max=240,
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the action, beginning at the scene's first frame."""
        head = current_head(context)
        action = make_clip(head, context.scene.frame_start, self.frames)
        first, last = (round(frame) for frame in action.frame_range)
        self.report({"INFO"}, f"The clip '{action.name}' runs from frame {first} to {last}.")
        return {"FINISHED"}


def show_alone(head: bpy.types.Object, expression: str) -> None:
    """One expression fully on, all others off; "" for the neutral face."""
    for name in expression_names(head):
        head.data.shape_keys.key_blocks[name].value = float(name == expression)


def is_alone(head: bpy.types.Object, expression: str) -> bool:
    """Whether an expression is fully on and no other at all."""
    blocks = head.data.shape_keys.key_blocks
    return all(blocks[name].value == float(name == expression) for name in expression_names(head))


def make_clip(head: bpy.types.Object, start: int, frames: int) -> bpy.types.Action:
    """An action that goes from the neutral face to each expression and back.

    An action that the head had before is kept, with a fake user, and replaced.

    Args:
        head: with at least one expression.
        start: the first frame.
        frames: how many each expression takes.
    """
    keys = head.data.shape_keys
    animation = keys.animation_data_create()
    if animation.action is not None:
        animation.action.use_fake_user = True
        animation.action = None
    for index, name in enumerate(expression_names(head)):
        block = keys.key_blocks[name]
        begin = start + index * frames
        rise, hold = begin + round(RISE * frames), begin + round((RISE + HOLD) * frames)
        for frame, value in ((begin, 0.0), (rise, 1.0), (hold, 1.0), (begin + frames, 0.0)):
            block.value = value
            block.keyframe_insert("value", frame=frame)
    animation.action.name = f"{head.name} expressions"
    return animation.action


CLASSES = (SoloExpression, ResetExpressions, ExpressionClip)
