"""A stand-in for the network, for what is run as a user types it."""

from __future__ import annotations

from math import ceil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts import samv2
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import ItemMasks, Masks, PromptBatch

if TYPE_CHECKING:
    import pytest


class Embedded(SimpleNamespace):
    """Of a picture, its size alone."""

    def halved(self) -> Embedded:
        return self


class BoxPredictor:
    """Answers each prompt with its box, or a 3 x 3 square around its first click."""

    device_reason = "a stand-in"
    variant = SimpleNamespace(name="stand-in")
    made: list[tuple] = []  # noqa: RUF012 - emptied by the fixture

    def __init__(self, model=None, *, checkpoint=None, device="auto") -> None:
        self.made.append((model, checkpoint, device))

    def embed(self, image):
        return Embedded(size=image.shape[:2], logits_size=64)

    def decode(self, embedding, batch: PromptBatch) -> Masks:
        assert all(prompt.mask_box is None for prompt in batch)
        return Masks(tuple(self._item(prompt) for prompt in batch), embedding.size)

    def _item(self, prompt) -> ItemMasks:
        if prompt.box is None:
            x, y = (int(value) for value in prompt.points[0])
            left, top, right, bottom = x - 1, y - 1, x + 2, y + 2
        else:
            left, top, right, bottom = map(ceil, prompt.box)  # the pixels with their centre in it
        crop = MaskCrop(top, left, np.ones((bottom - top, right - left), bool))
        logits = np.zeros((1, 4, 4), np.float32)
        return ItemMasks(prompt.object, (crop,), np.ones(1, np.float32), logits, 0.0)


def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[BoxPredictor]:
    """Have it answer in place of any model."""
    monkeypatch.setattr(samv2, "SAMV2ImagePredictor", BoxPredictor, raising=False)
    monkeypatch.setattr(BoxPredictor, "made", [])
    return BoxPredictor
