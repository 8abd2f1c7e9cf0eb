"""The doubt of planes, by which they are looked at."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import Section, doubts_of_planes

DOT = MaskCrop(0, 0, np.ones((1, 1), bool))


def sections(doubts: dict[int, float]) -> dict[int, Section]:
    return {plane: Section(DOT, 0.9, doubt, (None, None)) for plane, doubt in doubts.items()}


def test_a_plane_beside_a_doubtful_one_is_more_doubtful_than_one_alone() -> None:
    found = doubts_of_planes(sections({1: 0.5, 2: 0.25, 3: 0.25, 7: 0.5}))
    assert found == {1: 0.375, 2: 0.375, 3: 0.25, 7: 0.25}


@given(st.dictionaries(st.integers(0, 9), st.floats(0, 1)))
def test_it_is_a_doubt_and_never_less_than_half_of_its_own(doubts: dict[int, float]) -> None:
    found = doubts_of_planes(sections(doubts))
    assert found.keys() == doubts.keys()
    for plane, doubt in found.items():
        assert doubts[plane] / 2 <= doubt <= 1
