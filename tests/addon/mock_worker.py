# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend that plays a part, in plain standard library: everything that can happen to a job.

python -I mock_worker.py SCRIPT ... idto3d.cli COMMAND ...

SCRIPT is a JSON file with a `scenario` and the `pause` between two steps in seconds. Commands:
`resume DIR`, `check --json PHOTOS`, `estimate ... --json`. The scenarios of a job:

done      a few steps with previews and pictures, then a head; obeys cancel and finish
error     it gives up with cause and remedy
memory    it gives up because memory ran out
killed    the system ends it while it works, as when memory runs out
crash     it dies by a signal of its own
mute      it can't even start: a message on its error stream and an exit code
silence   it works and says nothing more, and obeys nobody
corrupt   foreign lines in the log, a broken picture, broken meshes, a broken head
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "backend"), str(HERE)]

import mock_head  # noqa: E402

from idto3d.job import lock  # noqa: E402
from idto3d.job.eventlog import EventWriter  # noqa: E402
from idto3d.job.protocol import (  # noqa: E402
    Cancelled,
    Done,
    Failed,
    JobFolder,
    Picture,
    Preview,
    Progress,
    Request,
    Started,
    Status,
    Stopped,
    Used,
    Warned,
)

STEPS = 10
# Which step of the shape the worker reaches before what the scenario says happens.
UNTIL = 4


def main(script: Path, words: list[str]) -> int:
    """Play the scenario; returns the exit code."""
    play = json.loads(script.read_text(encoding="utf-8"))
    words = words[words.index("idto3d.cli") + 1 :]
    if words[0] == "check":
        print(json.dumps(check(words[2:])))
        return 0
    if words[0] == "estimate":
        time.sleep(play.get("think", 0.0))
        print(json.dumps(estimate(words, play)))
        return 0
    if play["scenario"] == "mute":
        print("ModuleNotFoundError: No module named 'torch'", file=sys.stderr)
        return 1
    folder = JobFolder(Path(words[1]))
    with lock.held(folder.lock), EventWriter(folder.events) as writer:
        folder.cancel.unlink(missing_ok=True)
        writer.write(Started(os.getpid()))
        try:
            return Worker(folder, writer, play).work()
        finally:
            folder.cancel.unlink(missing_ok=True)


class Worker:
    """Plays a scenario on a job folder."""

    def __init__(self, folder: JobFolder, writer: EventWriter, play: dict[str, object]) -> None:
        self.folder, self.writer, self.play = folder, writer, play
        self.request: Request = folder.read_request()
        self.pause = float(str(play.get("pause", 0.02)))
        self.made = 0

    def work(self) -> int:
        """From the checkpoint to the end that the scenario says; returns the exit code."""
        self.writer.write(Status("Looking for the face on each photo"))
        self.writer.write(Warned("photo.png: the face is small."))
        try:
            self.stage("geometry")
            self.stage("texture")
        except Cancelled:
            self.writer.write(Stopped())
            return 130
        except SystemExit as end:
            return int(str(end.code))
        self.writer.write(Progress("asset", 0, 1))
        self.folder.result.mkdir(exist_ok=True)
        mock_head.write_head(self.folder.head, self.request.name, self.request.expressions)
        if self.play["scenario"] == "corrupt":
            self.folder.head.write_bytes(self.folder.head.read_bytes()[:300])
        mock_head.write_picture(self.folder.result / "overview.png")
        self.writer.write(Picture("result/overview.png"))
        self.writer.write(Progress("asset", 1, 1))
        self.folder.finish.unlink(missing_ok=True)
        self.writer.write(Used(2_000_000_000))
        self.writer.write(Done("result/head.glb"))
        return 0

    def stage(self, name: str) -> None:
        """One step after the other, a checkpoint after each."""
        checkpoint = self.folder.checkpoint / f"{name}.json"
        checkpoint.parent.mkdir(exist_ok=True)
        first = json.loads(checkpoint.read_text()) if checkpoint.exists() else 0
        self.writer.write(Progress(name, first, STEPS))
        for step in range(first, STEPS):
            if self.folder.finish.exists():
                self.writer.write(Status(f"Keeping the {name} of step {step}, as asked"))
                return
            time.sleep(self.pause)
            if name == "geometry" and step == UNTIL:
                self.happen()
            temporary = checkpoint.with_suffix(".tmp")
            temporary.write_text(str(step + 1))
            os.replace(temporary, checkpoint)
            left = self.pause * (STEPS - step - 1)
            self.writer.write(Progress(name, step + 1, STEPS, left, {"loss": 1.0 / (step + 1)}))
            if step % 3 == 2:
                self.show()
            if self.folder.cancel.exists():
                raise Cancelled

    def show(self) -> None:
        """A newer picture and mesh; the two newest meshes stay."""
        self.made += 1
        stamp = f"{int(time.time() * 1000)}-{self.made}"
        self.folder.preview.mkdir(exist_ok=True)
        picture = self.folder.preview / f"progress-{stamp}.png"
        mesh = self.folder.preview / f"preview-{stamp}.glb"
        mock_head.write_picture(picture)
        mock_head.write_preview(mesh, self.request.name, 0.1 + 0.001 * self.made)
        if self.play["scenario"] == "corrupt":
            picture.write_bytes(b"no picture")
            mesh.write_bytes(mesh.read_bytes()[:200])
        self.writer.write(Picture(self.folder.relative(picture)))
        self.writer.write(Preview(self.folder.relative(mesh)))
        for old in sorted(self.folder.preview.glob("preview-*.glb"))[:-2]:
            old.unlink()

    def happen(self) -> None:
        """What the scenario says."""
        match self.play["scenario"]:
            case "error":
                self.writer.write(Failed("No photo shows a face.", "Take one from the front."))
                raise SystemExit(2)
            case "memory":
                cause = "There is not enough memory for this job."
                self.writer.write(Failed(cause, "Close other programs, take a smaller preset."))
                raise SystemExit(2)
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "silence":
                time.sleep(600.0)
            case "corrupt":
                with open(self.folder.events, "ab") as file:
                    file.write(b'{"type": "joke"}\n\xff\xfe\n{"type": "progress", "step"\n')


def check(photos: list[str]) -> dict[str, object]:
    """By their names: `bad` ones can't be used, `soft` ones have a fault."""
    rows = []
    for photo in photos:
        name, findings = Path(photo).name, []
        verdict = "unusable" if "bad" in name else "warning" if "soft" in name else "usable"
        if verdict != "usable":
            found = {"kind": "blurred", "severity": verdict, "reason": "the face is blurred"}
            findings.append({**found, "advice": "Choose a photo in focus."})
        rows.append({"path": photo, "verdict": verdict, "findings": findings})
    return {"version": 1, "photos": rows}


def estimate(words: list[str], play: dict[str, object]) -> dict[str, object]:
    """Unknown until it was measured; then 100 s for a draft, ten times that for the rest."""
    known = "--measure" in words or play.get("known", True)
    seconds = 100.0 if "draft" in words else 1000.0
    memory = {"memory": 2_000_000_000, "gpu_memory": None, "disk": 20_000_000}
    free = {"free_memory": 8_000_000_000, "free_disk": 50_000_000_000}
    if not known:
        nothing = dict.fromkeys(("seconds", "seconds_low", "seconds_high", *memory))
        return {"basis": "unknown", "explanation": "Not known.", "jobs": 0, **nothing, **free}
    times = {"seconds": seconds, "seconds_low": 0.8 * seconds, "seconds_high": 1.3 * seconds}
    return {
        "basis": "measured",
        "explanation": "Measured on one earlier job on this machine.",
        **{"jobs": 1, **times, **memory, **free},
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
