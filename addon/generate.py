# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a job, stop it, go on with it, and what can be done with finished ones."""

import time
from pathlib import Path

import bpy

from ..backend.idto3d.job.protocol import Request
from . import backend
from .joblog import readable_log
from .jobs import Job
from .package import PACKAGE
from .photos import add_photos
from .properties import SceneSettings, chosen_expressions
from .scene.preview import remove_preview
from .session import session
from .tick import bring_in, forecast_words, start_next
from .vocabulary import NAMES, SETS

LOG_NAME = "ID-to-3D Log"
TEETH_AND_LASHES = "asset.teeth_and_lashes"  # the setting's name in a request's overrides


def generate_problem(context: bpy.types.Context) -> str:
    """Why no head can be made now, and what to do, in a sentence; "" when one can."""
    settings = context.scene.idto3d
    if not settings.photos:
        return "There are no photos. Add one to five of one person."
    if all(photo.verdict == "UNUSABLE" for photo in settings.photos):
        return "None of the photos can be used. Add others; their signs say what is wrong."
    if not settings.person.strip():
        return "The person has no name. Type one."
    if not settings.consent:
        return "The right to use this likeness is not confirmed. Tick it under Person."
    return backend.backend_problem(context)


def request_of(settings: SceneSettings) -> Request:
    """What the panels ask for. Photos that can't be used are left out."""
    return Request(
        photos=tuple(
            bpy.path.abspath(photo.path) for photo in settings.photos if photo.verdict != "UNUSABLE"
        ),
        expressions=chosen_expressions(settings),
        name=settings.person.strip(),
        preset=settings.preset,
        seed=settings.seed,
        description=settings.description.strip(),
        consent=settings.consent,
        overrides={} if settings.teeth_and_lashes else {TEETH_AND_LASHES: False},
    )


class GenerateHead(bpy.types.Operator):
    """Make a head of the person on the photos. It goes on while you work or close Blender"""

    bl_idname = "idto3d.generate"
    bl_label = "Generate Head"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """What is missing is the tooltip of the grey button."""
        problem = generate_problem(context)
        if problem:
            cls.poll_message_set(problem)
        return not problem

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Make the job's folder; it starts at once or waits for its turn."""
        settings = context.scene.idto3d
        request = request_of(settings)
        missing = [path for path in request.photos if not Path(path).is_file()]
        if missing:
            self.report({"ERROR"}, f"There is no file {missing[0]}. Remove it from the photos.")
            return {"CANCELLED"}
        current, now = session(), time.time()
        jobs = current.follow(context)
        jobs.poll(now)
        try:
            job = jobs.create(request, now)
        except OSError as error:
            self.report(
                {"ERROR"},
                f"The folder {jobs.root} can't be written: {error.strerror}. "
                "Choose another one for jobs in the add-on's preferences.",
            )
            return {"CANCELLED"}
        settings.jobs.add().name = job.id
        current.started[job.id] = context.scene.name
        start_next(context, now)
        if job.state.phase == "failed":
            self.report({"ERROR"}, job.state.cause)
            return {"CANCELLED"}
        waits = job.state.phase == "queued"
        self.report({"INFO"}, f"{job.name}: {'waits for its turn' if waits else 'started'}.")
        return {"FINISHED"}


class JobOperator:
    """What all operators on one job share."""

    job: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Job", description="Which job: the name of its folder", options={"SKIP_SAVE"}
    )

    def found(self, context: bpy.types.Context) -> Job | None:
        """The job; None, and a report, when it is gone."""
        job = session().follow(context).get(self.job)
        if job is None:
            self.report({"ERROR"}, "This job is gone. Its folder was deleted or moved.")
        return job


class CancelJob(JobOperator, bpy.types.Operator):
    """Stop this job. What it has done is kept: Resume goes on from there"""

    bl_idname = "idto3d.job_cancel"
    bl_label = "Cancel"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the worker, or take the job out of the queue; ends a worker that doesn't obey."""
        job = self.found(context)
        if job is None:
            return {"CANCELLED"}
        if job.state.phase == "queued":
            job.withdraw()
        elif job.stop_is_late(time.time()):
            job.end()
        elif job.state.active:
            job.cancel()
        return {"FINISHED"}


class KeepJob(JobOperator, bpy.types.Operator):
    """Leave out the steps that remain and write the head as it is now"""

    bl_idname = "idto3d.job_keep"
    bl_label = "Stop and Keep This"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask the worker."""
        job = self.found(context)
        if job is None or not job.state.active:
            return {"CANCELLED"}
        job.finish()
        return {"FINISHED"}


class ResumeJob(JobOperator, bpy.types.Operator):
    """Go on with this job from its last checkpoint"""

    bl_idname = "idto3d.job_resume"
    bl_label = "Resume"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Let it wait for its turn, which may be now."""
        job = self.found(context)
        if job is None or not job.resumable:
            return {"CANCELLED"}
        problem = backend.backend_problem(context)
        if problem:
            self.report({"ERROR"}, problem)
            return {"CANCELLED"}
        job.enqueue()
        settings = context.scene.idto3d
        if job.id not in settings.jobs:
            settings.jobs.add().name = job.id
        session().started[job.id] = context.scene.name
        start_next(context, time.time())
        return {"FINISHED"}


class OpenLog(JobOperator, bpy.types.Operator):
    """Show what this job said from its start, in a text editor"""

    bl_idname = "idto3d.job_log"
    bl_label = "Open Log"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write it into one text datablock, and open a window with it."""
        job = self.found(context)
        if job is None:
            return {"CANCELLED"}
        text = bpy.data.texts.get(LOG_NAME) or bpy.data.texts.new(LOG_NAME)
        text.from_string(readable_log(job.folder))
        if not bpy.app.background:
            show_text(context, text)
        return {"FINISHED"}


class ImportAgain(JobOperator, bpy.types.Operator):
    """Bring the finished head of this job into the scene once more"""

    bl_idname = "idto3d.job_import"
    bl_label = "Import Again"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Import it."""
        job = self.found(context)
        if job is None:
            return {"CANCELLED"}
        current = session()
        head = bring_in(context, current, context.scene.idto3d.jobs.get(job.id), job)
        if head is None:
            self.report({"ERROR"}, current.not_imported[job.id])
            return {"CANCELLED"}
        self.report({"INFO"}, f"Imported {head.name}.")
        return {"FINISHED"}


class RedoJob(JobOperator, bpy.types.Operator):
    """Put the photos and settings of this job into the panels, to change them and generate anew"""

    bl_idname = "idto3d.job_redo"
    bl_label = "Redo with Other Settings"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Fill the panels."""
        job = self.found(context)
        if job is None:
            return {"CANCELLED"}
        request = job.request
        if request is None:
            self.report({"ERROR"}, "The job's request can't be read, so it can't be redone.")
            return {"CANCELLED"}
        settings = context.scene.idto3d
        settings.photos.clear()
        _, refused = add_photos(settings, [Path(photo) for photo in request.photos])
        for sentence in refused:
            self.report({"WARNING"}, sentence)
        settings.person, settings.description = request.name, request.description
        settings.consent, settings.seed = request.consent, request.seed
        settings.preset = request.preset
        settings.teeth_and_lashes = request.overrides.get(TEETH_AND_LASHES, True)
        for name in NAMES:
            setattr(settings.expressions, name, name in request.expressions)
        return {"FINISHED"}


class DeleteJob(JobOperator, bpy.types.Operator):
    """Delete this job's folder with its result. Heads that were imported stay"""

    bl_idname = "idto3d.job_delete"
    bl_label = "Delete Job"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """There is no undo for files: ask."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete it."""
        job = self.found(context)
        if job is None:
            return {"CANCELLED"}
        if job.state.active:
            self.report({"ERROR"}, "A worker is at this job. Cancel it first.")
            return {"CANCELLED"}
        current = session()
        try:
            current.jobs.delete(job)
        except OSError as error:
            self.report({"ERROR"}, f"{job.folder.root} can't be deleted: {error.strerror}.")
            return {"CANCELLED"}
        current.started.pop(job.id, None)
        for scene in bpy.data.scenes:
            place = scene.idto3d.jobs.find(job.id)
            if place >= 0:
                scene.idto3d.jobs.remove(place)
        if job.id in current.shown:
            remove_preview(context, job.name)
        return {"FINISHED"}


class ChooseExpressions(bpy.types.Operator):
    """Switch a set of expressions on and all others off"""

    bl_idname = "idto3d.expressions_choose"
    bl_label = "Choose Expressions"
    bl_options = {"REGISTER", "UNDO"}

    choice: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Set",
        description="Which of them",
        items=(
            ("NONE", "None", "The neutral face alone"),
            ("3", "3", "A smile, an open mouth, surprise"),
            ("6", "6", "Enough for a talking head"),
            ("13", "13", "The number of the paper"),
            ("ALL", "All", "Every expression that there is"),
        ),
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Set the switches."""
        expressions = context.scene.idto3d.expressions
        for name in NAMES:
            setattr(expressions, name, name in SETS[self.choice])
        return {"FINISHED"}


class MeasureMachine(bpy.types.Operator):
    """Take a few steps with the first photo to learn how fast this machine is; a minute or more"""

    bl_idname = "idto3d.measure"
    bl_label = "Measure This Machine"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A photo and a backend are needed, and nobody else at work."""
        current = session()
        problem = (
            ("Add a photo first." if not context.scene.idto3d.photos else "")
            or ("A job is at work. Wait for its end." if current.jobs.active else "")
            or backend.backend_problem(context)
        )
        if problem:
            cls.poll_message_set(problem)
        return not problem and not current.trial.running

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start the measurement; a tick takes in its end."""
        photo = bpy.path.abspath(context.scene.idto3d.photos[0].path)
        session().trial.ask([*forecast_words(context), "--measure", photo])
        return {"FINISHED"}


class TurnPage(bpy.types.Operator):
    """Show newer or older jobs"""

    bl_idname = "idto3d.history_page"
    bl_label = "Turn Page"

    by: bpy.props.IntProperty(name="By", description="Pages to turn; negative for newer jobs")  # type: ignore[valid-type]

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Turn."""
        settings = context.scene.idto3d
        settings.history_page = max(0, settings.history_page + self.by)
        return {"FINISHED"}


class ShowPreferences(bpy.types.Operator):
    """Open the add-on's preferences, where the backend is set up"""

    bl_idname = "idto3d.preferences_show"
    bl_label = "Set Up"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Open them."""
        if bpy.app.background:
            return {"CANCELLED"}
        bpy.ops.preferences.addon_show(module=PACKAGE)
        return {"FINISHED"}


def show_text(context: bpy.types.Context, text: bpy.types.Text) -> None:
    """Show a text in an editor that is open already, or in a window of its own."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "TEXT_EDITOR":
                area.spaces.active.text = text
                return
    bpy.ops.wm.window_new()
    area = context.window_manager.windows[-1].screen.areas[0]
    area.type = "TEXT_EDITOR"
    area.spaces.active.text = text


CLASSES = (
    GenerateHead,
    CancelJob,
    KeepJob,
    ResumeJob,
    OpenLog,
    ImportAgain,
    RedoJob,
    DeleteJob,
    ChooseExpressions,
    MeasureMachine,
    TurnPage,
    ShowPreferences,
)
