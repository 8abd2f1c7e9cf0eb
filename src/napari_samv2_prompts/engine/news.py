"""The news of the session: frozen values that say what it does and what came of it.

Not here: what goes in, and who it works with (``values.py``).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_samv2_prompts.prompts import ItemMasks, MaskCrop

from .cache import Memory
from .tasks import Progress
from .values import ModelChoice, Snapshot, State, View
from .viewing import is_cut

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["AllPlanes", "ObjectResult", "Outline", "Removal", "Results", "Status"]


@dataclass(frozen=True, slots=True)
class AllPlanes:
    """How far embedding all planes is.

    Attributes
    ----------
    done, total : int
        Planes that are embedded, and planes that there are.
    at : int
        Number of the plane that is in work, or the last.
    running : bool
        Whether it goes on.
    problem : str
        Why it does not, or why planes were left out, in a sentence.
    """

    done: int
    total: int
    at: int
    running: bool
    problem: str = ""

    @property
    def finished(self) -> bool:
        """Whether every plane was seen to."""
        return not self.running and self.at == self.total


@dataclass(frozen=True, slots=True)
class Status:
    """What the session is doing, with what, and why not more.

    Attributes
    ----------
    state : State
    reason : str
        A sentence for the user when idle or failed, else empty.
    model : ModelChoice, optional
        The model that is loaded.
    device, device_reason : str
        Where the loaded model runs, and why; empty while none is loaded.
    progress : Progress, optional
        How far, where that can be told.
    memory : Memory
        What the embeddings take that are kept in memory.
    store : str
        Why none are kept on the disk any more, in a sentence; empty while all is well.
    planes : AllPlanes, optional
        How far embedding all planes is, if that was asked for.
    """

    state: State = State.IDLE
    reason: str = ""
    model: ModelChoice | None = None
    device: str = ""
    device_reason: str = ""
    progress: Progress | None = None
    memory: Memory = field(default_factory=Memory)
    store: str = ""
    planes: AllPlanes | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being worked on."""
        return self.state in (State.LOADING, State.EMBEDDING, State.DECODING)

    @property
    def embedding_all(self) -> bool:
        """Whether all planes are being embedded, and nothing keeps them from it."""
        return self.state is State.READY and self.planes is not None and self.planes.running


@dataclass(frozen=True, slots=True, eq=False)
class ObjectResult:
    """The mask of one object.

    Attributes
    ----------
    masks : ItemMasks
        All candidates.
    chosen : int
        Which of them is meant.
    view : View, optional
        What the model saw.
    is_cut : bool
        Whether the mask ends where the model's view did, though the plane goes on.
    """

    masks: ItemMasks
    chosen: int
    view: View | None = None
    is_cut: bool = field(init=False)

    def __post_init__(self) -> None:
        """Find out once what is asked for after every event."""
        cut = self.view is not None and is_cut(self.crop, self.view)
        object.__setattr__(self, "is_cut", cut)

    @property
    def object(self) -> int:
        """The object's number."""
        return self.masks.object

    @property
    def crop(self) -> MaskCrop:
        """The chosen mask, in pixels of the plane."""
        return self.masks.crops[self.chosen]

    @property
    def score(self) -> float:
        """The chosen mask's predicted IoU."""
        return float(self.masks.scores[self.chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """New masks, to be written in one step.

    Attributes
    ----------
    snapshot : Snapshot
        The wish that they answer: its place says where they go.
    items : tuple of ObjectResult
        In the order of the batch.
    """

    snapshot: Snapshot
    items: tuple[ObjectResult, ...]


@dataclass(frozen=True, slots=True)
class Removal:
    """Objects whose last prompt went away: their masks are to go as well."""

    place: Hashable
    objects: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The border of a mask.

    Attributes
    ----------
    lines : tuple of arrays of shape (N, 2), float64
        Closed lines of ``(x, y)`` in pixels of the plane: the outer ones and those of holes.
    """

    lines: tuple[NDArray[np.float64], ...]
