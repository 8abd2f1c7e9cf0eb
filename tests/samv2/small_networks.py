"""Networks small enough to be made and run in milliseconds."""

from __future__ import annotations

from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.nano.config import NanoVariant

MINI = Variant(
    "mini", "own", 16, 1, (1, 1, 2, 1), (3,), (4, 4, 4, 2), input_size=128,
    width=32, decoder_heads=2, decoder_mlp=32, score_width=32,
)  # fmt: skip
"""Of the published shape."""

DRAWN = NanoVariant(
    "drawn", "own", 16, 1, (1, 1, 2, 1), (3,), (4, 4, 4, 2), input_size=128,
    width=32, decoder_heads=2, decoder_mlp=32, score_width=32,
    largest_input=256, window=64, refine_8=(1, 2), refine_4=(1,),
)  # fmt: skip
"""Of the kind of ``nano``: prompts are drawn, and windows around them decoded."""
