from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import (
    Found,
    Wanted,
    current,
    missing,
    propagate,
)
from napari_samv2_prompts.propagation.patches import overlap

from .fakes import Drifting, crop

PLANES = 12
ALL = Wanted(0, PLANES - 1)
EMPTY = MaskCrop(0, 0, np.zeros((0, 0), bool))

anchor_sets = st.dictionaries(
    st.integers(1, 4),
    st.dictionaries(
        st.integers(0, PLANES - 1),
        st.one_of(st.just(EMPTY), st.builds(crop, st.integers(0, 9), st.integers(0, 9))),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=4,
)
directions = st.sampled_from(["forward", "back", "both"])


def run(anchors, found=None, wanted=ALL, follower=None, steps=None):
    found = Found() if found is None else found.copy()
    for count, filled in enumerate(propagate(follower or Drifting(), anchors, found, wanted)):
        if steps is not None and count == steps:
            break
        found.add(filled)
    return found


def end_of(found, number, source):
    """The end beyond an anchor, to higher planes."""
    (end,) = (e for e in found.ends.values() if e.object == number and e.between[0][0] == source)
    return end


def told(anchors, found):
    """All that is known, as comparable values."""
    return {
        (number, plane): (s.crop.box, s.crop.mask.tobytes(), s.score, s.doubt, s.between)
        for number, sections in current(anchors, found).items()
        for plane, s in sections.items()
    }


def test_one_anchor_fills_the_range_both_ways():
    found = run({7: {4: crop(2, 3)}})
    assert sorted(found.sections[7]) == [p for p in range(PLANES) if p != 4]
    assert found.sections[7][6].crop.box == (2, 5, 6, 10)
    assert found.sections[7][2].crop.box == (2, 5, 6, 10)


@pytest.mark.parametrize(("direction", "planes"), [("forward", range(5, 9)), ("back", range(2, 4))])
def test_a_direction_and_a_range_are_kept_to(direction, planes):
    found = run({7: {4: crop(2, 3)}}, wanted=Wanted(2, 8, direction))
    assert sorted(found.sections[7]) == list(planes)


@pytest.mark.parametrize(
    ("first", "last", "planes"),
    [(6, 8, range(5, 9)), (0, 2, range(4)), (6, 6, range(5, 7)), (4, 4, ())],
)
def test_a_range_beyond_an_anchor_is_reached_from_it(first, last, planes):
    found = run({7: {4: crop(2, 3)}}, wanted=Wanted(first, last))
    assert sorted(found.sections.get(7, ())) == list(planes)


def test_only_the_named_objects_are_followed():
    anchors = {1: {4: crop(0, 0)}, 2: {4: crop(20, 20)}}
    assert set(run(anchors, wanted=Wanted(0, 8, objects=frozenset({2}))).sections) == {2}


def test_objects_of_a_plane_are_followed_together():
    follower = Drifting()
    run({n: {4: crop(9 * n, 0)} for n in (1, 2, 3)}, follower=follower)
    assert follower.asked[0] == (5, (1, 2, 3))


def test_an_object_that_is_not_seen_ends_with_plane_and_reason():
    found = run({7: {4: crop(2, 3)}}, follower=Drifting(frozenset({(7, 8)})))
    assert str(end_of(found, 7, 4)) == "Object 7 ended at plane 8: not seen."
    assert max(found.sections[7]) == 7
    assert missing({7: {4: crop(2, 3)}}, found, Wanted(0, PLANES - 1)) == []


def test_an_object_is_followed_to_the_end_if_it_may_not_be_lost():
    wanted = Wanted(0, PLANES - 1, stop_when_lost=False)
    found = run({7: {4: crop(2, 3)}}, wanted=wanted, follower=Drifting(frozenset({(7, 8)})))
    assert max(found.sections[7]) == PLANES - 1


def test_between_anchors_every_plane_is_filled_even_where_both_sides_lost_it():
    lost = Drifting(frozenset((7, plane) for plane in range(3, 8)))
    found = run({7: {2: crop(2, 3), 8: crop(2, 9)}}, follower=lost)
    assert set(range(3, 8)) <= set(found.sections[7])
    assert all(found.sections[7][plane].doubt >= 0.9 for plane in range(3, 8))


def test_where_both_sides_agree_there_is_less_doubt_than_where_they_do_not():
    # Drifting right on the way up and on the way down: apart by the planes between.
    apart = run({1: {2: crop(2, 30), 8: crop(2, 0)}}).sections[1][5]
    same = run({1: {2: crop(2, 3), 8: crop(2, 3)}}).sections[1][5]
    assert same.doubt < apart.doubt


def test_an_empty_anchor_ends_an_object():
    found = run({7: {4: crop(2, 3), 8: EMPTY}})
    assert sorted(found.sections[7]) == [0, 1, 2, 3, 5, 6, 7]


@settings(max_examples=60, deadline=None)
@given(anchor_sets, directions, st.integers(0, 60), st.booleans())
def test_stopping_and_going_on_is_the_same_as_never_having_stopped(anchors, direction, steps, fits):
    wanted = Wanted(1, PLANES - 2, direction)
    gone = frozenset({(1, 7), (2, 3), (3, 5)})
    whole = run(anchors, wanted=wanted, follower=Drifting(gone, fits))
    half = run(anchors, wanted=wanted, follower=Drifting(gone, fits), steps=steps)
    rest = run(anchors, half, wanted, Drifting(gone, fits))
    assert told(anchors, rest) == told(anchors, whole)
    assert rest.ends == whole.ends
    assert missing(anchors, rest, wanted) == []


@settings(max_examples=60, deadline=None)
@given(anchor_sets, directions, st.integers(0, PLANES - 1), st.integers(0, 30))
def test_which_plane_is_shown_changes_nothing_that_is_found(anchors, direction, shown, steps):
    gone = frozenset({(1, 7), (2, 3), (3, 5)})
    plain, looked_at = Wanted(1, 10, direction), Wanted(1, 10, direction, shown=shown)
    whole = run(anchors, wanted=plain, follower=Drifting(gone))
    half = run(anchors, wanted=looked_at, follower=Drifting(gone), steps=steps)
    rest = run(anchors, half, Wanted(1, 10, direction, shown=PLANES - 1 - shown), Drifting(gone))
    assert told(anchors, rest) == told(anchors, whole)
    assert rest.ends == whole.ends


@pytest.mark.parametrize(
    ("known", "shown", "first"),
    [((4,), 1, [3, 2, 1, 0]), ((4,), 7, [5, 6, 7, 8]), ((1, 4, 9), 0, [0]), ((1, 4, 9), 11, [10])],
)
def test_what_holds_the_shown_plane_is_done_first(known, shown, first):
    anchors = {n: {p: crop(9 * n, p) for p in known} for n in (1, 2)}
    wanted = Wanted(0, PLANES - 1, shown=shown)
    planes = [filled.plane for filled in propagate(Drifting(), anchors, Found(), wanted)]
    assert planes[: len(first)] == first
    assert set(planes) == set(range(PLANES)) - set(known)


@settings(max_examples=60, deadline=None)
@given(anchor_sets, st.integers(0, PLANES - 1), st.integers(0, 9), st.booleans())
def test_a_correction_redoes_the_two_stretches_beside_it_and_no_more(anchors, plane, left, fits):
    found = run(anchors, follower=Drifting(fits=fits))
    number = min(anchors)
    before = told(anchors, found)
    corrected = anchors | {number: dict(anchors[number]) | {plane: crop(3, left)}}
    neighbours = [p for p in anchors[number] if p != plane]
    low = max((p for p in neighbours if p < plane), default=-1)
    high = min((p for p in neighbours if p > plane), default=PLANES)
    follower = Drifting(fits=fits)
    after = told(corrected, run(corrected, found, follower=follower))
    for (n, at), value in before.items():
        if n != number or not low < at < high:
            assert after[n, at] == value
    assert {n for _, numbers in follower.asked for n in numbers} <= {number}
    assert all(low < at < high for at, _ in follower.asked)


def test_what_was_followed_is_fitted_in_the_end():
    plain = run({7: {4: crop(2, 3)}}).sections[7]
    fitted = run({7: {4: crop(2, 3)}}, follower=Drifting(fits=True)).sections[7]
    assert fitted.keys() == plain.keys()
    for plane, section in fitted.items():
        width = 5 * sum(0 <= plane + step < PLANES for step in (-1, 0, 1))
        assert section.crop.mask.shape == (4, width)
        assert section.followed.box == plain[plane].crop.box
        assert not section.rough


def test_doubt_is_how_much_a_fitted_mask_differs_from_what_is_known_around_it():
    """From what was followed, from its neighbours, and what is fitted to anchors from those."""
    anchor = crop(2, 3)
    sections = run({7: {4: anchor}}, follower=Drifting(fits=True)).sections[7]
    held = overlap(anchor, crop(2, 4, 4, 15))  # what the fake fits on the anchor's plane
    beside = overlap(sections[7].crop, sections[8].crop)
    assert overlap(sections[7].crop, sections[6].crop) == beside
    assert sections[7].doubt == pytest.approx(1 - ((5 / 15 + 2 * beside) / 3 + held) / 2)
    beside = overlap(sections[11].crop, sections[10].crop)  # nothing lies on its other side
    assert sections[11].doubt == pytest.approx(1 - ((5 / 10 + 2 * 0.9 * beside) / 3 + held) / 2)


def test_a_fitted_mask_is_judged_by_what_is_left_of_it_beside_others():
    anchor, others = crop(2, 3), {plane: crop(2, 9) for plane in range(PLANES)}
    sections = run({7: {4: anchor}, 9: others}, follower=Drifting(fits=True)).sections[7]
    there = {plane: section.crop for plane, section in sections.items()} | {4: anchor}
    assert there[7].area < np.prod(there[7].mask.shape)  # the other's pixels are gone
    followed = overlap(sections[7].followed, there[7])
    beside = min(overlap(there[7], there[6]), overlap(there[7], there[8]))
    width = 3 * 5 + 3 * 5  # what the fake fits on the anchor's plane: both objects', and beside it
    held = overlap(anchor, crop(2, 4, 4, width))
    assert sections[7].doubt == pytest.approx(1 - ((followed + 2 * beside) / 3 + held) / 2)
