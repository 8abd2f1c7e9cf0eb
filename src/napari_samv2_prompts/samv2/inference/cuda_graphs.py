"""Record what a GPU is asked for, and play it back: for work that comes again in the same shapes.

A GPU is done with a step of a small network before Python has asked for the next one, and there
are hundreds of them.  A recording (a CUDA graph) asks for all of them at once.

Not here: what is computed.  Other devices do as they are told, step by step.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

ROOM = 4e9
"""Free memory, in bytes, below which nothing is recorded: a recording keeps what it works in."""


class _Recording:
    """A graph with the tensors that it reads and writes; one at a time plays it."""

    def __init__(
        self, graph: torch.cuda.CUDAGraph, inputs: tuple[Tensor, ...], results: Any
    ) -> None:
        self._graph = graph
        self._inputs = inputs
        self._results = results
        self._lock = Lock()

    def play(self, inputs: tuple[Tensor, ...]) -> Any:
        with self._lock:
            for own, given in zip(self._inputs, inputs, strict=True):
                own.copy_(given)
            self._graph.replay()
            # The next time writes over these.
            copies = (result.clone() for result in _tensors(self._results))
            return _with_tensors(self._results, copies)


class GraphedCallable(Generic[T]):
    """A function of tensors that a GPU plays back from the third time on with the same shapes.

    The first time may still set up libraries, and often is the only one; the second is recorded.
    Where that is not possible, or memory is scarce, the function is called as it is.  What is not
    played back waits for nothing: threads may call at the same time.

    - `work`: of tensors on one GPU, None and tuples or dataclasses of them, and so is what it
      returns. It must not look at a tensor's values in Python, since these are not the same the
      next time, and must own all other tensors that it reads: a recording reads them where they
      were.
    - `keep`: how many recordings are kept, each for other shapes
    """

    def __init__(self, work: Callable[..., T], keep: int) -> None:
        self._work = work
        self._keep = keep
        # For the shapes met last: a recording, or None where there is none yet.
        self._recordings: OrderedDict[object, _Recording | None] = OrderedDict()
        self._refused: set[object] = set()  # shapes that are being recorded, or could not be
        self._lock = Lock()  # for the three above; held for no work

    def __call__(self, *arguments: Any) -> T:
        """Return what ``work`` returns, in tensors of its own."""
        inputs = tuple(_tensors(arguments))
        shapes = tuple((tensor.shape, tensor.stride(), tensor.dtype) for tensor in inputs)
        key = shapes, _structure(arguments)
        with self._lock:
            again = key in self._recordings
            recording = self._recordings.pop(key, None)
            self._recordings[key] = recording
            while len(self._recordings) > self._keep:
                self._refused.discard(self._recordings.popitem(last=False)[0])
            wanted = again and recording is None and key not in self._refused
            if wanted:
                self._refused.add(key)  # nobody else records it meanwhile
        if wanted:
            recording = self._tried(key, inputs, arguments)
        if recording is None:
            return self._work(*arguments)
        result: T = recording.play(inputs)
        return result

    def _tried(
        self, key: object, inputs: tuple[Tensor, ...], arguments: tuple[Any, ...]
    ) -> _Recording | None:
        """Record for these shapes and keep it, unless memory is scarce or it is not possible."""
        enough = torch.cuda.mem_get_info(inputs[0].device)[0] > ROOM
        recording = self._recorded(inputs[0].device, arguments) if enough else None
        with self._lock:
            if not enough or recording is not None:
                self._refused.discard(key)
            if key in self._recordings:
                self._recordings[key] = recording
        return recording

    def _recorded(self, device: torch.device, arguments: tuple[Any, ...]) -> _Recording | None:
        """Record the function, in a stream of its own; None where that is not possible."""
        copies = _with_tensors(arguments, (tensor.clone() for tensor in _tensors(arguments)))
        with torch.cuda.device(device):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.stream(stream):
                self._work(*copies)  # what libraries set up in a new stream can't be recorded
                stream.synchronize()
                # Other threads may use the GPU meanwhile.
                graph.capture_begin(capture_error_mode="thread_local")
                try:
                    results = self._work(*copies)
                except RuntimeError:
                    results = None
                try:
                    graph.capture_end()
                except RuntimeError:
                    results = None
            torch.cuda.current_stream().wait_stream(stream)
        return None if results is None else _Recording(graph, tuple(_tensors(copies)), results)


def _tensors(tree: Any) -> Iterator[Tensor]:
    """Go through the tensors of nested tuples and dataclasses."""
    if isinstance(tree, Tensor):
        yield tree
    elif tree is not None:
        for part in _parts(tree):
            yield from _tensors(part)


def _with_tensors(tree: Any, tensors: Iterator[Any]) -> Any:
    """Return nested tuples and dataclasses with other things in place of their tensors."""
    if isinstance(tree, Tensor):
        return next(tensors)
    if tree is None:
        return None
    parts = [_with_tensors(part, tensors) for part in _parts(tree)]
    return tuple(parts) if type(tree) is tuple else type(tree)(*parts)


def _structure(tree: Any) -> object:
    """Return what nested tuples and dataclasses are without their tensors: equal for like ones."""
    if tree is None or isinstance(tree, Tensor):
        return tree is None
    return type(tree), tuple(_structure(part) for part in _parts(tree))


def _parts(tree: Any) -> Iterable[Any]:
    """Go through the parts of a tuple or of a dataclass."""
    return [getattr(tree, f.name) for f in fields(tree)] if is_dataclass(tree) else tree
