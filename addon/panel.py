# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels in the 3D viewport's sidebar, in the order of the work."""

import time
from pathlib import Path

import bpy

from . import backend, generate, help, photos
from .job_box import draw_job, draw_past_job
from .properties import VERDICTS, SceneSettings, chosen_expressions
from .questions import forecast_lines, shortage
from .scene import panels as scene_panels
from .session import session
from .text import draw_text
from .vocabulary import EXPRESSIONS, SETS

VERDICT_ICONS = {identifier: icon for identifier, _, _, icon, _ in VERDICTS}
JOBS_ON_A_PAGE = 5


class PhotoList(bpy.types.UIList):
    """The photographs with their verdicts."""

    bl_idname = "IDTO3D_UL_photos"

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: object,
        item: object,
        icon: int,
        active_data: object,
        active_property: str,
        index: int = 0,
        flags: int = 0,
    ) -> None:
        """A row: thumbnail, name, verdict."""
        row = layout.row(align=True)
        small = session().thumbnails.icon(bpy.path.abspath(item.path))
        row.label(text=item.name, icon_value=small)
        waits = item.verdict == "UNKNOWN" and session().check.running
        sign = "SORTTIME" if waits else VERDICT_ICONS[item.verdict]
        found = row.operator(photos.ShowFindings.bl_idname, text="", icon=sign, emboss=False)
        found.index = index


class Section:
    """What all panels of the add-on share; `topic` names the help."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "ID-to-3D"
    topic = ""

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        """The question mark."""
        row = self.layout.row()
        row.operator(
            help.ShowHelp.bl_idname, text="", icon="QUESTION", emboss=False
        ).topic = self.topic


class PhotosPanel(Section, bpy.types.Panel):
    """The reference photographs."""

    bl_idname = "VIEW3D_PT_idto3d_photos"
    bl_label = "Photos"
    topic = "photos"

    def draw(self, context: bpy.types.Context) -> None:
        """The list with its buttons; the chosen photo, large; what is wrong with it."""
        layout, settings = self.layout, context.scene.idto3d
        row = layout.row()
        row.template_list(
            PhotoList.bl_idname, "", settings, "photos", settings, "photo_index", rows=5
        )
        buttons = row.column(align=True)
        buttons.operator(photos.AddPhotos.bl_idname, text="", icon="ADD")
        buttons.operator(photos.RemovePhoto.bl_idname, text="", icon="REMOVE")
        buttons.separator()
        for direction, icon in (("UP", "TRIA_UP"), ("DOWN", "TRIA_DOWN")):
            move = buttons.operator(photos.MovePhoto.bl_idname, text="", icon=icon)
            move.direction = direction
        buttons.separator()
        buttons.operator(photos.PastePhoto.bl_idname, text="", icon="PASTEDOWN")
        buttons.operator(photos.CheckPhotos.bl_idname, text="", icon="FILE_REFRESH")
        if not settings.photos:
            layout.label(text="Drop photos of one person here.", icon="INFO")
        else:
            self._draw_chosen(context)
        row = layout.row(align=True)
        row.prop(settings, "image", text="")
        row.operator(photos.PhotoFromImage.bl_idname, text="", icon="ADD")

    def _draw_chosen(self, context: bpy.types.Context) -> None:
        layout, settings, current = self.layout, context.scene.idto3d, session()
        photo = settings.photos[min(settings.photo_index, len(settings.photos) - 1)]
        path = bpy.path.abspath(photo.path)
        large = current.thumbnails.icon(path)
        if large:
            layout.template_icon(large, scale=6.0)
        elif not Path(path).is_file():
            layout.label(text="The file is gone.", icon="ERROR")
        if current.check.running:
            layout.label(text="Looking at the photos", icon="SORTTIME")
        elif photo.findings:
            draw_text(layout, photo.findings, VERDICT_ICONS[photo.verdict])
        elif photo.verdict == "USABLE":
            layout.label(text="The face can be used.", icon="CHECKMARK")
        elif current.check.problem:
            draw_text(layout, f"Not checked: {current.check.problem}", "INFO")


class PersonPanel(Section, bpy.types.Panel):
    """Who it is, and what the head shall have."""

    bl_idname = "VIEW3D_PT_idto3d_person"
    bl_label = "Person"
    topic = "person"

    def draw(self, context: bpy.types.Context) -> None:
        """Name, words, consent, expressions, quality, forecast, seed."""
        layout, settings = self.layout, context.scene.idto3d
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "person")
        column.prop(settings, "description")
        layout.prop(settings, "consent")
        draw_expressions(layout, settings)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(settings, "teeth_and_lashes")
        column.prop(settings, "preset")
        column.prop(settings, "seed")
        draw_forecast(layout)


class GeneratePanel(Section, bpy.types.Panel):
    """The button, and what the job does."""

    bl_idname = "VIEW3D_PT_idto3d_generate"
    bl_label = "Generate"
    topic = "generate"

    def draw(self, context: bpy.types.Context) -> None:
        """What is missing; the button; the job at work; the queue."""
        layout, current = self.layout, session()
        problem = generate.generate_problem(context)
        if problem:
            draw_text(layout, problem, "INFO")
        if problem and problem == backend.backend_problem(context):
            layout.operator(generate.ShowPreferences.bl_idname, icon="PREFERENCES")
        column = layout.column()
        column.scale_y = 1.6
        column.operator(generate.GenerateHead.bl_idname, icon="USER")
        if current.problem:
            draw_text(layout, current.problem, "ERROR")
        job = current.job_of(context.scene)
        if job is not None:
            draw_job(layout, current, job, time.time())
        for waiting in current.jobs.queue:
            if waiting is not job:
                row = layout.row()
                row.label(text=f"{waiting.name}: waits", icon="SORTTIME")
                cancel = row.operator(generate.CancelJob.bl_idname, text="", icon="X")
                cancel.job = waiting.id


class ResultPanel(Section, bpy.types.Panel):
    """The head in the scene."""

    bl_idname = "VIEW3D_PT_idto3d_result"
    bl_label = "Result"
    topic = "result"

    def draw(self, context: bpy.types.Context) -> None:
        """Its expressions."""
        scene_panels.draw_result(self.layout, context)


class LightPanel(Section, bpy.types.Panel):
    """Light to look at the head."""

    bl_idname = "VIEW3D_PT_idto3d_light"
    bl_label = "Light"
    bl_options = {"DEFAULT_CLOSED"}
    topic = "light"

    def draw(self, context: bpy.types.Context) -> None:
        """Its world."""
        scene_panels.draw_light(self.layout, context)


class ExportPanel(Section, bpy.types.Panel):
    """The way into an engine."""

    bl_idname = "VIEW3D_PT_idto3d_export"
    bl_label = "Export"
    bl_options = {"DEFAULT_CLOSED"}
    topic = "export"

    def draw(self, context: bpy.types.Context) -> None:
        """The presets."""
        scene_panels.draw_export(self.layout, context)


class HistoryPanel(Section, bpy.types.Panel):
    """All jobs."""

    bl_idname = "VIEW3D_PT_idto3d_history"
    bl_label = "History"
    bl_options = {"DEFAULT_CLOSED"}
    topic = "history"

    def draw(self, context: bpy.types.Context) -> None:
        """A page of them."""
        layout, current = self.layout, session()
        ended = [job for job in current.jobs if job.state.phase not in ("queued", "starting")]
        ended = [job for job in ended if not job.state.active]
        if not ended:
            layout.label(text="No job has ended yet.", icon="INFO")
            return
        pages = 1 + (len(ended) - 1) // JOBS_ON_A_PAGE
        page = min(context.scene.idto3d.history_page, pages - 1)
        for job in ended[page * JOBS_ON_A_PAGE : (page + 1) * JOBS_ON_A_PAGE]:
            draw_past_job(layout, current, job)
        if pages > 1:
            row = layout.row(align=True)
            for by, icon in ((-1, "TRIA_LEFT"), (1, "TRIA_RIGHT")):
                side = row.row(align=True)
                side.enabled = 0 <= page + by < pages
                side.operator(generate.TurnPage.bl_idname, text="", icon=icon).by = by
            row.label(text=f"{page + 1} of {pages}")


def draw_expressions(layout: bpy.types.UILayout, settings: SceneSettings) -> None:
    """How many expressions; sets of them and each one when opened."""
    header, body = layout.panel("IDTO3D_expressions", default_closed=True)
    header.label(text=f"Expressions: {len(chosen_expressions(settings))}")
    if body is None:
        return
    row = body.row(align=True)
    for choice in SETS:
        button = row.operator(generate.ChooseExpressions.bl_idname, text=choice.capitalize())
        button.choice = choice
    grid = body.grid_flow(row_major=True, columns=2, even_columns=True, align=True)
    for expression in EXPRESSIONS:
        grid.prop(settings.expressions, expression.name)


def draw_forecast(layout: bpy.types.UILayout) -> None:
    """What the job will take on this machine, or how to find out."""
    current = session()
    answer = current.forecast.answer
    box = layout.box()
    if current.trial.running:
        box.label(text="Measuring this machine", icon="SORTTIME")
        return
    if answer is None:
        waits = current.forecast.running
        text = "Looking at earlier jobs" if waits else current.forecast.problem or "No forecast yet"
        draw_text(box, text, "SORTTIME" if waits else "TIME")
        return
    draw_text(box, "\n".join(forecast_lines(answer)), "TIME")
    if shortage(answer):
        draw_text(box, shortage(answer), "ERROR")
    if answer["basis"] != "measured":
        box.operator(generate.MeasureMachine.bl_idname, icon="PREVIEW_RANGE")
    if current.trial.problem:
        draw_text(box, f"The measurement failed: {current.trial.problem}", "ERROR")


CLASSES = (
    PhotoList,
    PhotosPanel,
    PersonPanel,
    GeneratePanel,
    ResultPanel,
    LightPanel,
    ExportPanel,
    HistoryPanel,
)
