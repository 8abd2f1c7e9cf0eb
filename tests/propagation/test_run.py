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
    current_ends,
    missing,
    partitions_of,
    propagate,
)
from napari_samv2_prompts.propagation.competition import FIRM
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


def test_doubt_is_how_much_a_fitted_mask_differs_from_what_was_followed_and_from_its_neighbours():
    sections = run({7: {4: crop(2, 3)}}, follower=Drifting(fits=True)).sections[7]
    beside = overlap(sections[7].crop, sections[8].crop)
    assert overlap(sections[7].crop, sections[6].crop) == beside
    assert sections[7].doubt == pytest.approx(1 - (5 / 15 + beside) / 2)
    beside = overlap(sections[11].crop, sections[10].crop)  # nothing lies on its other side
    assert sections[11].doubt == pytest.approx(1 - (5 / 10 + 0.9 * beside) / 2)


def test_an_object_that_goes_on_is_found_beyond_its_end_and_one_that_does_not_ends_earlier():
    lost = Drifting(frozenset({(7, 8), (2, 8)}), fits=True)
    found = run({7: {4: crop(2, 3)}, 2: {4: crop(30, 3)}}, follower=lost)
    assert max(found.sections[7]) == 8
    assert str(end_of(found, 7, 4)) == "Object 7 ended at plane 9: not seen."
    assert max(found.sections[2]) == 6
    assert str(end_of(found, 2, 4)) == "Object 2 ended at plane 7: not seen."


def test_an_object_ends_before_a_plane_on_which_it_is_known_not_to_be():
    found = run({2: {4: crop(2, 3), 9: EMPTY}}, follower=Drifting(fits=True))
    assert [plane for plane in sorted(found.sections[2]) if plane > 4] == [5, 6, 7]
    assert end_of(found, 2, 4).plane == 8
    found = run({7: {4: crop(2, 3), 8: EMPTY}}, follower=Drifting(fits=True))
    assert [plane for plane in sorted(found.sections[7]) if plane > 4] == [5, 6, 7]


@pytest.mark.parametrize("fits", [False, True])
def test_an_object_that_comes_back_behind_a_gap_may_end_before_and_after_it(fits):
    anchors = {2: {0: crop(2, 3), 6: EMPTY, 8: crop(2, 3)}}
    found = run(anchors, follower=Drifting(frozenset({(2, 5), (2, 11)}), fits))
    before, after = end_of(found, 2, 0), end_of(found, 2, 8)
    assert (before.plane, after.plane) == (5, 10 if fits else 11)
    assert missing(anchors, found, ALL) == []


def test_an_end_is_out_of_date_once_the_object_is_known_beyond_it():
    anchors = {2: {0: crop(2, 3)}}
    found = run(anchors, follower=Drifting(frozenset({(2, 5)})))
    assert [str(end) for end in current_ends(anchors, found).values()] == [
        "Object 2 ended at plane 5: not seen."
    ]
    assert current_ends({2: {0: crop(2, 3), 7: crop(2, 3)}}, found) == {}


def test_an_object_may_end_on_the_way_to_the_range():
    lost = Drifting(frozenset({(2, 5)}), fits=True)
    found = run({2: {0: crop(2, 3)}}, wanted=Wanted(6, 9), follower=lost)
    assert sorted(found.sections[2]) == [1, 2, 3]
    assert str(end_of(found, 2, 0)) == "Object 2 ended at plane 4: not seen."


def test_an_object_that_goes_on_to_the_last_plane_has_no_end():
    lost = Drifting(frozenset({(7, PLANES - 1)}), fits=True)
    found = run({7: {4: crop(2, 3)}}, follower=lost)
    assert max(found.sections[7]) == PLANES - 1
    assert found.ends == {}


def test_masks_that_are_not_fitted_yet_are_work_to_do():
    anchors = {7: {4: crop(2, 3)}}
    rough = run(anchors, follower=Drifting(fits=True), steps=PLANES - 1)
    assert missing(anchors, rough, ALL) == []
    assert sum(part.size for part in partitions_of(anchors, rough, ALL)) == PLANES - 1
    assert partitions_of(anchors, run(anchors, rough, ALL, Drifting(fits=True)), ALL) == []


def test_what_is_fitted_takes_no_pixel_of_what_stays():
    found = run({1: {4: crop(2, 3)}})
    anchors = {1: {4: crop(2, 3)}, 2: {4: crop(2, 14)}}
    both = run(anchors, found, follower=Drifting(fits=True)).sections
    for plane in set(both[1]) & set(both[2]):
        assert both[1][plane].crop == found.sections[1][plane].crop
        if both[1][plane].doubt < FIRM:
            assert overlap(both[1][plane].crop, both[2][plane].crop) == 0


@settings(max_examples=30, deadline=None)
@given(anchor_sets)
def test_anchors_are_never_among_what_is_found(anchors):
    found = run(anchors)
    assert not any(plane in anchors[n] for n in found.sections for plane in found.sections[n])
