"""Networks small enough to be made and run in milliseconds."""

from __future__ import annotations

from napari_samv2_prompts.samv2.modeling.config import Variant

MINI = Variant(
    "mini", "own", 16, 1, (1, 1, 2, 1), (3,), (4, 4, 4, 2), input_size=128,
    width=32, decoder_heads=2, decoder_mlp=32, score_width=32,
)  # fmt: skip
"""Of the published shape."""
