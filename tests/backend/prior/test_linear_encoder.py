# SPDX-License-Identifier: GPL-3.0-or-later
"""The linear encoder: exact where the encoder is linear, and true to the compact prior's."""

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor

from idto3d.assets import ASSETS, PRIOR
from idto3d.head.template import Template, load_template
from idto3d.prior.linear_encoder import CELL, LinearEncoder, fit_linear_encoder
from idto3d.prior.load import Prior, load_prior
from idto3d.render.cameras import Cameras, sample_cameras
from idto3d.render.normals import camera_normals_image, supersampled_normals

SIZE = 128


def _cameras(count: int, seed: int) -> Cameras:
    return sample_cameras(count, torch.Generator().manual_seed(seed), 0.4)


def _means(pictures: Tensor) -> Tensor:
    """An encoder that is linear: mean red less mean blue of 8 x 8 pixels, and mean green."""
    mean = functional.avg_pool2d(pictures - 1, 8)
    return torch.stack([mean[:, 0] - mean[:, 2], 3 * mean[:, 1] + 0.5], dim=1)


def test_a_linear_encoder_is_found_exactly() -> None:
    pictures = torch.rand(40, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    encoder = fit_linear_encoder(_means, pictures)
    other = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    small = functional.interpolate(other, size=(8 * CELL, 8 * CELL), mode="area")
    assert torch.allclose(encoder.encode(small), _means(other), atol=0.02)


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(ASSETS / "template" / "head.npz").subdivided()


@pytest.fixture(scope="module")
def prior() -> Prior:
    return load_prior(PRIOR, "geometry")


@pytest.fixture(scope="module")
def encoder(prior: Prior, template: Template) -> LinearEncoder:
    views = template.mean.expand(48, -1, -1)
    pictures = supersampled_normals(views, template.faces, _cameras(48, 0), SIZE)
    return fit_linear_encoder(prior.encode, pictures.movedim(-1, 1))


def test_agrees_with_the_autoencoder_on_how_the_whole_head_should_move(
    prior: Prior, template: Template, encoder: LinearEncoder
) -> None:
    basis = template.identity_basis
    unit = basis / basis.flatten(1).norm(dim=1)[:, None, None]
    scale = 0.006 / basis.abs().amax(dim=(1, 2))
    head = template.mean + torch.einsum("c,cvk->vk", scale, basis)
    cameras = _cameras(8, 9)
    pictures = supersampled_normals(
        template.mean.expand(8, -1, -1), template.faces, cameras, SIZE
    ).movedim(-1, 1)
    with torch.no_grad():
        towards = prior.encode(pictures)

    def gradient(full: bool) -> Tensor:
        """On the identity coefficients, from the same pull on latents."""
        vertices = head.clone().requires_grad_()
        size = SIZE if full else SIZE // 8 * CELL
        images, _ = camera_normals_image(vertices, template.faces, cameras, size)
        encode = prior.encode if full else encoder.encode
        latents = encode(images.movedim(-1, 1))
        (latents * (latents - towards).detach()).sum().backward()
        assert vertices.grad is not None
        return torch.einsum("vk,cvk->c", vertices.grad, unit)

    assert functional.cosine_similarity(gradient(True), gradient(False), dim=0) > 0.95
