"""The model as the engine sees it: collaborators that are handed in.

So the engine runs in tests without torch.

Not here: what goes in (``requests.py``), who runs jobs (``jobs.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from napari_samv2_prompts.prompts import Masks, Prompt, PromptBatch

from .cache import Sized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedding(Sized, Protocol):
    """What the model makes of a picture."""

    @property
    def logits_size(self) -> int:
        """Side of the low-res logits, and of a mask prompt."""
        ...

    def halved(self) -> Embedding:
        """Return the same in half precision, which is how it is kept."""
        ...

    def from_afar(self) -> Embedding:
        """Return the same for those who need many answers soon: nothing is looked at closer."""
        ...


class Packing(Protocol):
    """Turns embeddings of one model into bytes and back."""

    @property
    def fingerprint(self) -> str:
        """The same exactly if the same image gives the same embedding."""
        ...

    def pack(self, embedding: Any, key: str) -> bytes:
        """Return an embedding as bytes."""
        ...

    def unpack(self, data: bytes, key: str) -> Embedding:
        """Return what was packed with this key; raises ValueError for anything else."""
        ...


class Predictor(Protocol):
    """The model, as far as the session needs it."""

    @property
    def packing(self) -> Packing:
        """For keeping embeddings in files."""
        ...

    @property
    def device(self) -> object:
        """Where it runs; shown to the user."""
        ...

    @property
    def device_reason(self) -> str:
        """Why it runs there, in words."""
        ...

    def embed(
        self,
        image: NDArray[np.uint8],
        progress: Callable[[float], object] | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> Embedding:
        """Embed a picture, telling the share done; what `progress` raises ends the work.

        Prompts and masks are in pixels of `image_size`, ``(height, width)``.
        """
        ...

    def decode(
        self, embedding: Embedding, batch: PromptBatch, multimask_output: bool | None = None
    ) -> Masks:
        """Answer prompts; None means three candidates for a lone click and one otherwise."""
        ...

    @property
    def remembers(self) -> bool:
        """Whether it has a memory to follow objects with."""
        ...

    def recall(self) -> Any:
        """Return that memory, see :class:`.Recall`; raises ValueError if there is none."""
        ...

    def preview(self, embedding: Embedding, prompt: Prompt) -> NDArray[np.float32]:
        """Return the low-res logits of the best mask for a prompt; positive is object."""
        ...
