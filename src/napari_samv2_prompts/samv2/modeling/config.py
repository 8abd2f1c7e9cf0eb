"""The shape of a network: everything :mod:`.network` needs to know to build itself.

No torch here, so that a list of models can be shown before torch is imported.  The table of all
models is :mod:`napari_samv2_prompts.samv2.weights.variants`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variant:
    """The shape of one model."""

    size: str  # short name: ``"tiny"``, ``"small"``, ``"base_plus"`` or ``"large"``
    # ``"2.0"`` or ``"2.1"`` for the published sizes.  The image path has the same shape in both.
    version: str
    # Channels and attention heads of the trunk's first stage; both double at each stage.
    embed_dim: int
    heads: int
    # Transformer blocks per stage (strides 4, 8, 16, 32).
    blocks: tuple[int, int, int, int]
    # Indices, counted over all stages, of blocks that attend over the whole image.
    global_blocks: tuple[int, ...]
    # Side of the attention windows per stage, in tokens.
    windows: tuple[int, int, int, int]
    # Side of the learnt background position map, which is interpolated to the token grid.
    position_size: int = 7
    # Side in pixels of the square every image is resized to.  A multiple of 32.
    input_size: int = 1024
    # Levels of the neck (0 is stride 4) that add the next coarser level.
    top_down_levels: tuple[int, ...] = (2, 3)
    width: int = 256  # channels of the embedding, of prompt tokens and of the decoder
    # Heads, hidden width and layers of the two-way transformer.
    decoder_heads: int = 8
    decoder_mlp: int = 2048
    decoder_depth: int = 2
    score_width: int = 256  # hidden width of the head that predicts the IoU of the masks

    @property
    def name(self) -> str:
        """Full name, as the published checkpoint files have it."""
        if self.version == "2.1":
            return f"sam2.1_hiera_{self.size}"
        if self.version == "2.0":
            return f"sam2_hiera_{self.size}"
        return self.size

    @property
    def has_memory(self) -> bool:
        """Whether it follows objects through films; the published ones do."""
        return self.version in ("2.0", "2.1")

    @property
    def stage_widths(self) -> tuple[int, int, int, int]:
        """Channels of the four stages."""
        dim = self.embed_dim
        return dim, 2 * dim, 4 * dim, 8 * dim

    def side_for(self, height: int, width: int) -> int:
        """Side of the square that an image of this size is resized to, in pixels."""
        return self.input_size

    def looks_closer(self, height: int, width: int) -> bool:
        """Whether pixels of an image of a size are kept to look closer; never, as published."""
        return False

    def pyramid(self, side: int) -> tuple[int, ...]:
        """Sides of the smaller copies that are embedded beside a square; none, as published."""
        return ()

    @property
    def largest_side(self) -> int:
        """Side of the largest square that an image is resized to, in pixels."""
        return self.input_size

    @property
    def logits_size(self) -> int:
        """Side of the low-res logits: a quarter of the input."""
        return self.input_size // 4
