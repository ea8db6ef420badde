# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws the backend's part of the preferences page: its state, the set-up at work, the doctor."""

from functools import cache

import bpy

from .. import backend
from ..environment.layout import read_record
from ..environment.packages import read_locked
from ..package import ROOT, preferences
from . import operators
from .session import Session
from .state import STATE

# Lines of the log that are shown.
SHOWN_LINES = 6
ICONS = {"ok": "CHECKMARK", "warn": "INFO", "fail": "ERROR"}


@cache
def locked_key() -> str:
    """Which packages the add-on needs; its files don't change while it is switched on."""
    return read_locked(ROOT).key


def draw_backend(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The state of the backend, and the buttons that make sense in it."""
    box = layout.box()
    problem = backend.backend_problem(context)
    row = box.row()
    row.label(text="Backend", icon="CONSOLE")
    row.label(text=problem.partition(". ")[0] or "Ready", icon="INFO" if problem else "CHECKMARK")
    if STATE.session is not None and STATE.session.running:
        _draw_running(box, STATE.session)
        return
    if STATE.session is not None:
        _draw_outcome(box, STATE.session)
    if backend.existing_python(context) is not None:
        box.prop(preferences(context), "backend_python")
        box.operator(operators.UseOwn.bl_idname, icon="LOOP_BACK")
    else:
        _draw_own(box, context)


def _draw_running(layout: bpy.types.UILayout, session: Session) -> None:
    layout.progress(factor=session.share, text=f"{session.status}  {session.detail}")
    column = layout.column(align=True)
    for line in list(session.log)[-SHOWN_LINES:]:
        column.label(text=line)
    row = layout.row()
    row.operator(operators.Cancel.bl_idname, icon="CANCEL")
    row.operator(operators.OpenLog.bl_idname, icon="TEXT")


def _draw_outcome(layout: bpy.types.UILayout, session: Session) -> None:
    icon = {"done": "CHECKMARK", "error": "ERROR"}.get(session.outcome, "INFO")
    column = layout.column(align=True)
    column.label(text=session.text, icon=icon)
    if session.remedy:
        column.label(text=session.remedy, icon="BLANK1")


def _draw_own(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    chosen = preferences(context)
    record = read_record(backend.environment_folder(context))
    if record is not None and record.complete:
        layout.label(text=f"torch {record.torch} in {backend.environment_folder(context)}")
        if record.key != locked_key():
            layout.label(text="This version needs other packages. Press Repair.", icon="INFO")
        layout.prop(chosen, "torch")
        if chosen.torch.lower() not in ("auto", record.variant):
            layout.label(text="Press Repair to change the build of torch.", icon="INFO")
        row = layout.row()
        row.operator(operators.Repair.bl_idname, icon="TOOL_SETTINGS")
        row.operator(operators.Move.bl_idname, icon="FILE_FOLDER")
        row.operator(operators.Remove.bl_idname, icon="TRASH")
        row.operator(operators.OpenLog.bl_idname, icon="TEXT")
    else:
        column = layout.column()
        column.prop(chosen, "torch")
        column.prop(chosen, "environment_folder")
        column.prop(chosen, "base_python")
        column.prop(chosen, "index")
        column.prop(chosen, "keep_wheels")
        if not bpy.app.online_access:
            layout.label(
                text="Online access is off (Preferences > System > Network): a bundle is needed.",
                icon="INFO",
            )
        row = layout.row()
        text = "Install" if record is None else "Resume"
        row.operator(operators.Install.bl_idname, text=text, icon="IMPORT")
        row.operator(operators.ImportBundle.bl_idname, icon="PACKAGE")
        row.operator(operators.PointAtExisting.bl_idname, icon="LINKED")
        if record is not None:
            row.operator(operators.Remove.bl_idname, icon="TRASH")
    layout.operator(operators.SaveBundle.bl_idname, icon="EXPORT")


def draw_doctor(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The doctor's button and what it found, each failure with its remedy."""
    box = layout.box()
    row = box.row()
    row.label(text="Doctor", icon="HEART")
    row.operator(operators.Doctor.bl_idname, text="Examine")
    row.operator(operators.CopyReport.bl_idname, icon="COPYDOWN")
    column = box.column(align=True)
    for finding in STATE.findings:
        column.label(text=f"{finding.name}: {finding.found}", icon=ICONS[finding.state])
        if finding.remedy:
            row = column.row()
            row.label(text=finding.remedy, icon="BLANK1")
            if finding.repair:
                row.operator(operators.Repair.bl_idname, icon="TOOL_SETTINGS")
    if STATE.doctor is not None:
        column.label(text="Examining…", icon="SORTTIME")
