"""A pass through a film: which frames it goes through, and what is done on each of them.

Objects stand at the same frame at the same time, so that its embedding serves all of them.  A
:class:`Follower` reads and changes a :class:`.VideoState`.

Not here: arguments and results of the predictor (``video_predictor.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_samv2_prompts.samv2.inference.embedding import Embedding

from .memory import Memories, Memory
from .state import Answer, PointPrompts, TrackedObject, VideoState
from .track import Tracker
from .tracked import Tracked

_FED_BACK = 32.0  # logits are cut to this before they are fed back


def order_of(
    start: int, n_frames: int, max_frames: int | None = None, *, reverse: bool = False
) -> range:
    """Return the frames of a pass, as published.

    The range includes ``start + max_frames``; backwards from frame 0 there is nothing.

    Raises ValueError if ``max_frames`` is below 0.
    """
    if max_frames is not None and max_frames < 0:
        raise ValueError(f"max_frame_num_to_track is {max_frames}, below 0.")
    longest = n_frames if max_frames is None else max_frames
    if not reverse:
        return range(start, min(start + longest, n_frames - 1) + 1)
    return range(start, max(start - longest, 0) - 1, -1) if start > 0 else range(0)


def each_within(
    context: Callable[[], AbstractContextManager[object]], steps: Iterator[int]
) -> Iterator[int]:
    """Go through steps, each worked out in a context that whoever asks for them is not in."""
    while True:
        with context():
            step = next(steps, None)
        if step is None:
            return
        yield step


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows the objects of a state with a network."""

    tracker: Tracker
    embed: Callable[[VideoState, int], Embedding]  # returns the embedding of a frame of a state

    def memories(
        self, state: VideoState, item: TrackedObject, frame: int, *, reverse: bool
    ) -> Memories:
        """Return what an object's frame looks at; maps that were let go of are made again."""

        def again(other: int) -> Memory:
            answer = item.answers[other]
            pointer = item.bank.tracked[other].pointer
            known = Tracked(answer.logits.float(), answer.score, answer.object_score, pointer)
            embedding = self.embed(state, other)
            (memory,) = self.tracker.remember(embedding, [known], hard=answer.prompted)
            item.hold(other, _moved(memory, state.storage))
            return memory

        return item.bank.memories(frame, n_frames=state.num_frames, reverse=reverse, again=again)

    def answer(
        self, state: VideoState, item: TrackedObject, frame: int, prompts: PointPrompts
    ) -> Tracked:
        """Answer clicks and a box, with memory where the frame was followed to.

        Logits that the object has on the frame already are fed back.
        """
        memories = None
        if frame in item.directions and item.bank.conditioning:
            memories = self.memories(state, item, frame, reverse=item.directions[frame])
        embedding = self.embed(state, frame)
        coords = torch.from_numpy(prompts.coords * np.float32(embedding.input_size))
        previous = item.logits(frame)
        if previous is not None:
            previous = previous.float().clamp(-_FED_BACK, _FED_BACK)
        labels = torch.from_numpy(prompts.labels)
        return self.tracker.prompt(embedding, coords, labels, previous, memories)

    def remember_prompts(self, state: VideoState) -> None:
        """Make memories of all answers to prompts that have none yet."""
        for item in state.objects.values():
            for frame, (tracked, conditioning) in list(item.pending.items()):
                embedding = self.embed(state, frame)
                (memory,) = self.tracker.remember(embedding, [tracked], hard=True)
                answer = Answer.of(tracked, state.storage, prompted=True)
                memory = _moved(memory, state.storage)
                item.keep(frame, answer, memory, conditioning=conditioning)
                del item.pending[frame]

    def approach(self, state: VideoState, order: range, *, reverse: bool) -> dict[int, int]:
        """Follow objects that are first prompted ahead of a pass back to where it starts.

        Returns, for each of those objects, the frame up to which the pass has its answers already.
        """
        start = order[0]
        step = order.step
        ahead = {}
        for number, item in state.objects.items():
            distances = [(frame - start) * step for frame in item.bank.conditioning]
            if min(distances) > 0:
                ahead[number] = start + step * min(distances)
        farthest = max(((frame - start) * step for frame in ahead.values()), default=0)
        for distance in range(farthest - 1, -1, -1):
            frame = start + step * distance
            due = [n for n, first in ahead.items() if (first - frame) * step > 0]
            self.advance(state, due, frame, reverse=not reverse)
        return ahead

    def go(
        self, state: VideoState, order: range, *, reverse: bool, both_ways: bool
    ) -> Iterator[int]:
        """Go through frames, and say when each of them is done."""
        known = self.approach(state, order, reverse=reverse) if both_ways and order else {}
        for frame in order:
            due = [
                number
                for number, item in state.objects.items()
                if number not in known or (frame - known[number]) * order.step >= 0
            ]
            self.advance(state, due, frame, reverse=reverse)
            yield frame

    def advance(
        self, state: VideoState, numbers: Sequence[int], frame: int, *, reverse: bool
    ) -> None:
        """Follow some of the objects to a frame; prompted ones have their answer."""
        items = [state.objects[number] for number in numbers]
        due = [item for item in items if frame not in item.bank.conditioning]
        if due:
            wanted = [self.memories(state, item, frame, reverse=reverse) for item in due]
            embedding = self.embed(state, frame)
            found = self.tracker.track(embedding, wanted)
            memories = self.tracker.remember(embedding, found, hard=False)
            for item, tracked, memory in zip(due, found, memories, strict=True):
                answer = Answer.of(tracked, state.storage, prompted=False)
                item.keep(frame, answer, _moved(memory, state.storage), conditioning=False)
        for item in items:
            item.directions[frame] = reverse


def _moved(memory: Memory, device: torch.device) -> Memory:
    """Return a memory with its map on a device; pointers are small and stay."""
    assert memory.features is not None
    return replace(memory, features=memory.features.to(device))
