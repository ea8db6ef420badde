# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender's Python for `benchmarks.blender`: python -I inside_blender.py FOLDER N."""

import importlib
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "idto3d_extension"


def median(task: Callable[[], object], count: int, prepare: Callable[[], object]) -> list[float]:
    """Elapsed and CPU seconds of a task; the first round doesn't count."""
    elapsed, busy = [], []
    for _ in range(count + 1):
        prepare()
        began, cpu = time.perf_counter(), time.process_time()
        task()
        elapsed.append(time.perf_counter() - began)
        busy.append(time.process_time() - cpu)
    return [statistics.median(elapsed[1:]), statistics.median(busy[1:])]


def main(folder: Path, count: int) -> dict[str, object]:
    """Measure everything; returns it ready for JSON."""
    import bpy

    spec = importlib.util.spec_from_file_location(
        NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    head = importlib.import_module(f"{NAME}.addon.scene.head")
    preview = importlib.import_module(f"{NAME}.addon.scene.preview")
    path, shown = folder / "head.glb", folder / "preview.glb"

    def empty() -> None:
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)

    def bring_in() -> None:
        head.import_head(bpy.context, path)

    def bring_in_and_decode() -> None:
        bring_in()
        for image in bpy.data.images:
            assert image.pixels[0] >= 0.0  # Blender decodes an image when it is first looked at

    def with_blenders_importer() -> None:
        bpy.ops.import_scene.gltf(filepath=str(path), merge_vertices=True)

    def refresh() -> None:
        preview.refresh_preview(bpy.context, shown, "Benchmark")

    seconds = {
        "import": median(bring_in, count, empty),
        "import, maps decoded": median(bring_in_and_decode, count, empty),
        "Blender's glTF importer, for comparison": median(with_blenders_importer, count, empty),
    }
    empty()
    seconds["preview refresh"] = median(refresh, count, lambda: None)
    vertices = len(preview.find_preview("Benchmark").data.vertices)
    empty()
    found = head.import_head(bpy.context, path)
    return {
        "blender": bpy.app.version_string,
        "head": {
            "vertices": len(found.data.vertices),
            "faces": len(found.data.polygons),
            "expressions": len(head.expression_names(found)),
            "texels": bpy.data.images[0].size[0],
        },
        "preview_vertices": vertices,
        "seconds": seconds,
    }


if __name__ == "__main__":
    code = 0
    try:
        with tempfile.TemporaryDirectory() as user:
            os.environ["BLENDER_USER_RESOURCES"] = user
            report = main(Path(sys.argv[1]), int(sys.argv[2]))
        print("REPORT " + json.dumps(report), flush=True)
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender as a module may hang or crash while Python shuts down
