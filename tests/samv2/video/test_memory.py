"""Which frames a frame looks at, against a list written plainly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.samv2.video.memory import Memory, MemoryBank, choose_frames

FRAMES = st.integers(0, 39)


def plainly(
    frame: int, prompted: set[int], followed: set[int], n: int, limit: int | None
) -> tuple[set[tuple[int, int]], set[tuple[float, int]]]:
    """Say it as the paper does, for a film that is gone through forwards."""
    looked_at = set(prompted)
    if limit is not None and limit < len(prompted):
        ahead = {f for f in prompted if f >= frame}
        behind = prompted - ahead
        order = [max(behind)] if behind else []
        order += [min(ahead)] if ahead else []
        order += sorted(sorted(prompted - set(order)), key=lambda f: abs(f - frame))
        looked_at = set(order[:limit])
    others = followed | (prompted - looked_at)
    maps = {(6, f) for f in looked_at}
    maps |= {(d - 1, frame - d) for d in (1, 2, 3, 4, 5, 6) if frame - d in others}
    reach = min(n, 16) - 1
    past = {(frame - f, f) for f in looked_at if f <= frame}
    past |= {(d, frame - d) for d in range(1, reach + 1) if frame - d in others}
    return maps, {(age / max(reach, 1), f) for age, f in past}


@given(FRAMES, st.sets(FRAMES, min_size=1), st.sets(FRAMES), st.none() | st.integers(1, 5))
def test_frames_are_chosen_as_written_plainly(
    frame: int, prompted: set[int], followed: set[int], limit: int | None
) -> None:
    followed = followed - prompted
    chosen = choose_frames(frame, prompted, followed, n_frames=40, limit=limit)
    maps, pointers = plainly(frame, prompted, followed, 40, limit)
    assert (set(chosen.maps), len(chosen.maps)) == (maps, len(maps))
    assert (set(chosen.pointers), len(chosen.pointers)) == (pointers, len(pointers))


@given(FRAMES, st.sets(FRAMES, min_size=1), st.sets(FRAMES), st.integers(40, 60))
def test_backwards_is_forwards_through_the_turned_film(
    frame: int, prompted: set[int], followed: set[int], n: int
) -> None:
    def turned(frames: set[int]) -> set[int]:
        return {n - 1 - f for f in frames}

    followed = followed - prompted
    back = choose_frames(frame, prompted, followed, n_frames=n, reverse=True)
    there = choose_frames(n - 1 - frame, turned(prompted), turned(followed), n_frames=n)
    assert set(back.maps) == {(slot, n - 1 - f) for slot, f in there.maps}
    assert set(back.pointers) == {(age, n - 1 - f) for age, f in there.pointers}


def test_without_a_prompted_frame_there_is_nothing_to_choose() -> None:
    with pytest.raises(ValueError, match="prompt the object on a frame first"):
        choose_frames(3, set(), {1, 2}, n_frames=10)


def memory(score: float = 1.0) -> Memory:
    return Memory(torch.zeros(256), torch.zeros(4, 64, dtype=torch.bfloat16), score)


def test_a_bank_never_changes() -> None:
    first = MemoryBank().with_conditioning(0, memory())
    second = first.with_tracked(1, memory()).with_conditioning(1, memory())
    assert (set(first.conditioning), set(first.tracked)) == ({0}, set())
    assert (set(second.conditioning), set(second.tracked)) == ({0, 1}, set())
    assert set(second.without(0).conditioning) == {1}
    assert set(second.with_tracked(0, memory()).tracked) == set()  # a prompted one stays prompted


def test_a_map_that_was_let_go_of_is_made_again_or_left_out() -> None:
    bank = MemoryBank().with_conditioning(0, memory())
    for frame in (1, 2, 3):
        bank = bank.with_tracked(frame, memory())
    bank = bank.near({3})
    assert [slot for slot, _ in bank.memories(4, n_frames=9).maps] == [6, 0]
    made = []
    memories = bank.memories(4, n_frames=9, again=lambda frame: made.append(frame) or memory())
    assert [slot for slot, _ in memories.maps] == [6, 2, 1, 0]
    assert made == [1, 2]
    assert len(memories.pointers) == 4
