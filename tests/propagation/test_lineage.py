from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from napari_samv2_prompts.propagation import Lineage, Track

films = st_np.arrays(np.uint8, (6, 3, 4), elements=st.integers(0, 4))


def test_a_cell_that_divides_has_two_daughters():
    labels = np.zeros((5, 8, 8), int)
    labels[:3, 2:6, 2:6] = 7
    labels[3:, 2:6, 0:3] = 8
    labels[3:, 2:6, 5:8] = 9
    lineage = Lineage.of(labels, {8: 7, 9: 7})
    assert lineage.tracks == (Track(7, 0, 2), Track(8, 3, 4, 7), Track(9, 3, 4, 7))
    assert lineage.spots[0].tolist() == [7, 0, 3.5, 3.5]
    assert lineage.parents == {8: 7, 9: 7}


def test_a_parent_that_is_still_there_is_none():
    labels = np.zeros((3, 4, 4), int)
    labels[:, 0] = 1
    labels[1:, 2] = 2
    assert Lineage.of(labels, {2: 1}).parents == {}
    assert Lineage.of(labels, {2: 5}).parents == {}


def test_what_is_marked_below_0_is_no_object():
    labels = np.full((2, 4, 4), -1)
    labels[:, 1:3, 1:3] = 5
    assert Lineage.of(labels).tracks == (Track(5, 0, 1),)


def test_nothing_in_a_film_is_no_track():
    lineage = Lineage.of(np.zeros((2, 4, 4), int))
    assert lineage.tracks == ()
    assert len(lineage.spots) == 0


@settings(max_examples=60, deadline=None)
@given(films)
def test_every_label_on_every_frame_is_a_spot_in_its_middle(labels):
    lineage = Lineage.of(labels)
    rows = {(int(n), int(t)): (y, x) for n, t, y, x in lineage.spots}
    for frame, shown in enumerate(labels):
        for number in set(shown.ravel().tolist()) - {0}:
            at = np.argwhere(shown == number).mean(axis=0)
            assert np.allclose(rows.pop((number, frame)), at)
    assert not rows


@settings(max_examples=60, deadline=None)
@given(films)
def test_without_gaps_every_track_is_on_each_of_its_frames_and_goes_on_as_its_child(labels):
    whole, numbers = Lineage.of(labels).without_gaps()
    there = {(int(n), int(t)) for n, t in whole.spots[:, :2]}
    assert there == {(t.object, at) for t in whole.tracks for at in range(t.first, t.last + 1)}
    renamed = {(numbers.get((n, t), n), t) for t, shown in enumerate(labels)
               for n in set(shown.ravel().tolist()) - {0}}  # fmt: skip
    assert renamed == there
    last = {track.object: track.last for track in whole.tracks}
    assert all(last[t.parent] < t.first for t in whole.tracks if t.parent)


def test_daughters_come_from_the_last_part_of_a_parent_with_a_gap():
    labels = np.zeros((5, 4, 4), int)
    labels[[0, 2], 0, 0] = 1
    labels[3:, 0, 0] = 2
    whole, numbers = Lineage.of(labels, {2: 1}).without_gaps()
    assert numbers == {(1, 2): 3}
    assert whole.tracks == (Track(1, 0, 0), Track(2, 3, 4, 3), Track(3, 2, 2, 1))
