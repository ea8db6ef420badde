# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs laid on a surface: places between vertices, light taken out, several photos."""

import numpy as np
import pytest

from idto3d.texture.layers import Layer, Places, blend, to_linear, to_srgb


def stripes(size: int = 64) -> np.ndarray:
    """(size,size,3) uint8: a column dark, a column bright."""
    columns = np.where(np.arange(size) % 2 == 0, 60, 200).astype(np.uint8)
    return np.repeat(np.tile(columns, (size, 1))[..., None], 3, axis=2)


@pytest.fixture
def triangle() -> np.ndarray:
    """(3,2) pixels of three vertices that lie forty pixels apart."""
    return np.array([[10.0, 10.0], [50.0, 10.0], [10.0, 50.0]])


def test_vertices_are_places_of_their_own() -> None:
    values = np.random.default_rng(0).normal(size=(7, 3))
    assert np.array_equal(Places.at_vertices(7).between(values), values)
    assert np.array_equal(Places.at_vertices(7).between(values[:, 0]), values[:, 0])


def test_layer_shows_what_lies_between_the_vertices(triangle: np.ndarray) -> None:
    layer = Layer(stripes(), triangle, np.ones((3, 3)), np.ones(3))
    # Along the upper edge, from one pixel's centre to the next.
    along = np.arange(0, 41) / 40
    barycentric = np.stack([1 - along, along, np.zeros_like(along)], axis=1)
    places = Places(np.tile([0, 1, 2], (41, 1)), barycentric)
    shown = layer.albedo(places)[:, 0] * 255
    assert np.allclose(shown[::2], 60, atol=0.01) and np.allclose(shown[1::2], 200, atol=0.01)


def test_light_is_divided_out(triangle: np.ndarray) -> None:
    albedo, light = np.array([0.6, 0.4, 0.3]), np.array([0.5, 0.7, 0.9])
    pixel = to_srgb(to_linear(albedo) * light) * 255
    photo = np.tile(np.rint(pixel).astype(np.uint8), (64, 64, 1))
    layer = Layer(photo, triangle, np.tile(light, (3, 1)), np.ones(3))
    assert np.abs(layer.albedo(Places.at_vertices(3)) - albedo).max() < 0.005


def test_the_photo_that_sees_best_decides() -> None:
    colours = np.stack([np.full((3, 3), 0.2), np.full((3, 3), 0.8)])
    weights = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0]])
    painted = np.full((3, 3), 0.4)
    mean, agreement = blend(colours, weights, painted)
    assert mean[0, 0] < 0.21 and mean[1, 0] > 0.79
    assert np.array_equal(mean[2], painted[2])
    assert (agreement > 0.8).all()
    assert blend(colours, np.ones((2, 3)), painted)[1].max() < 0.01  # they contradict each other
