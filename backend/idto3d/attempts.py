# SPDX-License-Identifier: GPL-3.0-or-later
"""Optimisation steps that survive running out of memory once."""

from collections.abc import Callable

import torch
from torch import Tensor

from idto3d.guidance import Guide
from idto3d.run import Run, use_less_memory

Step = Callable[[Guide], dict[str, Tensor]]


class Attempts:
    """Holds the guide of a stage, so that it can be let go of and opened leaner."""

    def __init__(
        self, run: Run, open_guide: Callable[[str], Guide], domain: str, generator: torch.Generator
    ) -> None:
        """open_guide: opens the prior for a domain by the run's plan. generator: the stage's."""
        self._run, self._open, self._generator = run, open_guide, generator
        self._domain = domain
        self._guide: Guide | None = open_guide(domain)

    def change_domain(self, domain: str) -> None:
        """Be guided by the prior for another domain from now on."""
        if domain != self._domain:
            self._guide = None
            self._domain, self._guide = domain, self._open(domain)

    def take(self, step: Step) -> dict[str, Tensor]:
        """The step's numbers; out of memory, it is taken again leaner with the same draws.

        Raises UserError when that was not enough, or memory ran out before.
        """
        state = self._generator.get_state()
        numbers = self._try(step)
        if numbers is None:
            # The failed step's tensors are free only now that its traceback is gone.
            self._guide = None
            use_less_memory(self._run)
            self._generator.set_state(state)
            self._guide = self._open(self._domain)
            numbers = self._try(step)
        if numbers is None:
            self._guide = None
            use_less_memory(self._run)
            raise AssertionError("a second time without memory is an error for the person")
        return numbers

    def _try(self, step: Step) -> dict[str, Tensor] | None:
        assert self._guide is not None
        try:
            return step(self._guide)
        except torch.OutOfMemoryError:
            return None
