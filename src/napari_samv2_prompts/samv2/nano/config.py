"""The shape of this project's own model, as a row of the table of models.  No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from napari_samv2_prompts.samv2.modeling.config import Variant

SIDE_STEP = 64
"""Sides of larger squares are multiples of this many pixels."""
ENLARGED = 1.25
"""Sides of an image that its square has if it counts as enlarged."""
PROMPT_MAPS = 11
"""Maps drawn of each prompt: clicks, box and logits (4), similarity (4), geodesic (2), ellipse."""


@dataclass(frozen=True, slots=True)
class NanoVariant(Variant):
    """A published shape, and what :class:`.NanoNetwork` adds to it.

    - `.largest_input`: images larger than ``input_size`` get a larger square, up to this side
    - `.descriptors`: learnt channels in which cells are compared with the prompted places, besides
      the three colours (see :func:`.draw_similarity`)
    - `.window`: side in pixels, of the input, of the smallest square around a prompt that is
      decoded, see :mod:`.windows`; and of the smallest copy of a picture
    - `.refine_8`, `.refine_4`: dilations of the convolutions in the decoder's upscaling, at strides
      8 and 4, see :mod:`.refinement`
    - `.mask_scores`: hidden width of what judges masks by their looks, see :mod:`.mask_scores`
    - `.scale_scores`: hidden width of what judges masks across scales, see :mod:`.scale_scores`
    - `.box_blend`: hidden width of what judges the masks of a box, see :mod:`.box_blend`
    """

    largest_input: int = 0
    descriptors: int = 5
    window: int = 192
    refine_8: tuple[int, ...] = (1, 2, 4)
    refine_4: tuple[int, ...] = (1, 2)
    mask_scores: int = 64
    scale_scores: int = 24
    box_blend: int = 24

    def side_for(self, height: int, width: int) -> int:
        """Side of the square that an image of this size is resized to, in pixels."""
        own = -(-max(height, width) // SIDE_STEP) * SIDE_STEP
        return max(self.input_size, min(own, self.largest_input))

    def looks_closer(self, height: int, width: int) -> bool:
        """Whether pixels of an image of a size are kept to look closer (:mod:`.closer`).

        An image that is enlarged already shows nothing more.
        """
        return self.side_for(height, width) < ENLARGED * max(height, width)

    def pyramid(self, side: int) -> tuple[int, ...]:
        """Sides of the smaller copies of a square: each half the one before, a window's last.

        A copy that is less than twice as large as the last one is left out.
        """
        sides = []
        while side > self.window:
            half = side // 2 // SIDE_STEP * SIDE_STEP
            side = half if half >= 2 * self.window else self.window
            sides.append(side)
        return tuple(sides)

    @property
    def largest_side(self) -> int:
        """Side of the largest square that an image is resized to, in pixels."""
        return max(self.input_size, self.largest_input)


NANO = NanoVariant(
    "nano",
    "own",
    embed_dim=48,
    heads=1,
    blocks=(1, 2, 4, 1),
    global_blocks=(4, 6),
    windows=(8, 8, 8, 8),
    position_size=8,
    input_size=512,
    largest_input=1024,
    width=128,
    decoder_heads=4,
    decoder_mlp=512,
    score_width=128,
)
"""The bundled model."""
