# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference photographs: from files, dropped, pasted, or from images of the .blend file."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import bpy
from bpy_extras.io_utils import ImportHelper

from .package import user_folder
from .properties import SceneSettings
from .session import session

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
# More than this add nothing to the identity and only cost time.
MOST_PHOTOS = 20


def add_photos(settings: SceneSettings, paths: Iterable[Path]) -> tuple[int, list[str]]:
    """Add files to the list; each once.

    Returns:
        How many came in, and why others did not, a sentence each.
    """
    known = {bpy.path.abspath(photo.path) for photo in settings.photos}
    added, refused = 0, []
    for path in paths:
        text = str(path)
        if path.suffix.lower() not in SUFFIXES:
            refused.append(f"{path.name} is no photo. Choose JPEG, PNG, WebP, TIFF or BMP files.")
        elif not path.is_file():
            refused.append(f"There is no file {path}.")
        elif text in known:
            refused.append(f"{path.name} is in the list already.")
        elif len(settings.photos) >= MOST_PHOTOS:
            refused.append(f"The list is full. {MOST_PHOTOS} photos are more than enough.")
            break
        else:
            known.add(text)
            photo = settings.photos.add()
            photo.name, photo.path = path.name, text
            added += 1
    if added:
        forget_verdicts(settings)
        settings.photo_index = len(settings.photos) - 1
    return added, refused


def forget_verdicts(settings: SceneSettings) -> None:
    """Each verdict is about all photos together: is it one person?"""
    for photo in settings.photos:
        photo.verdict, photo.findings = "UNKNOWN", ""


def _report(operator: bpy.types.Operator, added: int, refused: list[str]) -> set[str]:
    for sentence in refused:
        operator.report({"WARNING"}, sentence)
    return {"FINISHED"} if added else {"CANCELLED"}


class AddPhotos(bpy.types.Operator, ImportHelper):
    """Choose photographs of one person; several at once with Shift and Ctrl"""

    bl_idname = "idto3d.photos_add"
    bl_label = "Add Photos"
    bl_options = {"REGISTER", "UNDO"}

    files: bpy.props.CollectionProperty(  # type: ignore[valid-type]
        type=bpy.types.OperatorFileListElement, options={"HIDDEN", "SKIP_SAVE"}
    )
    directory: bpy.props.StringProperty(  # type: ignore[valid-type]
        subtype="DIR_PATH", options={"HIDDEN", "SKIP_SAVE"}
    )
    filter_glob: bpy.props.StringProperty(  # type: ignore[valid-type]
        default=";".join(f"*{suffix}" for suffix in SUFFIXES), options={"HIDDEN"}
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Take dropped files at once; open the file browser otherwise."""
        if self.directory and self.files:
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Add the chosen files."""
        paths = [Path(self.directory) / item.name for item in self.files if item.name]
        if not paths and self.filepath:
            paths = [Path(self.filepath)]
        return _report(self, *add_photos(context.scene.idto3d, paths))


class DropPhotos(bpy.types.FileHandler):
    """Photographs dropped on the sidebar of a 3D viewport are added to the list."""

    bl_idname = "IDTO3D_FH_photos"
    bl_label = "Photos of a Person"
    bl_import_operator = AddPhotos.bl_idname
    bl_file_extensions = ";".join(SUFFIXES)

    @classmethod
    def poll_drop(cls, context: bpy.types.Context) -> bool:
        """Only the sidebar: in the viewport itself Blender's own handling of images stays."""
        area, region = context.area, context.region
        return (
            area is not None
            and area.type == "VIEW_3D"
            and region is not None
            and region.type == "UI"
        )


class RemovePhoto(bpy.types.Operator):
    """Take this photo out of the list; the file stays"""

    bl_idname = "idto3d.photo_remove"
    bl_label = "Remove Photo"
    bl_options = {"REGISTER", "UNDO"}

    index: bpy.props.IntProperty(  # type: ignore[valid-type]
        name="Index", description="Its place in the list; -1 = the chosen one", default=-1
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remove it."""
        settings = context.scene.idto3d
        index = settings.photo_index if self.index < 0 else self.index
        if index >= len(settings.photos):
            return {"CANCELLED"}
        settings.photos.remove(index)
        settings.photo_index = max(0, min(settings.photo_index, len(settings.photos) - 1))
        forget_verdicts(settings)
        return {"FINISHED"}


class MovePhoto(bpy.types.Operator):
    """Move the chosen photo in the list"""

    bl_idname = "idto3d.photo_move"
    bl_label = "Move Photo"
    bl_options = {"REGISTER", "UNDO"}

    direction: bpy.props.EnumProperty(  # type: ignore[valid-type]
        name="Direction",
        description="Which way",
        items=(("UP", "Up", "Nearer to the start"), ("DOWN", "Down", "Nearer to the end")),
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Move it by one."""
        settings = context.scene.idto3d
        place = settings.photo_index + (-1 if self.direction == "UP" else 1)
        if not 0 <= place < len(settings.photos):
            return {"CANCELLED"}
        settings.photos.move(settings.photo_index, place)
        settings.photo_index = place
        return {"FINISHED"}


class PastePhoto(bpy.types.Operator):
    """Add the picture in the clipboard, or the picture files whose names are in it"""

    bl_idname = "idto3d.photo_paste"
    bl_label = "Paste Photo"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Look for file names first, then for a picture."""
        settings = context.scene.idto3d
        paths = clipboard_paths(context.window_manager.clipboard)
        if paths:
            return _report(self, *add_photos(settings, paths))
        image = paste_image()
        if image is None:
            self.report({"WARNING"}, "There is no picture in the clipboard. Copy one first.")
            return {"CANCELLED"}
        try:
            path = save_image(image)
        finally:
            bpy.data.images.remove(image)
        return _report(self, *add_photos(settings, [path]))


class PhotoFromImage(bpy.types.Operator):
    """Add the image of this .blend file that is chosen beside the button"""

    bl_idname = "idto3d.photo_from_image"
    bl_label = "Add Image"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """An image must be chosen."""
        return context.scene.idto3d.image is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Use the image's file where it has one, else save it in the add-on's folder."""
        settings = context.scene.idto3d
        image = settings.image
        path = Path(bpy.path.abspath(image.filepath)) if image.filepath else None
        packed = image.packed_file is not None or image.is_dirty
        if path is None or packed or not path.is_file() or path.suffix.lower() not in SUFFIXES:
            try:
                path = save_image(image)
            except RuntimeError:
                self.report({"ERROR"}, f"{image.name} has no pixels that can be saved.")
                return {"CANCELLED"}
        settings.image = None
        return _report(self, *add_photos(settings, [path]))


def clipboard_paths(text: str) -> list[Path]:
    """The picture files that a text names, a path or file:// address a line; [] for other text."""
    paths = []
    for line in text.splitlines():
        line = line.strip().strip('"')
        if line.startswith("file://"):
            line = unquote(urlsplit(line).path)
        path = Path(line)
        if not line or path.suffix.lower() not in SUFFIXES or not path.is_absolute():
            return []
        paths.append(path)
    return paths


def paste_image() -> bpy.types.Image | None:
    """A new image from the system's clipboard; None when there is no picture in it."""
    before = set(bpy.data.images)
    try:
        bpy.ops.image.clipboard_paste()
    except RuntimeError:  # no picture, or no window system
        return None
    added = set(bpy.data.images) - before
    return added.pop() if added else None


def save_image(image: bpy.types.Image) -> Path:
    """Save a copy as PNG in the add-on's folder, under a name of its content.

    Raises RuntimeError when Blender has no pixels of it.
    """
    folder = user_folder("photos")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "new.png"
    kind = image.file_format
    try:
        image.file_format = "PNG"
        image.save(filepath=str(temporary), save_copy=True)
    finally:
        image.file_format = kind
    digest = hashlib.sha256(temporary.read_bytes()).hexdigest()[:12]
    stem = "".join(letter if letter.isalnum() else "-" for letter in Path(image.name).stem)
    path = folder / f"{stem[:40]}-{digest}.png"
    temporary.replace(path)
    return path


class ShowFindings(bpy.types.Operator):
    """What the check found about this photo, and what to do"""

    bl_idname = "idto3d.photo_findings"
    bl_label = "Findings"
    bl_options = {"INTERNAL"}

    index: bpy.props.IntProperty(name="Index", description="The photo's place in the list")  # type: ignore[valid-type]

    @classmethod
    def description(cls, context: bpy.types.Context, properties: object) -> str:
        """The findings are the tooltip."""
        photos = context.scene.idto3d.photos
        if properties.index >= len(photos):
            return ""
        photo = photos[properties.index]
        return photo.findings or {
            "UNKNOWN": "Not checked yet",
            "USABLE": "The face can be used",
        }.get(photo.verdict, "")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show them where a popup is possible, and in the status bar."""
        photos = context.scene.idto3d.photos
        if self.index >= len(photos):
            return {"CANCELLED"}
        text = self.description(context, self)
        self.report({"INFO"}, f"{photos[self.index].name}: {text}")
        return {"FINISHED"}


class CheckPhotos(bpy.types.Operator):
    """Look at all photos again"""

    bl_idname = "idto3d.photos_check"
    bl_label = "Check Again"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There must be photos."""
        return bool(context.scene.idto3d.photos)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forget the verdicts; the next tick asks for new ones."""
        forget_verdicts(context.scene.idto3d)
        session().check.drop()
        return {"FINISHED"}


CLASSES = (
    AddPhotos,
    DropPhotos,
    RemovePhoto,
    MovePhoto,
    PastePhoto,
    PhotoFromImage,
    ShowFindings,
    CheckPhotos,
)
