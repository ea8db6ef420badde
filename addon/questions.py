# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender asks the backend in the background: which photos can be used, how long a job takes.

Each kind of question has one answer that is asked for at a time; a new question replaces it.
No bpy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .process import Listener

Ask = Callable[[Sequence[str]], Listener]


class Question:
    """A short command of the backend, its latest answer, and for what that holds.

    Args:
        ask: starts the command `idto3d WORDS`; may raise OSError or RuntimeError.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._listener: Listener | None = None
        self.asked: tuple[str, ...] | None = None  # the question of `answer` or of what runs
        self.answer: dict[str, Any] | None = None
        self.problem = ""  # why there is no answer, a sentence

    @property
    def running(self) -> bool:
        """Whether an answer is being waited for."""
        return self._listener is not None

    def ask(self, words: Sequence[str]) -> None:
        """Ask; what was asked before and not answered yet is dropped."""
        self.drop()
        self.asked, self.answer, self.problem = tuple(words), None, ""
        try:
            self._listener = self._ask(words)
        except (OSError, RuntimeError) as error:
            self.problem = str(error)

    def poll(self) -> bool:
        """True once when the answer, or the reason why there is none, has come."""
        listener = self._listener
        if listener is None or not listener.finished:
            return False
        documents = listener.poll()
        if documents and listener.exit_code == 0:
            self.answer = documents[0]
        else:
            self.problem = listener.problem() or "The backend gave no answer."
        self._listener = None
        return True

    def drop(self) -> None:
        """Stop waiting, and forget what was asked."""
        if self._listener is not None:
            self._listener.kill()
        self._listener = None
        self.asked = None


@dataclass(frozen=True)
class PhotoVerdict:
    """What the check says about one file."""

    verdict: str  # USABLE, WARNING or UNUSABLE
    findings: str  # lines: what is wrong and what to do


def photo_verdicts(answer: dict[str, Any]) -> dict[str, PhotoVerdict]:
    """Path -> verdict, from the answer of `idto3d check --json`."""
    return {
        row["path"]: PhotoVerdict(
            row["verdict"].upper(),
            "\n".join(f"{_sentence(item['reason'])} {item['advice']}" for item in row["findings"]),
        )
        for row in answer["photos"]
    }


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].rstrip(".") + "."


def forecast_lines(answer: dict[str, Any]) -> list[str]:
    """Time, memory and disk in words, from the answer of `idto3d estimate --json`."""
    if answer["seconds"] is None:
        return [answer["explanation"]]
    low, high = duration(answer["seconds_low"]), duration(answer["seconds_high"])
    lines = [low if low == high else f"{low} to {high}"]
    needs = []
    if answer["memory"]:
        needs.append(f"{gigabytes(answer['memory'])} of memory")
    if answer["gpu_memory"]:
        needs.append(f"{gigabytes(answer['gpu_memory'])} on the GPU")
    if answer["disk"]:
        needs.append(f"{gigabytes(answer['disk'])} of disk")
    return [*lines, *([", ".join(needs)] if needs else []), answer["explanation"]]


def shortage(answer: dict[str, Any]) -> str:
    """What this machine lacks for the job now, a sentence with its remedy; "" when nothing."""
    if answer["memory"] and answer["memory"] > answer["free_memory"]:
        return (
            f"Only {gigabytes(answer['free_memory'])} of memory are free. "
            "Close other programs or take a smaller preset."
        )
    if answer["disk"] and answer["disk"] > answer["free_disk"]:
        return (
            f"Only {gigabytes(answer['free_disk'])} of disk are free. "
            "Delete old jobs or choose another folder for them."
        )
    return ""


def gigabytes(size: float) -> str:
    """`1.3 GB`, `12 MB`."""
    return f"{size / 1e9:.1f} GB" if size >= 5e8 else f"{max(size / 1e6, 1.0):.0f} MB"


def duration(seconds: float) -> str:
    """Rounded for a forecast: `40 s`, `3 min`, `2 h 10 min`."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(5 * round(minutes / 5), 60)
    return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"


def clock(seconds: float) -> str:
    """`0:42`, `3:05`, `2:10:00`, for times that run."""
    whole = int(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"
