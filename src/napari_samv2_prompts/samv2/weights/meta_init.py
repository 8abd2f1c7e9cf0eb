"""Networks without weights: their modules and shapes, for a checkpoint to give them the rest.

Not here: which network (``network.py``), the checkpoint (``checkpoints.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_RANDOM = frozenset({Tensor.uniform_, Tensor.normal_, Tensor.erfinv_})


@contextmanager
def init_on_meta() -> Iterator[None]:
    """Have modules that are made meanwhile take no memory, and fill in no first weights.

    Tensors are made on the meta device.  Random numbers are left out, too: there they are worked
    out by parts of torch that are written in Python, and importing those takes a second or two of
    processor time.
    """
    with torch.device("meta"), _Unfilled():
        yield


class _Unfilled(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _RANDOM:
            return args[0]
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs.get("tensor", args[0] if args else None)
        return (torch.empty if func is torch.randn else func)(*args, **kwargs)
