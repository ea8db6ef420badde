# SPDX-License-Identifier: GPL-3.0-or-later
"""How long Blender takes to import a large head and to refresh a preview.

python -m benchmarks.blender [--blender PYTHON] [--repetitions N]
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import torch

from idto3d.asset.build import AssetSettings, build_head, write_asset
from idto3d.asset.mesh import PosedMesh
from idto3d.asset.preview import write_preview
from idto3d.assets import ASSETS, expression_names
from idto3d.guidance import chosen_expressions
from idto3d.head.template import load_template

ROOT = Path(__file__).resolve().parents[1]
EXPRESSIONS = 13
SETTINGS = AssetSettings(faces=100_000, texture_size=2048)  # half as many vertices as faces
IMPORT_GOAL_SECONDS = 2.0


def make_files(folder: Path) -> None:
    """`head.glb`, as large as we make any, and `preview.glb`, as a lattice of 64 cells gives it."""
    preview = load_template(ASSETS / "template" / "head.npz").subdivided()
    template = preview.subdivided()
    names = expression_names()[: EXPRESSIONS + 1]
    person = torch.zeros(len(template.identity_basis))
    motions = [
        template.from_canonical(expression.arkit)
        for expression in chosen_expressions(names, ASSETS / "expressions.json")
    ]
    surface = PosedMesh(
        template.canonical(person).numpy(), torch.stack(motions).numpy(), template.faces.numpy()
    )
    model = build_head(surface, names, _material, SETTINGS)
    write_asset(folder, model, "Benchmark", "benchmark", {})
    vertices = preview.canonical(person)
    colours = _material(vertices)[:, :3]
    write_preview(folder / "preview.glb", vertices, preview.faces, colours, "Benchmark")


def _material(points: torch.Tensor) -> torch.Tensor:
    """Something that a PNG file can't store in a few bytes."""
    waves = 0.5 + 0.2 * torch.sin(points @ (40.0 * torch.randn(3, 5, generator=_generator())))
    return waves.clamp(0, 1)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blender", description=__doc__)
    parser.add_argument(
        "--blender",
        type=Path,
        default=ROOT / ".venv-blender" / "bin" / "python",
        help="a Python that has bpy",
    )
    parser.add_argument("--repetitions", type=int, default=7, help="of which to take the median")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        make_files(Path(name))
        script = Path(__file__).with_name("inside_blender.py")
        answer = subprocess.run(
            [str(options.blender), "-I", str(script), name, str(options.repetitions)],
            capture_output=True,
            text=True,
            check=False,
        )
    lines = [line for line in answer.stdout.splitlines() if line.startswith("REPORT ")]
    if not lines:
        raise SystemExit(answer.stdout + answer.stderr)
    found = json.loads(lines[0].removeprefix("REPORT "))
    print(f"Blender {found['blender']}; medians of {options.repetitions}, elapsed (CPU) seconds.")
    size = found["head"]
    print(
        f"Head: {size['vertices']} vertices, {size['faces']} faces, {size['expressions']} "
        f"expressions, maps of {size['texels']} texels; preview: {found['preview_vertices']}."
    )
    for task, (elapsed, busy) in found["seconds"].items():
        print(f"{task:<42} {elapsed:6.3f} ({busy:.3f})")
    # CPU seconds are what a quiet machine would take: one thread does it all.
    cpu = found["seconds"]["import, maps decoded"][1]
    verdict = "met" if cpu <= IMPORT_GOAL_SECONDS else "missed"
    print(f"Goal of {IMPORT_GOAL_SECONDS:g} s for the import: {verdict}.")


if __name__ == "__main__":
    main()
