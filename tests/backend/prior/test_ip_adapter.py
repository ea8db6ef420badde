# SPDX-License-Identifier: GPL-3.0-or-later
"""IP-Adapter-FaceID weights in our attention are the same function as in diffusers' own path."""

import copy
import os
import pickle
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from idto3d.errors import UserError
from idto3d.prior.attention import install_multimodal_attention
from idto3d.prior.condition import Condition, stack_conditions
from idto3d.prior.denoiser import call_unet
from idto3d.prior.identity import IdentityProjector
from idto3d.prior.ip_adapter import ip_conditioning, read_ip_adapter
from idto3d.prior.layout import write_tensors
from idto3d.prior.load import apply_conditioning
from idto3d.prior.manifest import Manifest
from tests.backend.prior.tiny_stable_diffusion import (
    FACE,
    WIDTH,
    in_diffusers,
    ip_adapter_state,
    tiny_unet,
)

KINDS = {"faceid": {"tokens": 4, "lora_rank": 3}, "portrait": {"tokens": 16}}
TIMESTEPS = torch.tensor([500, 30])


def in_ours(
    unet: UNet2DConditionModel, path: Path, folder: Path
) -> tuple[UNet2DConditionModel, IdentityProjector]:
    """`unet` with the adapter through a conditioning file, as a prior is loaded."""
    unet = copy.deepcopy(unet)
    install_multimodal_attention(unet)
    adapter = read_ip_adapter(path)
    manifest = Manifest(
        identity_dimension=adapter.dimension,
        identity_photos=adapter.photos,
        identity_reading="each",
    )
    file = folder / "conditioning.safetensors"
    write_tensors(file, ip_conditioning(unet, adapter), half=False)
    projector = apply_conditioning(unet, manifest, file, fold=True)
    assert projector is not None
    return unet, projector


def inputs(photos: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    faces = torch.nn.functional.normalize(torch.randn(photos, FACE, generator=generator), dim=-1)
    latents = torch.randn(2, 4, 8, 8, generator=generator)
    return latents, torch.randn(2, 7, WIDTH, generator=generator), faces


def write_bin(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


@pytest.mark.parametrize(("kind", "photos"), [("faceid", 1), ("portrait", 5), ("portrait", 2)])
@torch.no_grad()
def test_outputs_are_those_of_diffusers(kind: str, photos: int, tmp_path: Path) -> None:
    unet = tiny_unet()
    state = ip_adapter_state(unet, **KINDS[kind])
    latents, text, faces = inputs(photos)
    reference = in_diffusers(unet, state)
    # diffusers wants (batch, images, D); its empty identity is an embedding of zeros.
    expected = [
        reference(
            latents,
            TIMESTEPS,
            encoder_hidden_states=text,
            added_cond_kwargs={"image_embeds": [embeddings.expand(2, -1, -1)]},
        ).sample
        for embeddings in (faces, torch.zeros_like(faces))
    ]
    ours, projector = in_ours(unet, write_bin(tmp_path / "ip.bin", state), tmp_path)
    tokens = projector.person(3.0 * faces)
    nobody = projector.nobody()
    assert nobody is not None
    for identity, output in zip((tokens, nobody), expected, strict=True):
        condition = Condition(text, identity.expand(2, -1, -1))
        found = call_unet(ours, latents, TIMESTEPS, condition, None)
        torch.testing.assert_close(found, output, atol=1e-5, rtol=1e-5)
    # The adapter does something, and each of its parts.
    assert (expected[0] - expected[1]).abs().max() > 1e-2
    plain = unet(latents, TIMESTEPS, encoder_hidden_states=text).sample
    assert (expected[0] - plain).abs().max() > 1e-2


@torch.no_grad()
def test_both_branches_of_guidance_in_one_call(tmp_path: Path) -> None:
    unet = tiny_unet()
    path = write_bin(tmp_path / "ip.bin", ip_adapter_state(unet, **KINDS["portrait"]))
    ours, projector = in_ours(unet, path, tmp_path)
    latents, text, faces = inputs(3)
    nobody = projector.nobody()
    assert nobody is not None
    branches = [Condition(text[:1], projector.person(faces)), Condition(text[1:], nobody)]
    assert branches[0].identity is not None and branches[0].identity.shape[1] == 3 * 16
    together = call_unet(ours, latents, TIMESTEPS, stack_conditions(branches), None)
    for row, condition in enumerate(branches):
        one = slice(row, row + 1)
        alone = call_unet(ours, latents[one], TIMESTEPS[one], condition, None)
        torch.testing.assert_close(together[one], alone, atol=1e-5, rtol=1e-5)


def test_safetensors_hold_the_same_as_bin(tmp_path: Path) -> None:
    state = ip_adapter_state(tiny_unet(), **KINDS["faceid"])
    flat = {f"{part}.{name}": v for part, own in state.items() for name, v in own.items()}
    save_file(flat, tmp_path / "ip.safetensors")
    from_bin = read_ip_adapter(write_bin(tmp_path / "ip.bin", state))
    from_safetensors = read_ip_adapter(tmp_path / "ip.safetensors")
    for one, other in (
        (from_bin.mlp, from_safetensors.mlp),
        (from_bin.layers, from_safetensors.layers),
    ):
        assert one.keys() == other.keys() and len(one) > 0
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_portrait_reads_five_photos_and_faceid_one(tmp_path: Path) -> None:
    photos = {
        kind: read_ip_adapter(
            write_bin(tmp_path / kind, ip_adapter_state(tiny_unet(), **sizes))
        ).photos
        for kind, sizes in KINDS.items()
    }
    assert photos == {"faceid": 1, "portrait": 5}


class Malicious:
    """Unpickled by Python's own reader, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_bin_file_is_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    state = {"image_proj": Malicious(trap), "ip_adapter": {}}
    path = write_bin(tmp_path / "ip.bin", state)
    with pytest.raises(UserError, match=r"can't be read as tensors.*Download the file again"):
        read_ip_adapter(path)
    assert not trap.exists()
    # A plain pickle is the older form of such files; the test is sharp: it does spring the trap.
    path.write_bytes(pickle.dumps(state))
    with pytest.raises(UserError, match="can't be read"):
        read_ip_adapter(path)
    assert not trap.exists()
    pickle.loads(path.read_bytes())
    assert trap.exists()


def test_adapter_for_another_base(tmp_path: Path) -> None:
    unet = tiny_unet()
    state = ip_adapter_state(unet, **KINDS["portrait"])
    layers = state["ip_adapter"]
    first = next(iter(layers))
    for wrong in (
        {name: v for name, v in layers.items() if name != first},
        layers | {first: layers[first][:, :-1]},
        layers | {"99.to_k_ip.weight": layers[first]},
    ):
        path = write_bin(tmp_path / "ip.bin", state | {"ip_adapter": wrong})
        with pytest.raises(UserError, match=r"made for another base.*_sd15"):
            ip_conditioning(unet, read_ip_adapter(path))


def test_adapters_of_other_kinds_are_refused(tmp_path: Path) -> None:
    state = ip_adapter_state(tiny_unet(), **KINDS["faceid"])
    plus = state["image_proj"] | {"perceiver_resampler.proj_in.weight": torch.zeros(1)}
    with pytest.raises(UserError, match="FaceID-Plus.*Use FaceID"):
        read_ip_adapter(write_bin(tmp_path / "a.bin", state | {"image_proj": plus}))
    with pytest.raises(UserError, match="not an IP-Adapter that reads face embeddings"):
        clip = {"proj.weight": torch.zeros(1)}
        read_ip_adapter(write_bin(tmp_path / "b.bin", state | {"image_proj": clip}))
    with pytest.raises(UserError, match="not an IP-Adapter that reads face embeddings"):
        read_ip_adapter(write_bin(tmp_path / "c.bin", [torch.zeros(1)]))


@pytest.mark.parametrize("name", ["ip.bin", "ip.safetensors"])
def test_missing_and_damaged_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with pytest.raises(UserError, match="There is no file"):
        read_ip_adapter(path)
    path.write_bytes(b"<html>not found</html>" * 9)
    with pytest.raises(UserError, match=r"can't be read.*Download the file again"):
        read_ip_adapter(path)
