# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender's Python: an artist at the panels, with a backend that plays every part.

python -I drive_panels.py ZIP FOLDER PART
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import artist  # noqa: E402
from mock_backend import MockBackend  # noqa: E402
from mock_head import write_picture  # noqa: E402


def photos(folder: Path, mock: MockBackend) -> dict[str, Any]:
    """Adding, dropping, ordering, pasting photos; their verdicts; sets of expressions."""
    import bpy

    found: dict[str, Any] = {"empty panels": artist.all_panels()}
    ops = bpy.ops.idto3d
    names = ("good.png", "soft.png", "bad.png")
    for name in names:
        write_picture(folder / name, (200, 100, len(name)))
    (folder / "note.txt").write_text("milk")
    files = [{"name": name} for name in (*names, "note.txt", "good.png", "absent.png")]
    found["add"] = artist.press(ops.photos_add, directory=str(folder), files=files)
    settings = artist.settings()
    found["added"] = [photo.name for photo in settings.photos]
    artist.follow(lambda: all(photo.verdict != "UNKNOWN" for photo in settings.photos))
    found["verdicts"] = {photo.name: photo.verdict for photo in settings.photos}
    found["bad findings"] = settings.photos[2].findings
    found["bad tooltip"] = bpy.types.IDTO3D_OT_photo_findings.description(
        bpy.context, type("Words", (), {"index": 2})
    )
    found["panels"] = artist.all_panels()
    found["findings"] = artist.press(ops.photo_findings, index=2)
    settings.photo_index = 0
    found["moves"] = [artist.press(ops.photo_move, direction="UP")]
    found["moves"].append(artist.press(ops.photo_move, direction="DOWN"))
    found["moved"] = [photo.name for photo in settings.photos]
    found["remove"] = artist.press(ops.photo_remove, index=2)
    found["removed"] = [photo.name for photo in settings.photos]
    found["verdicts after a change"] = [photo.verdict for photo in settings.photos]
    artist.follow(lambda: all(photo.verdict != "UNKNOWN" for photo in settings.photos))
    found["check again"] = artist.press(ops.photos_check)
    artist.follow(lambda: all(photo.verdict != "UNKNOWN" for photo in settings.photos))

    image = bpy.data.images.new("Painted", 8, 8)
    image.pixels = [0.5] * (8 * 8 * 4)
    settings.image = image
    found["from image"] = artist.press(ops.photo_from_image)
    painted = Path(settings.photos[-1].path)
    found["painted"] = painted.suffix, painted.read_bytes()[:4].hex(), settings.image is None
    found["painted is in the user's folder"] = str(painted).startswith(str(folder / "user"))
    settings.image = bpy.data.images.load(str(folder / "bad.png"))
    artist.press(ops.photo_from_image)
    found["image with a file"] = settings.photos[-1].path == str(folder / "bad.png")
    found["paste nothing"] = artist.press(ops.photo_paste)
    module = artist.addon("photos")
    found["clipboard"] = {
        text: [str(path) for path in module.clipboard_paths(text)]
        for text in ("/a b.jpg", "file:///a%20b.jpg\nfile:///c.png", "hello", "/a.jpg\nhello", "")
    }
    handler = bpy.types.IDTO3D_FH_photos
    places = {}
    for area, region in (("VIEW_3D", "UI"), ("VIEW_3D", "WINDOW"), ("IMAGE_EDITOR", "UI")):
        kind = {"area": type("A", (), {"type": area}), "region": type("R", (), {"type": region})}
        places[f"{area} {region}"] = handler.poll_drop(type("Context", (), kind))
    found["drop"] = [handler.bl_import_operator, handler.bl_file_extensions, places]

    chosen = artist.addon("properties").chosen_expressions
    found["default expressions"] = len(chosen(settings))
    found["sets"] = {}
    for choice in ("NONE", "3", "6", "13", "ALL"):
        ops.expressions_choose(choice=choice)
        found["sets"][choice] = len(chosen(settings))
    found["helps"] = [artist.press(ops.help, topic=name) for name in artist.PANELS]
    return found


def generate(folder: Path, mock: MockBackend) -> dict[str, Any]:
    """What is missing is said; a job from the button to the head; undo; the forecast."""
    import bpy

    found: dict[str, Any] = {}
    ops = bpy.ops.idto3d
    settings, problem = artist.settings(), artist.addon("generate").generate_problem
    said = [problem(bpy.context)]
    write_picture(folder / "photo.png")
    artist.prepare(folder / "photo.png")
    settings.consent = False
    said.append(problem(bpy.context))
    found["refused"] = artist.press(ops.generate)
    settings.consent, settings.person = True, " "
    said.append(problem(bpy.context))
    settings.person = "Ada"
    python = artist.preferences().backend_python
    artist.preferences().backend_python = "/no/such/python"
    said.append(problem(bpy.context))
    found["panel without backend"] = vars(artist.panel("generate"))
    artist.preferences().backend_python = python
    said.append(problem(bpy.context))
    found["problems"] = said

    mock.play("done", known=False)
    artist.follow(lambda: artist.addon("session").session().forecast.answer is not None)
    found["unknown forecast"] = vars(artist.panel("person"))
    found["measure"] = artist.press(ops.measure)
    found["panel while measuring"] = artist.panel("person").texts
    mock.play("done", pause=0.05)
    settings.preset = "standard"
    artist.follow(lambda: "13 min to 22 min" in artist.panel("person").texts)
    settings.preset = "draft"
    artist.follow(lambda: "1 min to 2 min" in artist.panel("person").texts)
    artist.follow(lambda: settings.photos[0].verdict == "USABLE")

    before = artist.datablocks()
    settings.description, settings.seed = "grey hair", 7
    settings.teeth_and_lashes = False
    found["generate"] = artist.press(ops.generate)
    found["first phase"] = artist.phase()
    previews, panels = {}, []

    def watch() -> bool:
        for item in bpy.data.objects:
            if "idto3d_preview" in item:
                previews.setdefault(item.session_uid, set()).add(
                    (item.data.session_uid, len(bpy.data.meshes), len(bpy.data.materials))
                )
        state = artist.job().state
        if state.active and state.step in (0, 5):
            panels.append(artist.panel("generate"))
        return artist.ended()

    artist.follow(watch)
    artist.tick()
    found["preview objects"] = [len(kinds) for kinds in previews.values()]
    found["bars"] = sorted({value for drawn in panels for value in drawn.progress})
    found["panel texts"] = sorted({text for drawn in panels for text in drawn.texts})
    found["panel operators"] = sorted({name for drawn in panels for name in drawn.operators})
    thumbnails = artist.addon("session").session().thumbnails
    found["thumbnails"] = [tuple(item.image_size) for item in thumbnails._previews.values()]
    found["phase"] = artist.phase()
    request = artist.job().request
    found["request"] = [
        request.name, request.description, request.consent, request.seed, request.preset,
        list(request.expressions), list(request.photos) == [str(folder / "photo.png")],
    ]  # fmt: skip
    found["overrides"] = request.overrides
    head = bpy.data.objects["Ada"]
    found["head"] = {
        "keys": {key.name: key.value for key in head.data.shape_keys.key_blocks[1:]},
        "collections": [item.name for item in head.users_collection],
        "others": [item.name for item in bpy.data.objects if item != head],
    }
    found["panels with a head"] = artist.all_panels()
    found["import again"] = artist.press(ops.job_import, job=artist.job().id)
    found["heads"] = sorted(item.name for item in bpy.data.objects)
    for item in list(bpy.data.objects):
        bpy.data.objects.remove(item)
    for collection in list(bpy.data.collections):
        bpy.data.collections.remove(collection)
    bpy.data.orphans_purge(do_recursive=True)
    found["left over"] = {
        kind: count - before[kind]
        for kind, count in artist.datablocks().items()
        if count != before[kind]
    }
    # Undo takes the note of the job and of its import back; the head does not come again.
    settings.jobs.clear()
    for _ in range(3):
        artist.tick()
    found["after undo"] = [len(settings.jobs), settings.jobs[0].imported, len(bpy.data.objects)]
    return found


def scenarios(folder: Path, mock: MockBackend) -> dict[str, Any]:
    """Every bad end: what the panel says, nothing half imported, and Resume."""
    import bpy
    import recording_layout

    found: dict[str, Any] = {}
    write_picture(folder / "photo.png")
    for scenario in ("error", "memory", "killed", "crash", "mute", "corrupt", "silence"):
        artist.prepare(folder / "photo.png", scenario)
        mock.play(scenario, pause=0.01)
        objects = len(bpy.data.objects)
        bpy.ops.idto3d.generate()
        here = found.setdefault(scenario, {})
        if scenario == "silence":
            artist.follow(lambda: artist.job().state.step == 4)
            later = time.time() + 500.0
            drawn = recording_layout.Drawn()
            artist.addon("job_box").draw_job(
                recording_layout.RecordingLayout(drawn),
                artist.addon("session").session(),
                artist.job(),
                later,
            )
            here["said"] = [text for text in drawn.texts if text.startswith("Nothing heard")]
            here["cancel"] = artist.press(bpy.ops.idto3d.job_cancel, job=artist.job().id)
            here["stopping"] = artist.job().state.stopping
            os.utime(artist.job().folder.cancel, (time.time() - 60,) * 2)
            here["end button"] = "End the Worker" in artist.panel("generate").texts
            began = time.time()
            artist.press(bpy.ops.idto3d.job_cancel, job=artist.job().id)
        artist.follow(artist.ended)
        artist.tick()
        if scenario == "silence":
            here["noticed after"] = time.time() - began
        drawn = artist.panel("generate")
        here |= {
            "phase": artist.phase(),
            "texts": " ".join(drawn.texts),
            "operators": drawn.operators,
            "new objects": [item.name for item in bpy.data.objects if "idto3d_preview" not in item][
                objects:
            ],
            "problem": artist.addon("session").session().problem,
        }
        artist.all_panels()
        name = artist.job().id
        here["log"] = artist.press(bpy.ops.idto3d.job_log, job=name)
        here["log text"] = bpy.data.texts["ID-to-3D Log"].as_string()
        if scenario == "corrupt":
            here["import again"] = artist.press(bpy.ops.idto3d.job_import, job=name)
            continue
        mock.play("done", pause=0.0)
        here["resume"] = artist.press(bpy.ops.idto3d.job_resume, job=name)
        artist.follow(lambda name=name: artist.addon("session").session().jobs.get(
            name).state.phase == "done")  # fmt: skip
        artist.tick()
        here["came in"] = scenario in bpy.data.objects
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
    return found


def history(folder: Path, mock: MockBackend) -> dict[str, Any]:
    """Queue, cancel, keep, redo, delete, and a file that is opened again."""
    import bpy

    found: dict[str, Any] = {}
    ops = bpy.ops.idto3d
    write_picture(folder / "photo.png")
    mock.play("done", pause=0.03)
    for person in ("Ada", "Grace", "Emmy"):
        artist.prepare(folder / "photo.png", person)
        ops.generate()
    jobs = artist.addon("session").session().jobs
    found["queue"] = [item.name for item in jobs.queue]
    found["panel with queue"] = vars(artist.panel("generate"))
    found["delete active"] = artist.press(ops.job_delete, job=artist.job().id)
    emmy = jobs.queue[1].id
    found["withdraw"] = artist.press(ops.job_cancel, job=emmy)
    artist.follow(lambda: jobs.get(emmy).state.phase != "queued")
    artist.follow(lambda: artist.job().state.step >= 2)
    ada = artist.job().id
    ops.job_cancel(job=ada)
    artist.follow(lambda: jobs.get(ada).state.phase == "stopped")
    artist.follow(lambda: jobs.active is not None)
    found["next"] = jobs.active.name
    artist.follow(lambda: jobs.active is not None and jobs.active.state.step == 3)
    grace = jobs.active.id
    found["keep"] = artist.press(ops.job_keep, job=grace)
    found["panel while keeping"] = artist.panel("generate").texts
    artist.follow(lambda: jobs.get(grace).state.phase == "done")
    artist.tick()
    found["kept"] = "Grace" in bpy.data.objects
    found["history"] = vars(artist.panel("history"))

    # The file is saved while a job waits to go on; another file is opened; the file again.
    mock.play("done", pause=0.1)
    ops.job_resume(job=ada)
    artist.follow(lambda: jobs.get(ada).state.phase == "running")
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "work.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    artist.tick()
    found["other file"] = [len(artist.settings().jobs), len(bpy.data.objects)]
    bpy.ops.wm.open_mainfile(filepath=str(folder / "work.blend"))
    artist.follow(lambda: artist.job() is not None and artist.job().state.active)
    found["found again"] = artist.job().id == ada
    artist.follow(lambda: "Ada" in bpy.data.objects)
    found["imported"] = [artist.settings().jobs[ada].imported, artist.phase()]
    found["previews left"] = [item.name for item in bpy.data.objects if "idto3d_preview" in item]

    settings = artist.settings()
    settings.photos.clear()
    settings.person, settings.preset, settings.seed = "Nobody", "paper", 9
    settings.teeth_and_lashes = False
    ops.expressions_choose(choice="ALL")
    found["redo"] = artist.press(ops.job_redo, job=ada)
    chosen = artist.addon("properties").chosen_expressions(settings)
    found["redone"] = [settings.person, settings.preset, settings.seed, len(settings.photos)]
    found["redone"] += [len(chosen), settings.consent, settings.teeth_and_lashes]
    found["page"] = artist.press(ops.history_page, by=1), artist.press(ops.history_page, by=-1)
    root = jobs.get(grace).folder.root
    found["delete"] = artist.press(ops.job_delete, job=grace), root.exists()
    found["gone"] = artist.press(ops.job_import, job=grace)
    found["head stays"] = "Grace" in bpy.data.objects
    found["preferences"] = artist.press(ops.preferences_show)
    return found


def costs(folder: Path, mock: MockBackend) -> dict[str, Any]:
    """What a tick costs: with a history and a worker that says nothing, and with news."""
    import bpy

    write_picture(folder / "photo.png")
    artist.prepare(folder / "photo.png")
    artist.follow(lambda: artist.settings().photos[0].verdict == "USABLE")
    protocol = sys.modules[f"{artist.NAME}.backend.idto3d.job.protocol"]
    for number in range(30):
        past = protocol.JobFolder(folder / "jobs" / f"past-{number}")
        past.write_request(protocol.Request(photos=("a",), expressions=()))
        done = protocol.encode(protocol.Done("result/head.glb"), 1.0)
        past.events.write_text(done + "\n")
    mock.play("silence", pause=0.01)
    bpy.ops.idto3d.generate()
    artist.follow(lambda: artist.job().state.step == 4)
    session = artist.addon("session").session()
    artist.follow(lambda: not session.forecast.running and not session.check.running)
    time.sleep(1.2)
    times = []
    for _ in range(250):
        began = time.perf_counter()
        news = artist.tick()
        times.append(1e3 * (time.perf_counter() - began))
        if news:
            times.pop()
        time.sleep(0.005)
    times.sort()
    job = artist.job()
    job.end()
    artist.follow(artist.ended)
    interval = artist.addon("tick").run_timer()
    return {
        "ticks": len(times),
        "median": times[len(times) // 2],
        "nine of ten": times[9 * len(times) // 10],
        "worst": times[-1],
        "jobs": len(session.jobs),
        "interval": interval,
        "problem": session.problem,
    }


def main() -> dict[str, Any]:
    """Do one part."""
    package, folder, part = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    artist.begin(package, folder)
    mock = MockBackend(folder / "mock")
    artist.use(mock.python, folder / "jobs")
    parts = {
        "photos": photos,
        "generate": generate,
        "scenarios": scenarios,
        "history": history,
        "costs": costs,
    }
    return parts[part](folder, mock)


if __name__ == "__main__":
    artist.report(main)
