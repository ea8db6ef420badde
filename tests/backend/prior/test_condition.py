# SPDX-License-Identifier: GPL-3.0-or-later
"""What a condition tells the denoiser beside its tokens."""

import torch

from idto3d.prior.condition import Condition, stack_conditions


def test_pooled_is_the_last_text_token_and_the_mean_identity() -> None:
    text, identity = torch.randn(2, 5, 4), torch.randn(2, 3, 4)
    pooled = Condition(text, identity).pooled()
    assert torch.equal(pooled[:, :4], text[:, -1])
    torch.testing.assert_close(pooled[:, 4:], identity.mean(1))


def test_an_absent_identity_pools_to_zero_as_a_dropped_one_does() -> None:
    text = torch.randn(1, 5, 4)
    absent, dropped = Condition(text), Condition(text, torch.zeros(1, 3, 4))
    assert torch.equal(absent.pooled(), dropped.pooled())
    both = stack_conditions([Condition(text, torch.ones(1, 3, 4)), absent])
    assert torch.equal(both.pooled()[1], absent.pooled()[0])


def test_fewer_tokens_are_repeated_to_stack() -> None:
    text = torch.randn(1, 5, 4)
    many, few = torch.randn(1, 6, 4), torch.randn(1, 2, 4)
    both = stack_conditions([Condition(text, few), Condition(text, many)])
    assert both.identity is not None and both.identity.shape == (2, 6, 4)
    assert torch.equal(both.identity[0], few[0].repeat(3, 1))
    assert torch.equal(both.identity[1], many[0])
