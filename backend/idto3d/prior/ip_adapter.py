# SPDX-License-Identifier: GPL-3.0-or-later
"""IP-Adapter-FaceID weights, read and brought into the form of our conditioning files.

The files of Ye et al. 2023 have two parts. `image_proj` is the MLP from an ArcFace embedding to
tokens; `ip_adapter` has, for the n-th attention layer of the UNet in the order of diffusers'
`attn_processors` (self-attention counts), keys and values `n.to_k_ip`, `n.to_v_ip` and, for FaceID
but not for FaceID-Portrait, LoRA `n.to_q_lora.down` and so on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from idto3d.errors import UserError
from idto3d.prior.layout import adapter_tensors
from idto3d.prior.tensor_files import read_bin, read_safetensors

# FaceID makes 4 tokens of the one embedding it was trained with; Portrait makes 16 of each of five.
_PORTRAIT_TOKENS = 16
_PORTRAIT_PHOTOS = 5
_MLP_LAYERS = {"hidden": "proj.0", "output": "proj.2", "norm": "norm"}
_LORA_LAYERS = {"to_q": "to_q", "to_k": "to_k", "to_v": "to_v", "to_out.0": "to_out"}


@dataclass(frozen=True)
class IPAdapter:
    """One file, its parts' prefixes removed; tensors as they are stored."""

    path: Path
    mlp: Mapping[str, torch.Tensor]  # image_proj
    layers: Mapping[str, torch.Tensor]  # ip_adapter

    @property
    def dimension(self) -> int:
        """Numbers of one face embedding."""
        return self.mlp["proj.0.weight"].shape[1]

    @property
    def width(self) -> int:
        """Channels of a token."""
        return len(self.mlp["norm.weight"])

    @property
    def tokens(self) -> int:
        """Tokens that the MLP makes of one embedding."""
        return len(self.mlp["proj.2.weight"]) // self.width

    @property
    def photos(self) -> int:
        """Embeddings of one person that it was trained to read."""
        return _PORTRAIT_PHOTOS if self.tokens >= _PORTRAIT_TOKENS else 1


def read_ip_adapter(path: Path) -> IPAdapter:
    """Read a .bin (tensors only: nothing in it is run) or .safetensors file.

    Raises UserError when it can't be read, or is an IP-Adapter of another kind than FaceID or
    FaceID-Portrait.
    """
    mlp, layers = _parts(path)
    if "perceiver_resampler.proj_in.weight" in mlp:
        raise UserError(
            f"{path} is an IP-Adapter-FaceID-Plus, which also needs a CLIP image encoder. "
            "Use FaceID or FaceID-Portrait."
        )
    if not {"proj.0.weight", "proj.2.weight", "norm.weight"} <= set(mlp) or not layers:
        raise UserError(
            f"{path} is not an IP-Adapter that reads face embeddings. "
            "Use ip-adapter-faceid_sd15 or ip-adapter-faceid-portrait_sd15."
        )
    return IPAdapter(path, mlp, layers)


def ip_conditioning(unet: UNet2DConditionModel, adapter: IPAdapter) -> dict[str, torch.Tensor]:
    """The tensors of a conditioning file that makes `unet` with multimodal attention the same
    function as diffusers' UNet with the IP-Adapter at scale 1.

    Raises UserError when the adapter is for another UNet.
    """
    processors: dict[str, torch.Tensor] = {}
    lora: dict[str, torch.Tensor] = {}
    taken: set[str] = set()
    for number, path in enumerate(unet.attn_processors):
        name = path.removesuffix(".processor")
        layer = unet.get_submodule(name)
        if layer.is_cross_attention:
            for kind in ("to_k", "to_v"):
                shape = (layer.inner_kv_dim, adapter.width)
                key = f"{number}.{kind}_ip.weight"
                processors[f"{path}.{kind}.identity.weight"] = _take(adapter, key, shape)
                taken.add(key)
        for ours, theirs in _LORA_LAYERS.items():
            down, up = (f"{number}.{theirs}_lora.{end}.weight" for end in ("down", "up"))
            if down not in adapter.layers:
                continue
            rows, columns = layer.get_submodule(ours).weight.shape
            rank = len(adapter.layers[down])
            lora[f"{name}.{ours}.lora_A.weight"] = _take(adapter, down, (rank, columns))
            lora[f"{name}.{ours}.lora_B.weight"] = _take(adapter, up, (rows, rank))
            taken |= {down, up}
    if set(adapter.layers) - taken or adapter.width != unet.config.cross_attention_dim:
        raise _another_unet(adapter)
    return adapter_tensors(lora, processors, _projector(adapter))


def _projector(adapter: IPAdapter) -> dict[str, torch.Tensor]:
    """The state of an `IdentityProjector` that reads each embedding, without normalisation."""
    state = {
        f"{ours}.{kind}": adapter.mlp[f"{theirs}.{kind}"]
        for ours, theirs in _MLP_LAYERS.items()
        for kind in ("weight", "bias")
    }
    return state | {"mean": torch.zeros(adapter.dimension), "scale": torch.ones(())}


def _take(adapter: IPAdapter, key: str, shape: tuple[int, int]) -> torch.Tensor:
    tensor = adapter.layers.get(key)
    if tensor is None or tuple(tensor.shape) != shape:
        raise _another_unet(adapter)
    return tensor


def _another_unet(adapter: IPAdapter) -> UserError:
    return UserError(
        f"{adapter.path} was made for another base than this one. "
        "A base of the Stable-Diffusion-1.5 family needs the file whose name ends in _sd15."
    )


def _parts(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """image_proj and ip_adapter: two dicts in a .bin, two prefixes in a .safetensors."""
    if path.suffix == ".safetensors":
        tensors = read_safetensors(path)
        mlp, layers = (
            {name.removeprefix(part): v for name, v in tensors.items() if name.startswith(part)}
            for part in ("image_proj.", "ip_adapter.")
        )
        return mlp, layers
    content = read_bin(path)
    parts = content if isinstance(content, dict) else {}
    return _tensors_in(parts.get("image_proj")), _tensors_in(parts.get("ip_adapter"))


def _tensors_in(part: object) -> dict[str, torch.Tensor]:
    if not isinstance(part, dict):
        return {}
    return {str(name): value for name, value in part.items() if isinstance(value, torch.Tensor)}
