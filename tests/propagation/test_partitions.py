"""What is followed in partitions: the same as in one go, in any order, interrupted anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.propagation.fakes import Drifting, crop

from napari_samv2_prompts.propagation import (
    Found,
    Wanted,
    partitions,
    partitions_of,
    propagate,
    propagate_partitions,
)

PLANES = 9
ANCHORS = st.dictionaries(
    st.integers(1, 6),
    st.dictionaries(st.integers(0, PLANES - 1), st.integers(0, 40), min_size=1, max_size=3),
    min_size=1,
).map(lambda known: {n: {p: crop(10 * n, at) for p, at in of.items()} for n, of in known.items()})
GONE = st.frozensets(st.tuples(st.integers(1, 6), st.integers(0, PLANES - 1)), max_size=4)
WANTED = st.builds(
    Wanted, st.integers(0, 4), st.integers(4, PLANES - 1),
    st.sampled_from(["forward", "back", "both"]),
)  # fmt: skip


def values(filled) -> dict:
    """Return all that was found, as values that can be compared."""
    found: dict = {}
    for part in filled:
        for number, section in part.sections.items():
            told = section.crop.box, section.score, section.doubt, section.between
            stage = "followed" if section.rough else "final"
            assert found.setdefault((number, part.plane, stage), told) == told
        for end in part.ends:
            found["end", end.object, end.way] = end
    return found


@given(ANCHORS, GONE, WANTED)
def test_a_group_in_partitions_is_the_group_in_one_go(anchors, gone, wanted) -> None:
    whole = values(propagate(Drifting(gone), anchors, Found(), wanted))
    parts = partitions_of(anchors, Found(), wanted)
    assert values(propagate_partitions(Drifting(gone), parts)) == whole


@given(ANCHORS, GONE, WANTED, st.randoms(use_true_random=False), st.integers(0, 60), st.booleans())
def test_neither_order_nor_an_interrupt_makes_a_difference(
    anchors, gone, wanted, random, steps, fits
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "GROUP", 2)
        parts = partitions_of(anchors, Found(), wanted)
        whole = values(propagate_partitions(Drifting(gone, fits), parts))
        random.shuffle(parts)
        one_by_one = [
            f for part in parts for f in propagate_partitions(Drifting(gone, fits), [part])
        ]
        assert values(one_by_one) == whole
        found, kept = Found(), []
        for filled, _ in zip(
            propagate_partitions(Drifting(gone, fits), parts), range(steps), strict=False
        ):
            found.add(filled)
            kept.append(filled)
        rest = propagate_partitions(Drifting(gone, fits), partitions_of(anchors, found, wanted))
        assert values([*kept, *rest]) == whole


@pytest.mark.parametrize(("shown", "first"), [(2, {1, 2, 3}), (6, {5, 6, 7}), (9, {9})])
def test_planes_between_which_the_shown_one_lies_come_first(shown, first) -> None:
    anchors = {n: {p: crop(10 * n, p) for p in (0, 4, 8)} for n in (1, 2)}
    wanted = Wanted(0, 9, shown=shown)
    parts = propagate_partitions(Drifting(), partitions_of(anchors, Found(), wanted))
    planes = list(dict.fromkeys(filled.plane for filled in parts))
    assert set(planes[: len(first)]) == first


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900)), min_size=1, max_size=300))
def test_each_object_is_in_one_group_of_a_few_that_lie_together(places) -> None:
    anchors = {n: {0: crop(*place)} for n, place in enumerate(places, 1)}
    groups = [part.wanted.objects for part in partitions_of(anchors, Found(), Wanted(0, 3))]
    assert sorted(n for group in groups for n in group) == list(anchors)
    assert max(map(len, groups)) <= partitions.GROUP
    if len(places) > partitions.GROUP:
        assert min(map(len, groups)) >= partitions.GROUP // 2


def test_planes_are_cut_where_the_whole_group_is_known() -> None:
    anchors = {1: {0: crop(0, 0), 4: crop(0, 4)}, 2: {4: crop(20, 4), 6: crop(20, 6)}}
    ranges = [
        (s.wanted.first, s.wanted.last) for s in partitions_of(anchors, Found(), Wanted(0, 8))
    ]
    assert ranges == [(0, 4), (4, 8)]
