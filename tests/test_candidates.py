"""Choosing among candidates, against lists written plainly."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.candidates import (
    Candidate,
    Candidates,
    Selection,
    box_nms,
    intersection,
)
from napari_samv2_prompts.mask_crops import MaskCrop

SIZE = 24


def candidate(
    top: int, left: int, height: int, width: int, score: float = 0.9, stability: float = 0.9
) -> Candidate:
    mask = np.ones((height, width), bool)
    return Candidate(MaskCrop(top, left, mask), (left, top), score, stability, height * width)


def share(one: Candidate, other: Candidate) -> float:
    full = [item.crop.full((2 * SIZE, 2 * SIZE)) for item in (one, other)]
    return float((full[0] & full[1]).sum() / min(one.area, other.area))


side, place = st.integers(1, SIZE), st.integers(0, SIZE)
scores = st.sampled_from([0.2, 0.5, 0.7, 0.9])
some = st.lists(st.builds(candidate, place, place, side, side, scores, scores), max_size=8)
selections = st.builds(
    Selection,
    min_score=scores,
    min_stability=scores,
    min_area=st.sampled_from([0, 30]),
    max_area=st.sampled_from([100.0, np.inf]),
    max_overlap=st.sampled_from([0.0, 0.15, 0.5]),
    order=st.sampled_from(["best", "wholes", "parts"]),
)


@given(some, selections)
def test_the_choice_is_the_greedy_one_and_parts_may_replace_a_whole(
    found: list[Candidate], selection: Selection
) -> None:
    key = {
        "best": lambda c: -c.score * c.stability,
        "wholes": lambda c: -c.area,
        "parts": lambda c: c.area,
    }[selection.order]
    expected: list[int] = []
    for index in sorted(range(len(found)), key=lambda i: key(found[i])):
        one = found[index]
        if one.score < selection.min_score or one.stability < selection.min_stability:
            continue
        if not selection.min_area <= one.area <= selection.max_area:
            continue
        if all(share(one, found[other]) <= selection.max_overlap for other in expected):
            expected.append(index)
    if selection.order != "best":
        assert Candidates(found).select(selection) == expected
        return
    chosen = Candidates(found).select(selection)
    assert [key(found[i]) for i in chosen] == sorted(key(found[i]) for i in chosen)
    for one, other in combinations(chosen, 2):
        assert share(found[one], found[other]) <= selection.max_overlap
    for gone in set(expected) - set(chosen):
        parts = [found[i] for i in set(chosen) - set(expected) if inside(found[i], found[gone])]
        assert len(parts) > 1
        assert -sum(map(key, parts)) >= -1.5 * key(found[gone])
    if set(chosen) <= set(expected):
        assert chosen == expected


def inside(part: Candidate, whole: Candidate) -> bool:
    return part.area < whole.area and share(part, whole) >= 0.7


def test_a_clump_gives_way_to_the_objects_in_it_that_score_as_well() -> None:
    clump, left, right = (
        candidate(0, 0, 10, 20),
        candidate(0, 0, 10, 9, 0.8),
        candidate(0, 11, 10, 9, 0.8),
    )
    assert Candidates([clump, left, right]).select(Selection()) == [1, 2]


def test_a_whole_stays_when_its_parts_are_doubtful_or_fill_little_of_it() -> None:
    whole = candidate(0, 0, 10, 20)
    doubtful = [candidate(0, column, 10, 9, 0.65) for column in (0, 11)]
    small = [candidate(0, column, 4, 9, 0.85) for column in (0, 11)]
    assert Candidates([whole, *doubtful]).select(Selection()) == [0]
    assert Candidates([whole, *small]).select(Selection()) == [0]


@given(some, some)
def test_it_does_not_matter_when_candidates_come(a: list[Candidate], b: list[Candidate]) -> None:
    grown = Candidates(a)
    grown.extend(b)
    assert grown.select(Selection()) == Candidates([*a, *b]).select(Selection())


@given(some.filter(lambda found: len(found) > 1))
def test_pixels_in_common(found: list[Candidate]) -> None:
    one, other = found[:2]
    full = one.crop.full((2 * SIZE, 2 * SIZE)) & other.crop.full((2 * SIZE, 2 * SIZE))
    assert intersection(one.crop, other.crop) == full.sum()


def test_empty_masks_are_no_candidates() -> None:
    empty = Candidate(MaskCrop(0, 0, np.zeros((0, 0), bool)), (0, 0), 1.0, 1.0, 0)
    assert not len(Candidates([empty]))


@given(
    st.lists(st.tuples(place, place, side, side, st.sampled_from([0.1, 0.5, 0.9])), max_size=12),
    st.sampled_from([0.3, 0.5, 0.7]),
)
def test_box_suppression_is_greedy_by_score(rows: list, threshold: float) -> None:
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], float).reshape(-1, 4)
    values = [row[4] for row in rows]

    def iou(a: np.ndarray, b: np.ndarray) -> float:
        wide, tall = (min(a[k + 2], b[k + 2]) - max(a[k], b[k]) for k in (0, 1))
        common = max(wide, 0) * max(tall, 0)
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
        return common / (sum(areas) - common)

    kept: list[int] = []
    for index in sorted(range(len(rows)), key=lambda i: -values[i]):
        if all(iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    assert box_nms(boxes.astype(np.float32), values, threshold) == kept


@pytest.mark.parametrize("order", ["best", "wholes", "parts"])
def test_choosing_among_a_thousand_again_looks_at_no_mask(
    order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two frames there is no time for that: each pair that meets was compared once."""
    rng = np.random.default_rng(0)
    places = rng.integers(0, 2000, (1000, 2))
    items = [candidate(y, x, 40, 40, rng.random(), 0.9) for y, x in places.tolist()]
    compared = []

    def counted(one: MaskCrop, other: MaskCrop) -> int:
        compared.append((one, other))
        return intersection(one, other)

    monkeypatch.setattr("napari_samv2_prompts.candidates.intersection", counted)
    found = Candidates(items)
    meeting = (np.abs(places[:, None] - places) < 40).all(axis=2).sum() - len(places)
    assert len(compared) == meeting / 2  # of 499 500
    kept = [found.select(Selection(min_score=x, order=order)) for x in np.linspace(0, 1, 10)]
    assert len({len(some) for some in kept}) > 5
    assert len(compared) == meeting / 2


@pytest.mark.parametrize(
    "chosen",
    [{"min_score": 5}, {"max_overlap": -0.1}, {"min_area": -3}, {"min_area": 9, "max_area": 4}],
)
def test_a_selection_that_can_not_be_meant_is_refused(chosen: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(chosen))):
        Selection(**chosen)
