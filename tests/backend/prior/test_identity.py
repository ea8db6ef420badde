# SPDX-License-Identifier: GPL-3.0-or-later
"""Arranging any number of photos, and the identity MLP's normalisation."""

import torch

from idto3d.prior.identity import IdentityProjector, arrange_photos


def test_fewer_photos_are_repeated_in_turn() -> None:
    photos = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    arranged = arrange_photos(photos, 5)
    units = torch.eye(2)
    torch.testing.assert_close(arranged, units[[0, 1, 0, 1, 0]])


def test_more_photos_all_count() -> None:
    photos = torch.randn(7, 4).requires_grad_()
    arranged = arrange_photos(photos, 5)
    assert arranged.shape == (5, 4)
    torch.testing.assert_close(arranged.norm(dim=-1), torch.ones(5))
    (gradient,) = torch.autograd.grad(arranged[:, 0].sum(), photos)
    assert (gradient.abs().sum(dim=1) > 0).all()


def test_normalisation_spreads_similar_embeddings() -> None:
    people = torch.nn.functional.normalize(
        torch.tensor([1.0] + [0.0] * 15)
        + 0.05 * torch.randn(40, 3, 16, generator=torch.Generator().manual_seed(0)),
        dim=-1,
    )
    projector = IdentityProjector(16, 5, 32, 4, 8)
    projector.standardise_with(people)
    standard = (people - projector.mean) / projector.scale
    assert abs(float(standard.square().mean()) - 1) < 0.01
    tokens = projector(people[:, :1].expand(-1, 5, -1))
    assert tokens.shape == (40, 4, 8)
    assert tokens.std(dim=0).mean() > 0.1


def test_read_each_photo_yields_its_own_tokens() -> None:
    projector = IdentityProjector(16, 5, 32, 4, 8, reading="each")
    people = torch.nn.functional.normalize(torch.randn(2, 3, 16), dim=-1)
    tokens = projector(people)
    assert tokens.shape == (2, 3 * 4, 8)
    torch.testing.assert_close(tokens[:, 4:8], projector(people[:, 1:2]))
    assert projector.person(2 * people[0]).shape == (1, 3 * 4, 8)
    torch.testing.assert_close(projector.person(2 * people[0])[0], tokens[0])
    assert projector.person(torch.randn(7, 16)).shape == (1, 5 * 4, 8)


def test_nobody_is_an_embedding_of_zeros_only_when_read_each() -> None:
    each = IdentityProjector(16, 5, 32, 4, 8, reading="each")
    nobody = each.nobody()
    assert nobody is not None
    torch.testing.assert_close(nobody, each(torch.zeros(1, 1, 16)))
    assert IdentityProjector(16, 5, 32, 4, 8).nobody() is None
