"""What the form is told."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from napari.layers import Labels

from napari_samv2_prompts._qt.reading import _candidates
from napari_samv2_prompts.layers import Chosen


def test_candidates_have_a_colour_with_and_without_labels() -> None:
    result = SimpleNamespace(view=None, masks=None, chosen=0)
    labels = Labels(np.zeros((4, 4), np.uint8))
    for chosen in (Chosen(), Chosen(labels=labels)):
        for number in (0, 1, 255):
            colour = _candidates(result, chosen, number).colour
            assert all(0 <= part <= 255 for part in colour)
