"""Which models there are: one table of them all, and their names.

The eight published variants differ only in their trunk and version; ``nano`` is this project's
own.  No torch here, so that a list of models can be shown before torch is imported.

Source of the published numbers: Ravi et al., *SAM 2: Segment Anything in Images and Videos*
(arXiv 2408.00714) and the configuration files of the published implementation.
"""

from __future__ import annotations

from dataclasses import replace

from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.nano.config import NANO

DEFAULT_MODEL = "nano"
DEFAULT_VERSION = "2.1"

_TRUNKS_2_1 = (
    Variant("tiny", "2.1", 96, 1, (1, 2, 7, 2), (5, 7, 9), (8, 4, 14, 7)),
    Variant("small", "2.1", 96, 1, (1, 2, 11, 2), (7, 10, 13), (8, 4, 14, 7)),
    Variant("base_plus", "2.1", 112, 2, (2, 3, 16, 3), (12, 16, 20), (8, 4, 14, 7), 14),
    Variant("large", "2.1", 144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8)),
)

VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        NANO,
        *_TRUNKS_2_1,
        *(replace(variant, version="2.0") for variant in _TRUNKS_2_1),
    )
}
"""Every variant by its full name."""


def available_models() -> tuple[str, ...]:
    """Return the names that :class:`.SAMV2ImagePredictor` accepts, short ones first."""
    sizes = dict.fromkeys(variant.size for variant in VARIANTS.values())
    return tuple(dict.fromkeys((*sizes, *VARIANTS)))


def input_sides(model: str | None) -> tuple[int, int]:
    """Return the usual and the largest side of a model's input; the largest of all if unknown."""
    rows = (find_variant(model),) if model in available_models() else tuple(VARIANTS.values())
    least = max(row.input_size for row in rows)
    return least, max(least, *(row.largest_side for row in rows))


def find_variant(model: str, version: str = DEFAULT_VERSION) -> Variant:
    """Look a variant up by short or full name.

    - `model`: ``"tiny"`` or ``"sam2.1_hiera_tiny"``, for example
    - `version`: version meant by a short name.  A full name says its own.
    - raises ValueError if there is no such model or version; the message lists what there is
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
