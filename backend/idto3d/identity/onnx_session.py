# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX models through ONNX Runtime, on CUDA where that is wanted and installed."""

from pathlib import Path
from typing import Any

from idto3d.errors import UserError


def open_session(path: Path, device: str) -> Any:
    """An `onnxruntime.InferenceSession`. device: "cuda" tries CUDA first; else the CPU.

    Raises UserError when onnxruntime is missing or the file is no model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UserError(
            "The InsightFace encoder needs onnxruntime, which is not installed. "
            "Install it with: pip install 'idto3d[insightface]'"
        ) from None
    providers = chosen_providers(device, onnxruntime.get_available_providers())
    try:
        return onnxruntime.InferenceSession(path, providers=providers)
    # onnxruntime's own exceptions have no common base class but Exception.
    except Exception as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"{path} can't be opened as an ONNX model ({line}). Fetch it again."
        ) from error


def chosen_providers(device: str, available: list[str]) -> list[str]:
    """ONNX Runtime's providers in the order in which they are tried.

    CUDA is among those available only with the package onnxruntime-gpu.
    """
    wanted = ["CUDAExecutionProvider"] if device == "cuda" else []
    return [name for name in wanted if name in available] + ["CPUExecutionProvider"]
