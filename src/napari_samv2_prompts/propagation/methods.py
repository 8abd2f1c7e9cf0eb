"""Which method follows objects, by its name.

Here: :func:`follower_of` and :func:`check_method`.  A new method is a :class:`.Follower` and a line
here.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, get_args

from napari_samv2_prompts.prompts import Masks, PromptBatch

from .handover import HandOver
from .recall import MemoryFollower, Recall
from .stacks import Embeddings
from .values import Follower, Stack

Method = Literal["auto", "hand-over", "memory"]
METHODS: tuple[Method, ...] = get_args(Method)


class Model(Protocol):
    """A predictor, as far as methods need it."""

    @property
    def remembers(self) -> bool:
        """Whether it has a memory."""
        ...

    def recall(self) -> Recall:
        """Return its memory; raises ValueError if it has none."""
        ...

    def decode(
        self, embedding: Any, batch: PromptBatch, multimask_output: bool | None = None
    ) -> Masks:
        """Answer prompts."""
        ...


def follower_of(method: Method, stack: Stack, embed: Embeddings, model: Model) -> Follower:
    """Return a method on a stack.

    - `method`: {"auto", "hand-over", "memory"}; ``"auto"`` is the memory of a model that has one,
      where it sees planes whole and in full detail, else hand-over
    - raises ValueError if there is no such method, or the model has no memory
    """
    check_method(method)
    if method == "memory" or (method == "auto" and model.remembers and embed.whole):
        return MemoryFollower(stack, embed, model.recall())
    return HandOver(stack, embed, model.decode)


def check_method(method: str) -> None:
    """Raise ValueError if there is no such method."""
    if method not in METHODS:
        names = ", ".join(map(repr, METHODS[:-1]))
        raise ValueError(f"There is no method {method!r}: it is {names} or {METHODS[-1]!r}.")
