"""What the engine is doing, as frozen values for whoever shows it.

Not here: what came of it (``results.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .cache import Memory
from .jobs import Progress, State
from .requests import ModelChoice

__all__ = ["AllPlanes", "Status"]


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
    requested : bool
        Whether other work was asked for that goes on in the background.
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
    requested: bool = False

    @property
    def busy(self) -> bool:
        """Whether something is being worked on."""
        return self.state in (State.LOADING, State.EMBEDDING, State.DECODING)

    @property
    def embedding_all(self) -> bool:
        """Whether all planes are being embedded, and nothing keeps them from it."""
        return self.state is State.READY and self.planes is not None and self.planes.running
