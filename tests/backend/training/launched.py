# SPDX-License-Identifier: GPL-3.0-or-later
"""What `accelerate launch` starts in the test of several processes; not a test itself.

Arguments: dataset folder, output folder. Each process writes the weights it ends with.
"""

import sys
from pathlib import Path

import torch
from accelerate import PartialState
from safetensors.torch import save_file

from idto3d.training import base
from idto3d.training.autoencoder import train_autoencoder
from idto3d.training.base import train_base
from idto3d.training.shards import open_dataset
from tests.backend.training.test_stages import TEXTS, tiny_settings


def main(data: Path, output: Path) -> None:
    torch.set_num_threads(1)
    dataset = open_dataset(data)
    kept = []
    make_denoiser = base.make_denoiser

    def keep(*arguments):
        kept.append(make_denoiser(*arguments))
        return kept[-1]

    base.make_denoiser = keep
    train_autoencoder(dataset, output, tiny_settings(16), resume=False)
    counters = train_base(dataset, output, tiny_settings(32), False, TEXTS)
    state = PartialState()
    weights = {name: value.contiguous() for name, value in kept[0].state_dict().items()}
    weights["counters"] = torch.tensor([counters.step, counters.samples, state.num_processes])
    save_file(weights, output / f"end-{state.process_index}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
