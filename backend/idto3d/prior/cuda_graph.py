# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of a network that a GPU records once and replays from then on.

A small network's kernels run for less time than Python takes to launch them one by one. A CUDA
graph launches all kernels of a call at once, on the memory that they were recorded with: inputs are
copied to where they lay then, and the output is copied away before the next replay writes over it.
"""

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Inputs = Mapping[str, Tensor]
Function = Callable[..., Tensor]  # of tensors by name
Replay = Callable[[Inputs], Tensor]

MOST_GRAPHS = 4  # a run has one or two sets of shapes; each graph keeps inputs and an output
WARM_UP_CALLS = 3  # libraries choose their kernels in the first calls, torch.compile compiles

_log = logging.getLogger(__name__)


class Replayed:
    """A function of tensors, recorded for each set of shapes and number formats it is called with.

    It must depend on nothing but its arguments and on weights that stay where they are. With
    gradients enabled it is called as it is; also for further sets of shapes after MOST_GRAPHS, and
    after a recording that failed, which is logged and raises nothing. What graphs hold is free
    again when this is dropped.
    """

    def __init__(self, function: Function, record: Callable[[Function, Inputs], Replay]) -> None:
        """record: makes what answers for `function` wherever shapes are those of the inputs;
        `GraphRecorder` on a GPU. It may raise RuntimeError.
        """
        self._function, self._record = function, record
        self._replays: dict[tuple[object, ...], Replay] = {}
        self._left = MOST_GRAPHS

    def __call__(self, **inputs: Tensor | None) -> Tensor:
        """The function's output for these inputs, without those that are None."""
        given = {name: tensor for name, tensor in inputs.items() if tensor is not None}
        replay = None if torch.is_grad_enabled() else self._replay_for(given)
        return self._function(**given) if replay is None else replay(given)

    def _replay_for(self, inputs: Inputs) -> Replay | None:
        """The recording for inputs of these shapes, made now if there is none; None without one."""
        signature = tuple((name, tensor.shape, tensor.dtype) for name, tensor in inputs.items())
        if signature not in self._replays and self._left:
            self._left -= 1
            try:
                self._replays[signature] = self._record(self._function, inputs)
            except RuntimeError as error:
                self._left = 0
                reason = str(error).partition("\n")[0]
                _log.warning("Going on without a CUDA graph, as it can't be recorded: %s", reason)
        return self._replays.get(signature)


class GraphRecorder:
    """Records functions into CUDA graphs on the current GPU.

    Its graphs share one pool of memory: one replays at a time, and nothing that a replay wrote is
    needed once its output has been copied.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream()  # the default stream can't be recorded

    def __call__(self, function: Function, inputs: Inputs) -> Replay:
        """Record a call with tensors like the inputs. Raises RuntimeError if CUDA can't."""
        places = {name: tensor.clone() for name, tensor in inputs.items()}
        graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UP_CALLS):
                function(**places)
            with torch.cuda.graph(graph, self._pool, self._stream):
                output = function(**places)
        torch.cuda.current_stream().wait_stream(self._stream)

        def replay(inputs: Inputs) -> Tensor:
            for name, place in places.items():
                place.copy_(inputs[name])
            graph.replay()
            return output.clone()

        return replay
