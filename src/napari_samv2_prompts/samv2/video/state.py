"""What is known of a film while somebody prompts and follows objects in it.

The state belongs to the caller; the predictor (``video_predictor.py``) reads and changes it.  It
holds no pixels.  For each object and frame it keeps the low-res logits and a pointer, and maps of
memory only for conditioning frames and the last seven others: the rest can be made again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.samv2.inference.embedding import Embedding

from .frames import Frames
from .memory import REACH, Memory, MemoryBank
from .tracked import Tracked

if TYPE_CHECKING:
    import torch
    from torch import Tensor

MAPS_KEPT = REACH + 1
EMBEDDINGS_KEPT = 2


@dataclass(frozen=True, slots=True, eq=False)
class PointPrompts:
    """The clicks and the box of one object on one frame."""

    # Shape (N, 2): ``(x, y)`` as shares of width and height; corners of a box first.
    coords: NDArray[np.float32]
    labels: NDArray[np.int64]  # shape (N,): 0 negative, 1 positive, 2 and 3 box corners

    def followed_by(self, other: PointPrompts) -> PointPrompts:
        """Return both, this one first."""
        coords = np.concatenate([self.coords, other.coords])
        return PointPrompts(coords, np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What is kept of one object on one frame."""

    # Shape (S/4, S/4): float32 on prompted frames and those whose maps are held, float16 on the
    # others.
    logits: Tensor
    score: float
    object_score: float
    prompted: bool  # whether it answers prompts, so that it is remembered as sure

    @classmethod
    def of(cls, tracked: Tracked, device: torch.device, *, prompted: bool) -> Answer:
        """Keep what was found, on a device."""
        logits = tracked.logits.to(device)
        return cls(logits, tracked.score, tracked.object_score, prompted)

    def halved(self) -> Answer:
        """Return it in half the memory."""
        return replace(self, logits=self.logits.half())


@dataclass(slots=True)
class TrackedObject:
    """All that is known of one object."""

    # By frame: clicks and boxes, or a mask.
    prompts: dict[int, PointPrompts | NDArray[np.bool_]] = field(default_factory=dict)
    # Answers to prompts that are not remembered yet, and whether they will be conditioning.
    pending: dict[int, tuple[Tracked, bool]] = field(default_factory=dict)
    answers: dict[int, Answer] = field(default_factory=dict)
    bank: MemoryBank = field(default_factory=MemoryBank)
    # Frames that were followed to, and whether backwards.
    directions: dict[int, bool] = field(default_factory=dict)
    # Tracked frames whose maps are still held.
    recent: deque[int] = field(default_factory=lambda: deque(maxlen=MAPS_KEPT))

    def logits(self, frame: int) -> Tensor | None:
        """Return the newest low-res logits on a frame, if there are any."""
        if frame in self.pending:
            return self.pending[frame][0].logits
        return self.answers[frame].logits if frame in self.answers else None

    def keep(self, frame: int, answer: Answer, memory: Memory, *, conditioning: bool) -> None:
        """Keep an answer and its memory: of a conditioning frame, or of one that was followed to.

        A frame that is conditioning stays what it is when it is followed to.
        """
        if conditioning:
            self.bank = self.bank.with_conditioning(frame, memory)
        elif frame in self.bank.conditioning:
            return
        else:
            self.hold(frame, memory)
        self.answers[frame] = answer

    def hold(self, frame: int, memory: Memory) -> None:
        """Hold the map of a frame that was followed to, and let go of the one held longest."""
        self.bank = self.bank.with_tracked(frame, memory)
        if frame in self.recent:
            self.recent.remove(frame)
        elif len(self.recent) == self.recent.maxlen:
            gone = self.recent.popleft()
            if gone in self.answers and not self.answers[gone].prompted:
                self.answers[gone] = self.answers[gone].halved()
        self.recent.append(frame)
        self.bank = self.bank.near(self.recent)

    def forget_prompts(self, frame: int) -> bool:
        """Drop the prompts of a frame; what they led to stays, as a frame that was followed to."""
        self.pending.pop(frame, None)
        known = self.prompts.pop(frame, None) is not None
        memory = self.bank.conditioning.get(frame)
        if memory is not None:
            self.bank = self.bank.without(frame)
            self.hold(frame, memory)
            self.directions.pop(frame, None)
        return known or memory is not None


@dataclass(slots=True)
class VideoState:
    """A film and the objects in it."""

    frames: Frames
    model: str  # which network its embeddings and memories are of
    storage: torch.device  # where logits and memories are kept
    # In the order in which they were first prompted.
    objects: dict[int, TrackedObject] = field(default_factory=dict)
    # Of the frames embedded last.
    embeddings: OrderedDict[int, Embedding] = field(default_factory=OrderedDict)

    @property
    def obj_ids(self) -> list[int]:
        """The objects' numbers."""
        return list(self.objects)

    @property
    def num_frames(self) -> int:
        """Length of the film."""
        return len(self.frames)

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` of the film."""
        return self.frames.size
