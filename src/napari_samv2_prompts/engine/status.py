"""What the engine is doing, as frozen values for whoever shows it.

Not here: what came of it (``results.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .cache import Memory
from .jobs import Progress, State
from .requests import ModelChoice


@dataclass(frozen=True, slots=True)
class AllPlanes:
    """How far embedding all planes is."""

    # Planes that are embedded, and planes that there are.
    done: int
    total: int
    at: int  # number of the plane that is in work, or the last
    running: bool  # whether it goes on
    problem: str = ""  # why it does not, or why planes were left out, in a sentence

    @property
    def finished(self) -> bool:
        """Whether every plane was seen to."""
        return not self.running and self.at == self.total


@dataclass(frozen=True, slots=True)
class Status:
    """What the session is doing, with what, and why not more."""

    state: State = State.IDLE
    reason: str = ""  # a sentence for the user when idle or failed, else empty
    model: ModelChoice | None = None  # the model that is loaded
    # Where the loaded model runs, and why; empty while none is loaded.
    device: str = ""
    device_reason: str = ""
    progress: Progress | None = None  # how far, where that can be told
    # What the embeddings take that are kept in memory.
    memory: Memory = field(default_factory=Memory)
    # Why none are kept on the disk any more, in a sentence; empty while all is well.
    store: str = ""
    planes: AllPlanes | None = None  # how far embedding all planes is, if that was asked for
    requested: bool = False  # whether other work was asked for that goes on in the background

    @property
    def busy(self) -> bool:
        """Whether something is being worked on."""
        return self.state in (State.LOADING, State.EMBEDDING, State.DECODING)

    @property
    def embedding_all(self) -> bool:
        """Whether all planes are being embedded, and nothing keeps them from it."""
        return self.state is State.READY and self.planes is not None and self.planes.running
