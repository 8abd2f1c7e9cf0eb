"""What is remembered of an object through a film, and which of it a frame looks at.

Values: a bank never changes, it is followed by another.  Which frames are chosen is a matter of
numbers alone (:func:`choose_frames`); Ravi et al., *SAM 2* (2024), section 4, with the published
configuration.  Frames lie *behind* where the direction of travel comes from.

Not here: what memories are made of (``track.py``), films and prompts
(``video_predictor.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

REACH = 6
"""Frames behind the current one whose maps are looked at."""
POINTERS = 16
"""Frames, the current one among them, whose pointers are looked at."""
CONDITIONING_SLOT = REACH
"""Temporal slot of conditioning frames, whatever their distance; the others count from 0."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is remembered of one object on one frame."""

    pointer: Tensor  # shape (C,): stands for the object itself
    # Shape (M, 64): the frame's map with the object's mask in it.  None: let go of, since it lies
    # far behind.
    features: Tensor | None
    object_score: float  # positive when the object is there

    def without_features(self) -> Memory:
        """Return what is left when the map is let go of."""
        return replace(self, features=None)


@dataclass(frozen=True, slots=True)
class ChosenFrames:
    """Which frames a frame looks at."""

    # Temporal slot and frame: 0 to 5 for one to six frames behind, 6 for conditioning frames.
    maps: tuple[tuple[int, int], ...]
    pointers: tuple[tuple[float, int], ...]  # age as a share of the longest reach, and frame


@dataclass(frozen=True, slots=True, eq=False)
class Memories:
    """What a frame looks at: as :class:`ChosenFrames`, with memories in place of frames."""

    maps: tuple[tuple[int, Memory], ...]
    pointers: tuple[tuple[float, Memory], ...]

    @property
    def shape(self) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Slots and ages: objects in which these are the same are tracked together."""
        return tuple(slot for slot, _ in self.maps), tuple(age for age, _ in self.pointers)


def _nearest(frame: int, conditioning: Collection[int], limit: int | None) -> list[int]:
    """Return at most ``limit`` conditioning frames: nearest before, at or after, then the rest."""
    frames = sorted(conditioning)
    if limit is None or len(frames) <= limit:
        return frames
    before, after = [f for f in frames if f < frame], [f for f in frames if f >= frame]
    first = [*before[-1:], *after[:1]]
    rest = sorted((f for f in frames if f not in first), key=lambda f: abs(f - frame))
    return [*first, *rest][:limit]


def choose_frames(
    frame: int,
    conditioning: Collection[int],
    tracked: Container[int],
    *,
    n_frames: int,
    reverse: bool = False,
    limit: int | None = None,
) -> ChosenFrames:
    """Choose the frames that a frame looks at.

    - `conditioning`: prompted frames; all of them are looked at, those ahead too
    - `tracked`: frames with an answer that was not prompted
    - `n_frames`: length of the film
    - `reverse`: whether the film is gone through backwards
    - `limit`: look at this many conditioning frames at most; others count as tracked ones
    - raises ValueError if there is no conditioning frame, or the limit is below 1
    """
    if not conditioning:
        raise ValueError("Nothing is remembered yet: prompt the object on a frame first.")
    if limit is not None and limit < 1:
        raise ValueError(f"At least one conditioning frame has to be looked at, not {limit}.")
    chosen = _nearest(frame, conditioning, limit)
    step = 1 if reverse else -1
    rest = set(conditioning) - set(chosen)

    def behind(distance: int) -> int | None:
        other = frame + step * distance
        return other if other in tracked or other in rest else None

    near = ((distance - 1, behind(distance)) for distance in range(REACH, 0, -1))
    maps = [(CONDITIONING_SLOT, f) for f in chosen]
    maps += [(slot, f) for slot, f in near if f is not None]
    longest = min(n_frames, POINTERS) - 1
    ages = [((f - frame) * step, f) for f in chosen if (f - frame) * step >= 0]
    ages += [(d, f) for d in range(1, longest + 1) if (f := behind(d)) is not None]
    pointers = tuple((age / max(1, longest), f) for age, f in ages)
    return ChosenFrames(tuple(maps), pointers)


def _nothing() -> Mapping[int, Memory]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class MemoryBank:
    """All that is remembered of one object, by frame."""

    # Frames that were prompted.
    conditioning: Mapping[int, Memory] = field(default_factory=_nothing)
    # Frames that were not; the other's frames are not among them.
    tracked: Mapping[int, Memory] = field(default_factory=_nothing)
    limit: int | None = None  # see :func:`choose_frames`

    def with_conditioning(self, frame: int, memory: Memory) -> MemoryBank:
        """Return the bank with a prompted frame, in place of what it knew of that frame."""
        bank = self.without(frame)
        return replace(bank, conditioning={**bank.conditioning, frame: memory})

    def with_tracked(self, frame: int, memory: Memory) -> MemoryBank:
        """Return the bank with a frame that was not prompted; a prompted one stays what it is."""
        if frame in self.conditioning:
            return self
        return replace(self, tracked={**self.tracked, frame: memory})

    def without(self, frame: int) -> MemoryBank:
        """Return the bank without what it knew of a frame."""
        conditioning, tracked = (
            {f: memory for f, memory in side.items() if f != frame}
            for side in (self.conditioning, self.tracked)
        )
        return replace(self, conditioning=conditioning, tracked=tracked)

    def near(self, frames: Container[int]) -> MemoryBank:
        """Return the bank with maps of conditioning frames and these others only."""
        tracked = {
            f: memory if f in frames else memory.without_features()
            for f, memory in self.tracked.items()
        }
        return replace(self, tracked=tracked)

    def choose(self, frame: int, *, n_frames: int, reverse: bool = False) -> ChosenFrames:
        """Choose the frames that a frame looks at, see :func:`choose_frames`."""
        return choose_frames(
            frame,
            self.conditioning,
            self.tracked,
            n_frames=n_frames,
            reverse=reverse,
            limit=self.limit,
        )

    def memories(
        self,
        frame: int,
        *,
        n_frames: int,
        reverse: bool = False,
        again: Callable[[int], Memory] | None = None,
    ) -> Memories:
        """Return what a frame looks at.

        - `n_frames`: length of the film, or the number of planes
        - `reverse`: whether it is gone through backwards
        - `again`: makes the memory of a frame again whose map was let go of.  Without it such a
          frame counts for its pointer only.
        """
        chosen = self.choose(frame, n_frames=n_frames, reverse=reverse)
        known = {**self.tracked, **self.conditioning}
        maps = []
        for slot, other in chosen.maps:
            memory = known[other]
            if memory.features is None and again is not None:
                memory = again(other)
            if memory.features is not None:
                maps.append((slot, memory))
        return Memories(tuple(maps), tuple((age, known[f]) for age, f in chosen.pointers))
