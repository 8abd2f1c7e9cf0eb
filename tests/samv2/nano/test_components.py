"""What stays of a mask in several pieces."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label

from napari_samv2_prompts.samv2.nano.components import drop_unprompted

maps = arrays(np.float32, (9, 12), elements=st.sampled_from([-3.0, 3.0]))
clicks = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 8)), max_size=3)


@given(maps, clicks, st.none() | maps, st.booleans())
def test_pieces_that_are_prompted_stay_and_no_others(logits, places, before, largest) -> None:
    xy = np.array(places, float).reshape(-1, 2)
    left = drop_unprompted(logits, xy, before, largest=largest)
    assert np.array_equal(left[left > 0], logits[left > 0])
    assert np.array_equal(left[logits <= 0], logits[logits <= 0])
    pieces = label(logits > 0, connectivity=2)
    held = set()
    for number in range(1, pieces.max() + 1):
        ys, xs = np.nonzero(pieces == number)
        near = any((abs(ys - y) <= 1) @ (abs(xs - x) <= 1) for x, y in places)
        if near or (before is not None and (before[pieces == number] > 0).any()):
            held.add(number)
    stays = set(pieces[left > 0])
    assert held <= stays
    sizes = np.bincount(pieces.ravel(), minlength=2)[1:]
    if pieces.max() and (largest or not held):
        assert max(sizes[number - 1] for number in stays) == sizes.max()
        assert len(stays - held) <= 1
    else:
        assert stays == held


def test_dropped_cells_lie_below_the_threshold() -> None:
    logits = np.full((5, 9), -1.0, np.float32)
    logits[2, 1] = logits[2, 7] = 9.0
    left = drop_unprompted(logits, np.array([[1, 2]]), None, largest=False, threshold=5.0)
    assert left[2, 1] == 9.0
    assert left[2, 7] < 5.0
