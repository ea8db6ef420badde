# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where news from the backend reaches the scene: a timer calls `tick`.

Nothing here waits. When nothing is new, a tick is a few `stat` calls.
"""

import time
import traceback
from pathlib import Path

import bpy
from bpy.app.handlers import persistent

from . import backend
from .jobs import Job
from .package import user_folder
from .properties import SceneJob, chosen_expressions
from .questions import photo_verdicts
from .scene.glb import UnreadableFile
from .scene.head import ImportFailed, import_result
from .scene.preview import refresh_preview, remove_preview
from .session import Session, close_session, open_session, session

BUSY_SECONDS, IDLE_SECONDS = 0.25, 0.5

CLASSES = ()


def tick(context: bpy.types.Context, now: float | None = None) -> bool:
    """Bring what is new into scenes and panels; True when something was.

    Args:
        context: Blender's.
        now: seconds since 1970; None asks the clock.
    """
    now = time.time() if now is None else now
    current = session()
    jobs = current.follow(context)
    changed = jobs.poll(now)
    if any(job.state.phase == "done" for job in changed):
        current.forecast.asked = None  # there is one more to learn from
    news = bool(changed)
    news |= start_next(context, now)
    news |= _keep_started(current)
    # A render reads the meshes from another thread.
    if not bpy.app.is_job_running("RENDER"):
        for scene in bpy.data.scenes:
            for row in scene.idto3d.jobs:
                job = jobs.get(row.name)
                if job is not None:
                    news |= _show(context, current, scene, row, job)
    news |= _ask(context, current)
    return _take_answers(context, current) or news


def start_next(context: bpy.types.Context, now: float) -> bool:
    """Start the first job of the queue when none is at work; True when one was, or failed to."""
    jobs = session().jobs
    if not jobs.queue or backend.backend_problem(context):
        return False
    try:
        return jobs.launch_next(
            lambda folder: backend.start(
                backend.command(context, "resume", str(folder.root), "--quiet"), folder.log
            ),
            now,
        ) is not None  # fmt: skip
    except OSError:
        return True  # the job itself says why


def _keep_started(current: Session) -> bool:
    """Note jobs again that were started for a scene and that undo has taken from its list."""
    added = False
    for name, scene_name in current.started.items():
        scene = bpy.data.scenes.get(scene_name)
        if scene is not None and name not in scene.idto3d.jobs and current.jobs.get(name):
            scene.idto3d.jobs.add().name = name
            added = True
    return added


def _show(
    context: bpy.types.Context, current: Session, scene: bpy.types.Scene, row: SceneJob, job: Job
) -> bool:
    """The job's newest preview, or once its head; True when the scene changed."""
    state = job.state
    if job.id in current.imported:
        if row.imported:
            return False
        row.imported = True  # undo took the note back
        return True
    if state.phase == "done" and not row.imported and job.id not in current.not_imported:
        with context.temp_override(scene=scene):
            if bring_in(bpy.context, current, row, job) is not None:
                push_undo(bpy.context, f"Import {job.name}")
        return True
    preview = state.preview
    if state.active and preview is not None and current.shown.get(job.id) != preview:
        current.shown[job.id] = preview
        try:
            with context.temp_override(scene=scene):
                refresh_preview(bpy.context, preview, job.name)
        except UnreadableFile:
            # The worker keeps its two newest; this one may be gone.
            current.unshown[job.id] = f"{preview.name} can't be read. Another one comes soon."
        else:
            current.unshown.pop(job.id, None)
        return True
    return False


def bring_in(
    context: bpy.types.Context, current: Session, row: SceneJob | None, job: Job
) -> bpy.types.Object | None:
    """Import the head of a finished job in the place of its preview.

    None, and the reason in `current.not_imported`, when it can't be read.
    """
    try:
        head = import_result(context, job.folder.result, job.name)
    except ImportFailed as error:
        current.not_imported[job.id] = str(error)
        return None
    remove_preview(context, job.name)
    current.imported.add(job.id)
    current.unshown.pop(job.id, None)
    current.not_imported.pop(job.id, None)
    if row is not None:
        row.imported = True
    return head


def push_undo(context: bpy.types.Context, message: str) -> None:
    """Make what a timer did to the scene one step that the artist can undo."""
    windows = context.window_manager.windows
    if bpy.app.background or not windows:
        return
    with context.temp_override(window=windows[0]):
        if bpy.ops.ed.undo_push.poll():
            bpy.ops.ed.undo_push(message=message)


def _ask(context: bpy.types.Context, current: Session) -> bool:
    """Ask what the panels need to know and nobody has asked yet."""
    settings = context.scene.idto3d
    paths = [bpy.path.abspath(photo.path) for photo in settings.photos]
    check = ("check", "--json", *paths)
    unknown = any(photo.verdict == "UNKNOWN" for photo in settings.photos)
    forecast = forecast_words(context)
    asks = []
    if unknown and current.check.asked != check:
        asks.append((current.check, check))
    if current.forecast.asked != forecast and not current.forecast.running:
        asks.append((current.forecast, forecast))
    if not asks or backend.backend_problem(context):
        return False
    for question, words in asks:
        question.ask(words)
    return True


def forecast_words(context: bpy.types.Context) -> tuple[str, ...]:
    """The command that forecasts the job that the panels describe."""
    settings = context.scene.idto3d
    return (
        *("estimate", "--json", "--preset", settings.preset),
        *("--expressions", str(len(chosen_expressions(settings)))),
        *("--jobs", str(backend.jobs_folder(context))),
    )


def _take_answers(context: bpy.types.Context, current: Session) -> bool:
    news = False
    if current.check.poll():
        news = True
        if current.check.answer is not None:
            found = photo_verdicts(current.check.answer)
            for photo in context.scene.idto3d.photos:
                verdict = found.get(bpy.path.abspath(photo.path))
                if verdict is not None:
                    photo.verdict, photo.findings = verdict.verdict, verdict.findings
    if current.forecast.poll():
        news = True
    if current.trial.poll():
        current.forecast.asked = None
        news = True
    return news


def run_timer() -> float:
    """`tick` for Blender's timer: whatever goes wrong is logged and the timer lives on."""
    current = session()
    try:
        news = tick(bpy.context)
        current.problem = ""
    except Exception as error:
        log = log_error(error)
        news, current.problem = True, f"The add-on made a mistake; the details are in {log}."
    active = current.jobs.active is not None
    if news or active:
        redraw(bpy.context)
    waiting = any(item.running for item in (current.check, current.forecast, current.trial))
    return BUSY_SECONDS if active or waiting else IDLE_SECONDS


def log_error(error: Exception) -> Path:
    """Add a traceback to the add-on's own log; returns the file."""
    log = user_folder("") / "addon.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as file:
        file.write(time.strftime("%Y-%m-%d %H:%M:%S\n"))
        file.writelines(traceback.format_exception(error))
    return log


def redraw(context: bpy.types.Context) -> None:
    """Let the sidebars of all 3D viewports draw themselves again."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()


@persistent
def file_loaded(*_: object) -> None:
    """Another file is open: its scenes name their own jobs, and the next tick finds them."""
    session().forget_file()


def register() -> None:
    """Start to follow the jobs."""
    open_session()
    bpy.app.handlers.load_post.append(file_loaded)
    bpy.app.timers.register(run_timer, first_interval=BUSY_SECONDS, persistent=True)


def unregister() -> None:
    """Stop following them; workers go on."""
    if bpy.app.timers.is_registered(run_timer):
        bpy.app.timers.unregister(run_timer)
    bpy.app.handlers.load_post.remove(file_loaded)
    close_session()
