"""A small plane of labels on which masks are painted, and masks for it."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.masks import edits, paint, respect_edits

SHAPE = (9, 11)


class Page:
    """A plane of labels, and the three steps that a result takes on it."""

    def __init__(self, labels=None):
        self.labels = np.zeros(SHAPE, np.uint16) if labels is None else labels.copy()
        self.live, self.rank, self.read_pixels = {}, 0, 0

    def read(self, box):
        top, left, bottom, right = box
        part = self.labels[top:bottom, left:right]
        self.read_pixels += part.size
        return part

    def write(self, masks, policy="keep", kept=frozenset()):
        boxes = [m.box for m in masks.values() if m is not None]
        boxes += [self.live[n].box for n in masks if n in self.live]
        before = respect_edits(self.read, self.live, boxes)
        after = paint(self.read, before, masks, policy, self.rank, kept)
        self.rank += len(masks)
        written = []
        for edit in edits(self.read, before, after):
            assert (self.labels[edit.rows, edit.columns] != edit.values).all()
            self.labels[edit.rows, edit.columns] = edit.values
            written.append(edit)
        self.live = after
        return written


def rectangle(top, left, height, width):
    return MaskCrop(top, left, np.ones((height, width), bool))


@st.composite
def rectangles(draw):
    top, left = draw(st.integers(0, 8)), draw(st.integers(0, 10))
    return rectangle(top, left, draw(st.integers(1, 9 - top)), draw(st.integers(1, 11 - left)))


existing = st.lists(rectangles(), max_size=3).map(
    lambda masks: sum((i * m.full(SHAPE) for i, m in enumerate(masks, 50)), np.zeros(SHAPE, int))
)
