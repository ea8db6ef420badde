# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job is drawn: at work in the panel Generate, ended in the panel History."""

import time

import bpy

from . import generate
from .job_state import JobState
from .jobs import Job
from .questions import clock
from .scene.preview import find_preview
from .scene.view import LookAtHead
from .session import Session
from .text import draw_text

PHASES = {
    "queued": ("Waiting", "SORTTIME"),
    "starting": ("Starting", "PLAY"),
    "running": ("At work", "PLAY"),
    "done": ("Done", "CHECKMARK"),
    "stopped": ("Stopped", "PAUSE"),
    "failed": ("Failed", "ERROR"),
    "dead": ("Broken off", "ERROR"),
}
STAGES = {"geometry": ("Shape", 1), "texture": ("Skin", 2), "asset": ("Finishing", 3)}


def draw_job(layout: bpy.types.UILayout, current: Session, job: Job, now: float) -> None:
    """The job of this scene: how far, how long, what it looks like, what can be done."""
    state = job.state
    box = layout.box()
    text, icon = PHASES[state.phase]
    row = box.row()
    row.label(text=f"{job.name}: {'stopping' if state.stopping else text.lower()}", icon=icon)
    if state.began or state.worked:
        side = row.row()
        side.alignment = "RIGHT"
        side.label(text=clock(state.elapsed(now)))
        preview = find_preview(job.name)
        if preview is not None:
            look = side.operator(LookAtHead.bl_idname, text="", icon="VIEWZOOM")
            look.item = preview.name
    if state.active:
        draw_progress(box, state, now)
    picture = current.thumbnails.icon(state.picture)
    if picture and state.phase != "queued":
        box.template_icon(picture, scale=8.0)
    if state.cause:
        draw_text(box, state.cause, "ERROR")
        draw_text(box, state.remedy, "BLANK1")
    if job.id in current.not_imported:
        draw_text(box, f"The head did not come in: {current.not_imported[job.id]}", "ERROR")
    elif state.active and job.id in current.unshown:
        draw_text(box, current.unshown[job.id], "INFO")
    for sentence in state.warnings[-3:]:
        draw_text(box, sentence, "INFO")
    draw_job_buttons(box, job, now)


def draw_progress(box: bpy.types.UILayout, state: JobState, now: float) -> None:
    """Stage, bar, what is being done, time left."""
    name, number = STAGES.get(state.stage, (state.stage.capitalize(), 0))
    if state.total:
        of_all = f" ({number} of {len(STAGES)})" if number else ""
        box.progress(
            factor=state.step / state.total,
            type="BAR",
            text=f"{name}{of_all}: {state.step}/{state.total}",
        )
    if state.finishing:
        box.label(text="Writing the head from what there is")
    elif state.eta_seconds is not None and state.step < state.total:
        box.label(text=f"{clock(state.eta_seconds)} left in this stage")
    if state.status and not state.step:
        draw_text(box, state.status, "BLANK1")
    silent = state.silent(now)
    if silent:
        draw_text(box, f"Nothing heard for {clock(silent)}; the worker is alive.", "INFO")


def draw_job_buttons(box: bpy.types.UILayout, job: Job, now: float) -> None:
    """What can be done with the job of this scene now."""
    state = job.state
    asked = state.stopping or state.finishing
    if state.active and not asked and state.stage in ("geometry", "texture"):
        box.operator(generate.KeepJob.bl_idname, icon="CHECKMARK").job = job.id
    row = box.row(align=True)
    if state.active:
        late = job.stop_is_late(now)
        cancel = row.row(align=True)
        cancel.enabled = late or not state.stopping
        text = "End the Worker" if late else "Cancel"
        cancel.operator(generate.CancelJob.bl_idname, text=text, icon="X").job = job.id
    elif state.phase == "queued":
        row.operator(generate.CancelJob.bl_idname, icon="X").job = job.id
    elif job.resumable:
        row.operator(generate.ResumeJob.bl_idname, icon="PLAY").job = job.id
    if state.phase == "done":
        row.operator(generate.OpenLog.bl_idname, icon="TEXT").job = job.id
    else:
        row.operator(generate.OpenLog.bl_idname, text="", icon="TEXT").job = job.id


def draw_past_job(layout: bpy.types.UILayout, current: Session, job: Job) -> None:
    """A job of the history."""
    box = layout.box()
    row = box.row()
    picture = current.thumbnails.icon(job.state.picture)
    if picture:
        row.template_icon(picture, scale=3.0)
    column = row.column(align=True)
    text, icon = PHASES[job.state.phase]
    column.label(text=job.name, icon=icon)
    when = time.strftime("%d %b %H:%M", time.localtime(job.created))
    preset = job.request.preset if job.request is not None else "unreadable"
    column.label(text=f"{text}, {preset}, {when}")
    row = box.row(align=True)
    if job.state.phase == "done":
        row.operator(generate.ImportAgain.bl_idname, text="Import", icon="IMPORT").job = job.id
    elif job.resumable:
        row.operator(generate.ResumeJob.bl_idname, icon="PLAY").job = job.id
    row.operator(generate.RedoJob.bl_idname, text="Redo", icon="LOOP_BACK").job = job.id
    row.operator(generate.OpenLog.bl_idname, text="", icon="TEXT").job = job.id
    row.operator(generate.DeleteJob.bl_idname, text="", icon="TRASH").job = job.id
