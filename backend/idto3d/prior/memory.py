# SPDX-License-Identifier: GPL-3.0-or-later
"""How a prior is laid out in a GPU's memory: plans from the fastest to the leanest, and the first
of them that fits.

What a plan needs is summed from sizes that `measure` finds by running the networks on torch's meta
device, where tensors have shapes and no numbers. Nothing here asks for a GPU.
"""

import dataclasses
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from idto3d.errors import UserError

GIB = 1 << 30
# What lies beside the networks: CUDA's context and kernels, torch's cache, the head's fields with
# their optimiser, the rendered pictures. An allowance, not a measurement.
REST = int(1.6 * GIB)


@dataclass(frozen=True)
class MemoryPlan:
    """How the networks are kept and called. The result is the same but for `half` and `tiny`."""

    half: bool = False  # weights and activations in 16 bits
    text_on_cpu: bool = False  # the text encoder; its tokens are remembered
    micro_batch: int | None = None  # pictures that go through the prior at a time; None = all
    checkpointing: bool = False  # the encoder's activations are computed again going backward
    split_branches: bool = False  # guidance in two calls of the denoiser instead of one batch
    tiny_encoder: bool = False  # a small encoder in the place of the base's, where there is one


@dataclass(frozen=True)
class Sizes:
    """Bytes of a prior's parts in float32; half of each in 16 bits."""

    denoiser: int  # weights
    encoder: int  # weights of the autoencoder's encoder; the decoder isn't kept
    text: int  # weights
    call: int  # the denoiser's activations at their peak, one picture and one branch
    encoding: int  # what encoding one picture holds until its gradient has gone back
    encoding_checkpointed: int  # the same with checkpoints
    tiny: int | None = None  # weights and activations of the small encoder, one picture


def plans(views: int, has_tiny: bool) -> list[MemoryPlan]:
    """From the fastest to the leanest; each gives up a little more speed."""
    ladder = [MemoryPlan(), MemoryPlan(half=True)]
    ladder.append(dataclasses.replace(ladder[-1], text_on_cpu=True))
    batch = views
    while batch > 1:
        batch = (batch + 1) // 2
        ladder.append(dataclasses.replace(ladder[-1], micro_batch=batch))
    ladder.append(dataclasses.replace(ladder[-1], checkpointing=True))
    ladder.append(dataclasses.replace(ladder[-1], split_branches=True))
    if has_tiny:
        ladder.append(dataclasses.replace(ladder[-1], tiny_encoder=True))
    return ladder


def needed(plan: MemoryPlan, sizes: Sizes, views: int) -> int:
    """Bytes at the peak of a step with `views` pictures, everything included."""
    pictures = min(views, plan.micro_batch or views)
    if plan.tiny_encoder and sizes.tiny is not None:
        weights, encoding = 0, sizes.tiny
    else:
        weights = sizes.encoder
        encoding = sizes.encoding_checkpointed if plan.checkpointing else sizes.encoding
    calls = sizes.call * pictures * (1 if plan.split_branches else 2)
    # The pictures' encodings wait for their gradients while the denoiser works.
    networks = sizes.denoiser + weights + encoding * pictures + calls
    networks += 0 if plan.text_on_cpu else sizes.text
    return networks // (2 if plan.half else 1) + REST


def choose_plan(sizes: Sizes, views: int, limit: int, fastest: MemoryPlan) -> MemoryPlan:
    """The first plan from `fastest` on that fits into `limit` bytes.

    Raises UserError when not even the leanest does.
    """
    ladder = plans(views, sizes.tiny is not None)
    if fastest.half:
        ladder = [plan for plan in ladder if plan.half]
    for plan in ladder:
        if needed(plan, sizes, views) <= limit:
            return plan
    least = needed(ladder[-1], sizes, views)
    raise UserError(
        f"This prior needs {least / GIB:.1f} GB of the GPU's memory even at its leanest, and "
        f"{limit / GIB:.1f} GB are allowed. Take a larger --vram, or --device cpu."
    )


def leaner(plan: MemoryPlan, views: int, has_tiny: bool) -> MemoryPlan | None:
    """The next plan on the ladder that needs less; None after the last."""
    ladder = plans(views, has_tiny)
    after = ladder[ladder.index(plan) + 1 :]
    return after[0] if after else None


def describe(plan: MemoryPlan) -> str:
    """The plan in words, for the log."""
    words = [
        "16 bits" if plan.half else "32 bits",
        "texts on the CPU" if plan.text_on_cpu else "",
        f"{plan.micro_batch} pictures at a time" if plan.micro_batch else "",
        "encoder computed twice" if plan.checkpointing else "",
        "guidance in two calls" if plan.split_branches else "",
        "small encoder" if plan.tiny_encoder else "",
    ]
    return ", ".join(filter(None, words))


# --- measuring on the meta device ---------------------------------------------------------------


def weight_bytes(module: nn.Module) -> int:
    """Bytes of the parameters and buffers in float32."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(4 * tensor.numel() for tensor in tensors)


def peak_bytes(work: Callable[[], object]) -> int:
    """The most bytes of tensors made by `work` that lived at one time.

    Attention counts as fused: its matrix of weights is never made, as on a GPU.
    """
    counter = _LiveBytes()
    with _FusedAttention(), counter:
        result = work()
    del result
    return counter.peak


class _LiveBytes(TorchDispatchMode):
    """Counts the storages that operations make, until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.live, self.peak = 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        options = options or {}
        # Storages of inputs are somebody else's: the weights, or counted when they were made.
        for tensor in torch.utils._pytree.tree_leaves((arguments, options)):
            if isinstance(tensor, Tensor):
                self._known.add(tensor.untyped_storage()._cdata)
        result = function(*arguments, **options)
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


class _FusedAttention(TorchFunctionMode):
    """Scaled-dot-product attention as far as memory goes: an output like the query, no weights."""

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        options = options or {}
        if function is nn.functional.scaled_dot_product_attention:
            query, key, value = arguments[:3]
            return query + 0 * (key.sum() + value.sum())
        return function(*arguments, **options)
