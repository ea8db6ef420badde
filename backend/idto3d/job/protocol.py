# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said across the job folder: the request, the event messages, the folder's layout.

Standard library only: Blender and the worker import this same module, so the two can't drift.
"""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..errors import UserError

# Raised by one whenever a reader of the older version could misunderstand a newer file.
VERSION = 1


class Cancelled(Exception):
    """The person asked to stop, the work so far is in the checkpoint, and the run ends here."""


@dataclass(frozen=True)
class Request:
    """What one job is asked to do; stored as `request.json`."""

    photos: tuple[str, ...]  # absolute paths of the reference photographs, at least one
    expressions: tuple[str, ...]  # names of assets/expressions.json; neutral is always made
    name: str = "head"  # the person's name: names the object and the collection
    preset: str = "draft"  # draft, standard or paper
    seed: int = 0  # the same seed on the same machine gives the same head
    device: str = "auto"  # auto, cpu or cuda
    prior: str | None = None  # absolute path of a prior folder; None = the one that is shipped
    identity_model: str | None = None  # absolute path of a recogniser's model, for insightface
    description: str = ""  # the person's words on hair, accessories, age; joins the captions
    consent: bool = False  # whoever asks has the right to use this likeness; goes into provenance
    overrides: dict[str, Any] = field(default_factory=dict)  # settings that replace the preset's
    photo_prior: str | None = None  # absolute path of a text-to-image folder for the last steps
    template: str | None = None  # absolute path of a template's folder; None = the shipped one
    vram: float | None = None  # GiB of the GPU's memory that may be used; None = what is free

    def to_json(self) -> str:
        """The text of `request.json`."""
        return json.dumps({"version": VERSION, **dataclasses.asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Request":
        """Read `request.json`.

        Raises:
            UserError: the text is no request, or one of a newer version.
        """
        try:
            values = json.loads(text)
            version = values.pop("version")
            lists = {key: tuple(values[key]) for key in ("photos", "expressions")}
            request = cls(**{**values, **lists})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                "The job's request.json can't be read. Start the job again from its photos."
            ) from error
        if version != VERSION:
            raise UserError(
                f"The job was made by another version of the program (request version {version}, "
                f"this one reads {VERSION}). Update the program, or start the job again."
            )
        return request


@dataclass(frozen=True)
class Started:
    """A worker has taken the job, for the first time or to resume it."""

    kind: ClassVar[str] = "started"
    pid: int
    version: int = VERSION


@dataclass(frozen=True)
class Status:
    """What is being done now, in words."""

    kind: ClassVar[str] = "status"
    text: str


@dataclass(frozen=True)
class Progress:
    """How far the current stage is."""

    kind: ClassVar[str] = "progress"
    stage: str
    step: int  # steps done, 0..total
    total: int
    eta_seconds: float | None = None  # until the end of the stage; None while unknown
    metrics: dict[str, float] = field(default_factory=dict)  # finite numbers worth a graph


@dataclass(frozen=True)
class Preview:
    """A newer preview of the head's shape."""

    kind: ClassVar[str] = "preview"
    path: str  # glTF binary, relative to the job folder, with / between the parts


@dataclass(frozen=True)
class Picture:
    """A newer picture of the work."""

    kind: ClassVar[str] = "picture"
    path: str  # PNG or WebP, relative to the job folder, with / between the parts


@dataclass(frozen=True)
class Warned:
    """Something that the person should know; the job goes on."""

    kind: ClassVar[str] = "warning"
    text: str


@dataclass(frozen=True)
class Used:
    """What the worker took at most, written before it ends; feeds the forecast of later jobs."""

    kind: ClassVar[str] = "used"
    memory: int  # bytes of main memory
    gpu_memory: int = 0  # bytes of the GPU's memory; 0 without one


@dataclass(frozen=True)
class Failed:
    """The job ended without a result."""

    kind: ClassVar[str] = "error"
    cause: str
    remedy: str  # "" where we know none


@dataclass(frozen=True)
class Stopped:
    """The job was stopped on request; it can be resumed from its checkpoint."""

    kind: ClassVar[str] = "stopped"


@dataclass(frozen=True)
class Done:
    """The result is complete."""

    kind: ClassVar[str] = "done"
    path: str  # the glTF binary, relative to the job folder


Message = Started | Status | Progress | Preview | Picture | Warned | Used | Failed | Stopped | Done
MESSAGES = (Started, Status, Progress, Preview, Picture, Warned, Used, Failed, Stopped, Done)
FINAL = (Failed, Stopped, Done)  # after one of these the worker is gone


def encode(message: Message, time: float) -> str:
    """One line of JSON, without the newline; `time` in seconds since 1970."""
    values = {"type": message.kind, "time": round(time, 3), **dataclasses.asdict(message)}
    return json.dumps(values, ensure_ascii=False)


def decode(line: str) -> Message:
    """The message on one line.

    Raises:
        ValueError: the line is no message of this version.
    """
    return decode_timed(line)[1]


def decode_timed(line: str) -> tuple[float, Message]:
    """As `decode`, with the seconds since 1970 at which it was written, 0.0 where they miss."""
    values = json.loads(line)
    if not isinstance(values, dict):
        raise ValueError("an event line must hold a JSON object")
    kinds = {message.kind: message for message in MESSAGES}
    message = kinds.get(values.pop("type", None))
    time = values.pop("time", 0.0)
    if message is None:
        raise ValueError("unknown type of event")
    try:
        return float(time), message(**values)
    except TypeError as error:
        raise ValueError(f"wrong fields for the event {message.kind!r}") from error


@dataclass(frozen=True)
class JobFolder:
    """Where everything of one job lies; making the object touches no disk."""

    root: Path

    @property
    def request(self) -> Path:
        """What was asked for (`Request.to_json`)."""
        return self.root / "request.json"

    @property
    def events(self) -> Path:
        """The append-only log of messages."""
        return self.root / "events.jsonl"

    @property
    def checkpoint(self) -> Path:
        """Folder of the newest checkpoints."""
        return self.root / "checkpoint"

    @property
    def preview(self) -> Path:
        """Folder of previews and pictures made on the way."""
        return self.root / "preview"

    @property
    def result(self) -> Path:
        """Folder of the finished head, its maps and `provenance.json`."""
        return self.root / "result"

    @property
    def head(self) -> Path:
        """The finished head: glTF binary with its maps and one morph target an expression."""
        return self.result / "head.glb"

    @property
    def lock(self) -> Path:
        """Which process works on the job."""
        return self.root / "lock"

    @property
    def cancel(self) -> Path:
        """Its presence asks the worker to stop."""
        return self.root / "cancel"

    @property
    def finish(self) -> Path:
        """Its presence asks the worker to leave out the steps that remain and write the head."""
        return self.root / "finish"

    @property
    def log(self) -> Path:
        """Tracebacks and other text for the developer."""
        return self.root / "worker.log"

    def relative(self, path: str | os.PathLike[str]) -> str:
        """`path`, which lies in the folder, as messages name it."""
        return Path(path).resolve().relative_to(self.root.resolve()).as_posix()

    def write_request(self, request: Request) -> None:
        """Make the folder and its request; the request appears whole or not at all."""
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = self.request.with_suffix(".json.tmp")
        temporary.write_text(request.to_json(), encoding="utf-8")
        os.replace(temporary, self.request)

    def read_request(self) -> Request:
        """The job's request.

        Raises:
            UserError: the folder holds no job, or its request can't be read.
        """
        try:
            text = self.request.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"There is no job in {self.root}. Name the folder that 'idto3d generate --output' "
                "was given."
            ) from error
        return Request.from_json(text)
