# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the preferences page. Each starts something and returns; nothing waits."""

from pathlib import Path

import bpy

from .. import backend
from ..environment.layout import Layout
from ..package import preferences
from . import actions
from .doctor import report_text
from .state import STATE


class SetupOperator:
    """What the buttons share: an action that is refused is a report, never a traceback."""

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start the action."""
        try:
            self.begin(context)
        except (actions.Refused, RuntimeError) as error:
            self.report({"ERROR"}, str(error))  # type: ignore[attr-defined]
            return {"CANCELLED"}
        return {"FINISHED"}

    def begin(self, context: bpy.types.Context) -> None:
        """Start it; raises Refused."""
        raise NotImplementedError

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One thing at a time."""
        return not STATE.busy


class FolderOperator(SetupOperator):
    """Asks for a folder first."""

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Open the file browser."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def folder(self) -> Path:
        """The folder that was chosen."""
        return Path(bpy.path.abspath(self.directory))  # type: ignore[attr-defined]


class Install(SetupOperator, bpy.types.Operator):
    """Download the backend's packages and install them in an environment of their own. \
Goes on where an earlier installation was broken off"""

    bl_idname = "idto3d.setup_install"
    bl_label = "Install"

    def begin(self, context: bpy.types.Context) -> None:
        """Install or resume."""
        actions.start_install(context)


class Repair(SetupOperator, bpy.types.Operator):
    """Compare every installed file with its sum and install again what is missing or damaged"""

    bl_idname = "idto3d.setup_repair"
    bl_label = "Repair"

    def begin(self, context: bpy.types.Context) -> None:
        """Repair."""
        actions.start_install(context, "repair")


class ImportBundle(FolderOperator, bpy.types.Operator):
    """Install from an offline bundle: a folder of packages (*.whl) that was saved on a machine \
like this one. Needs no network"""

    bl_idname = "idto3d.setup_import_bundle"
    bl_label = "Install from Bundle"

    directory: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Bundle", description="Folder with the packages", subtype="DIR_PATH"
    )

    def begin(self, context: bpy.types.Context) -> None:
        """Install from the folder."""
        actions.start_install(context, bundle=self.folder())


class SaveBundle(FolderOperator, bpy.types.Operator):
    """Download the backend's packages into a folder, from which they can be installed on a \
machine without a network that has the same system and the same version of Python"""

    bl_idname = "idto3d.setup_save_bundle"
    bl_label = "Save Bundle"

    directory: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Bundle", description="Folder that gets the packages", subtype="DIR_PATH"
    )

    def begin(self, context: bpy.types.Context) -> None:
        """Fill the folder."""
        actions.start_bundle(context, self.folder())


class Move(FolderOperator, bpy.types.Operator):
    """Move the environment to another folder or disk"""

    bl_idname = "idto3d.setup_move"
    bl_label = "Move"

    directory: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Folder",
        description="Where to put it: an empty folder becomes the environment's, in any other it "
        "gets a folder of its own",
        subtype="DIR_PATH",
    )

    def begin(self, context: bpy.types.Context) -> None:
        """Move it."""
        target = self.folder()
        if target.is_dir() and any(target.iterdir()):
            target = target / "idto3d-environment"
        actions.start_session(context, "move", ["--to", str(target)])


class Remove(SetupOperator, bpy.types.Operator):
    """Delete the environment with all packages in it. Heads and jobs stay; a job that runs ends"""

    bl_idname = "idto3d.setup_remove"
    bl_label = "Remove"

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask before."""
        return context.window_manager.invoke_confirm(self, event)

    def begin(self, context: bpy.types.Context) -> None:
        """Remove it."""
        actions.start_session(context, "remove", [])


class Cancel(bpy.types.Operator):
    """Stop the set-up. What is downloaded and installed stays, Resume goes on from there"""

    bl_idname = "idto3d.setup_cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only while a set-up is at work."""
        return STATE.session is not None and STATE.session.running

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Ask it to stop."""
        if STATE.session is not None:
            STATE.session.cancel()
        return {"FINISHED"}


class OpenLog(SetupOperator, bpy.types.Operator):
    """Open the log of the set-up in the program for text files"""

    bl_idname = "idto3d.setup_log"
    bl_label = "Open Log"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only when there is a log."""
        return Layout(backend.environment_folder(context)).log.is_file()

    def begin(self, context: bpy.types.Context) -> None:
        """Open it."""
        bpy.ops.wm.path_open(filepath=str(Layout(backend.environment_folder(context)).log))


class PointAtExisting(SetupOperator, bpy.types.Operator):
    """Use a backend that is installed already, and examine it"""

    bl_idname = "idto3d.setup_existing"
    bl_label = "Use Existing Backend"

    filepath: bpy.props.StringProperty(  # type: ignore[valid-type]
        name="Python",
        description="The Python of the environment in which idto3d is installed",
        subtype="FILE_PATH",
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Open the file browser."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def begin(self, context: bpy.types.Context) -> None:
        """Keep the path and start the doctor on it."""
        problem = backend.python_problem(Path(bpy.path.abspath(self.filepath)))
        if problem:
            raise actions.Refused(f"{problem} Choose the python in the environment's bin folder.")
        preferences(context).backend_python = self.filepath
        context.preferences.is_dirty = True
        actions.start_doctor(context)


class UseOwn(SetupOperator, bpy.types.Operator):
    """Use the add-on's own environment again, not the existing backend"""

    bl_idname = "idto3d.setup_own"
    bl_label = "Use Own Environment"

    def begin(self, context: bpy.types.Context) -> None:
        """Forget the path; nothing is deleted."""
        preferences(context).backend_python = ""
        context.preferences.is_dirty = True
        STATE.findings = []


class Doctor(SetupOperator, bpy.types.Operator):
    """Examine this machine and the backend: what is missing, and what to do. Takes some seconds"""

    bl_idname = "idto3d.doctor"
    bl_label = "Doctor"

    def begin(self, context: bpy.types.Context) -> None:
        """Start the examination."""
        actions.start_doctor(context)


class CopyReport(bpy.types.Operator):
    """Copy what the doctor found for a bug report: without names, and without paths"""

    bl_idname = "idto3d.doctor_copy"
    bl_label = "Copy Report"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only when there is a report."""
        return bool(STATE.findings)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Put it into the clipboard."""
        context.window_manager.clipboard = report_text(STATE.findings)
        self.report({"INFO"}, "The report is in the clipboard.")
        return {"FINISHED"}


CLASSES: tuple[type, ...] = (
    Install,
    Repair,
    ImportBundle,
    SaveBundle,
    Move,
    Remove,
    Cancel,
    OpenLog,
    PointAtExisting,
    UseOwn,
    Doctor,
    CopyReport,
)


def unregister() -> None:
    """Called when the add-on is switched off: what is at work is stopped."""
    actions.end_all()
