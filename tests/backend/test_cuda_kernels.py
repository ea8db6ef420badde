# SPDX-License-Identifier: GPL-3.0-or-later
"""Our Warp kernels compile for CUDA. No GPU is needed for that, and none says here what they do."""

import importlib
import re
from pathlib import Path

import pytest
import warp as wp

import idto3d
from idto3d.render import launch  # noqa: F401  (keeps Warp quiet)

PACKAGE = Path(idto3d.__file__).parent
MODULES = [
    ".".join(("idto3d", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in sorted(PACKAGE.rglob("*.py"))
    if "@wp.kernel" in path.read_text(encoding="utf-8")
]
ARCHITECTURES = wp.get_cuda_supported_archs()  # 75 and up: compute capability times ten


@pytest.mark.skipif(not ARCHITECTURES, reason="this build of Warp has no compiler for CUDA")
@pytest.mark.parametrize("name", MODULES)
def test_module_compiles_for_the_oldest_gpu(name: str, tmp_path: Path) -> None:
    module = importlib.import_module(name)
    (file,) = wp.compile_aot_module(
        module, arch=ARCHITECTURES[0], module_dir=tmp_path, use_ptx=True
    )
    code = file.read_text(encoding="utf-8")
    assert f".target sm_{ARCHITECTURES[0]}" in code
    kernels = wp.get_module(name).kernels
    assert kernels
    for kernel in kernels:
        assert re.search(rf"\.entry {kernel}_\w+_forward\(", code), kernel
