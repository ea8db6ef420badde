# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets: rows of pictures side by side in one PNG."""

import os
from pathlib import Path

import torch
from PIL import Image


def contact_sheet(rows: list[torch.Tensor]) -> torch.Tensor:
    """Lay out rows, each (N, 3, H, W) in [0, 1], one below the other -> (3, rows*H, N*W)."""
    return torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)


def save_sheet(path: Path, rows: list[torch.Tensor]) -> None:
    """Write a contact sheet as PNG; the file appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet([row.detach().float().cpu().clamp(0, 1) for row in rows])
    pixels = (sheet.permute(1, 2, 0) * 255).round().to(torch.uint8).contiguous().numpy()
    temporary = path.with_suffix(".png.tmp")
    Image.fromarray(pixels).save(temporary, format="PNG")
    os.replace(temporary, path)
