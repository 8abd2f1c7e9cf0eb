"""The shapes of the model: one frozen row per variant, one table of them all.

A row says everything :mod:`.network` needs to build itself.  The eight published variants differ
only in their trunk and version; ``nano`` is this project's own.  No torch here, so that a list of
models can be shown before torch is imported.

Source of the published numbers: Ravi et al., *SAM 2: Segment Anything in Images and Videos*
(arXiv 2408.00714) and the configuration files of the published implementation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["DEFAULT_MODEL", "VARIANTS", "Variant", "available_models", "find_variant"]

DEFAULT_MODEL = "nano"
DEFAULT_VERSION = "2.1"
SIDE_STEP = 64
"""Sides of larger squares are multiples of this many pixels."""


@dataclass(frozen=True, slots=True)
class Variant:
    """The shape of one model.

    Attributes
    ----------
    size : str
        Short name: ``"nano"``, ``"tiny"``, ``"small"``, ``"base_plus"`` or ``"large"``.
    version : str
        ``"2.0"`` or ``"2.1"`` for the published sizes.  The image path has the same shape in both.
    input_size : int
        Side in pixels of the square every image is stretched to.  A multiple of 32.
    largest_input : int
        Where it is more than ``input_size``, larger images get a larger square, up to this side:
        see :meth:`side_for`.
    embed_dim, heads : int
        Channels and attention heads of the trunk's first stage; both double at each stage.
    blocks : tuple of 4 int
        Transformer blocks per stage (strides 4, 8, 16, 32).
    global_blocks : tuple of int
        Indices, counted over all stages, of blocks that attend over the whole image.
    windows : tuple of 4 int
        Side of the attention windows per stage, in tokens.
    position_size : int
        Side of the learnt background position map, which is interpolated to the token grid.
    top_down_levels : tuple of int
        Levels of the neck (0 is stride 4) that add the next coarser level.
    width : int
        Channels of the embedding, of prompt tokens and of the decoder.
    decoder_heads, decoder_mlp, decoder_depth : int
        Heads, hidden width and layers of the two-way transformer.
    score_width : int
        Hidden width of the heads that predict the IoU and object scores.
    dense_channels : int
        1: the dense prompt is the previous low-res logits, as published.  4: clicks, box and
        logits are all drawn into it (see :func:`.prompt_encoder.draw_prompts`), as click-map
        methods do (RITM, Sofiiuk et al. 2021).
    dense_skip : bool
        Whether the drawn prompt also joins the decoder's last upscaling step, at stride 4.
    descriptors : int
        Learnt channels in which cells are compared with the prompted places, besides the three
        colours (see :func:`.likeness.draw_likeness`).  0: they are not compared.
    drawn_ellipse : bool
        Whether the ellipse inscribed in the box is drawn too (see :func:`.prompt_encoder.
        draw_ellipse`): outlines of small objects lie between the cells of the low-res logits.
    window : int
        Side in pixels, of the input, of the smallest square around a prompt that is decoded, see
        :mod:`.windows`.  0: all of the image is, as published.
    refine_8, refine_4 : tuple of int
        Dilations of the convolutions in the decoder's upscaling, at strides 8 and 4 (see
        :mod:`.refinement`); empty: there are none, as published.
    mask_scores : int
        Hidden width of what judges masks by their looks (see :mod:`.mask_scores`), in variants
        with such convolutions; 0: scores come from a token alone, as published.
    one_piece : bool
        Whether pieces of a mask that hold nothing of what was prompted are dropped, see
        :mod:`.pieces`.
    stretch : bool
        Whether every image is stretched to the full range of brightness first.
    """

    size: str
    version: str
    embed_dim: int
    heads: int
    blocks: tuple[int, int, int, int]
    global_blocks: tuple[int, ...]
    windows: tuple[int, int, int, int]
    position_size: int = 7
    input_size: int = 1024
    largest_input: int = 0
    top_down_levels: tuple[int, ...] = (2, 3)
    width: int = 256
    decoder_heads: int = 8
    decoder_mlp: int = 2048
    decoder_depth: int = 2
    score_width: int = 256
    dense_channels: int = 1
    dense_skip: bool = False
    descriptors: int = 0
    drawn_ellipse: bool = False
    window: int = 0
    refine_8: tuple[int, ...] = ()
    refine_4: tuple[int, ...] = ()
    mask_scores: int = 0
    one_piece: bool = False
    stretch: bool = False

    @property
    def name(self) -> str:
        """Full name, as the published checkpoint files have it."""
        if self.version == "2.1":
            return f"sam2.1_hiera_{self.size}"
        if self.version == "2.0":
            return f"sam2_hiera_{self.size}"
        return self.size

    @property
    def stage_widths(self) -> tuple[int, int, int, int]:
        """Channels of the four stages."""
        dim = self.embed_dim
        return dim, 2 * dim, 4 * dim, 8 * dim

    @property
    def drawn_channels(self) -> int:
        """Channels of the dense prompt: what is drawn, likeness in two ways, reach, ellipse."""
        return self.dense_channels + (6 if self.descriptors else 0) + self.drawn_ellipse

    def side_for(self, height: int, width: int) -> int:
        """Side of the square that an image of this size is stretched to, in pixels."""
        own = -(-max(height, width) // SIDE_STEP) * SIDE_STEP
        return max(self.input_size, min(own, self.largest_input))

    @property
    def logits_size(self) -> int:
        """Side of the low-res logits: a quarter of the input."""
        return self.input_size // 4


_TRUNKS_2_1 = (
    Variant("tiny", "2.1", 96, 1, (1, 2, 7, 2), (5, 7, 9), (8, 4, 14, 7)),
    Variant("small", "2.1", 96, 1, (1, 2, 11, 2), (7, 10, 13), (8, 4, 14, 7)),
    Variant("base_plus", "2.1", 112, 2, (2, 3, 16, 3), (12, 16, 20), (8, 4, 14, 7), 14),
    Variant("large", "2.1", 144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8)),
)

_NANO = Variant(
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
    dense_channels=4,
    dense_skip=True,
    descriptors=5,
    drawn_ellipse=True,
    window=192,
    refine_8=(1, 2, 4),
    refine_4=(1, 2),
    mask_scores=64,
    one_piece=True,
    stretch=True,
)

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        _NANO,
        *_TRUNKS_2_1,
        *(replace(variant, version="2.0") for variant in _TRUNKS_2_1),
    )
}
"""Every variant by its full name."""


def available_models() -> tuple[str, ...]:
    """Return the names that :class:`.SAMV2ImagePredictor` accepts, short ones first."""
    sizes = dict.fromkeys(variant.size for variant in VARIANTS.values())
    return tuple(dict.fromkeys((*sizes, *VARIANTS)))


def find_variant(model: str, version: str = DEFAULT_VERSION) -> Variant:
    """Look a variant up by short or full name.

    Parameters
    ----------
    model : str
        ``"tiny"`` or ``"sam2.1_hiera_tiny"``, for example.
    version : str
        Version meant by a short name.  A full name says its own.

    Raises
    ------
    ValueError
        If there is no such model or version; the message lists what there is.
    """
    if model in VARIANTS:
        return VARIANTS[model]
    if version not in ("2.0", "2.1"):
        raise ValueError(f"There is no version {version!r} of the model; choose '2.0' or '2.1'.")
    for variant in VARIANTS.values():
        if (variant.size, variant.version) == (model, version):
            return variant
    raise ValueError(
        f"There is no model named {model!r}. The models are: {', '.join(available_models())}."
    )
