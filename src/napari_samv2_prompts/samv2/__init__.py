"""The model: the SAMV2 image network, its checkpoints and its predictor.

Knows torch and numpy, and of this package only the prompts; nothing of napari, layers or labels.
The names below are imported when first used, since importing torch takes seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2.automatic_masks import SAMV2AutomaticMaskGenerator
    from napari_samv2_prompts.samv2.image_predictor import SAMV2ImagePredictor
    from napari_samv2_prompts.samv2.video_predictor import SAMV2VideoPredictor
    from napari_samv2_prompts.samv2.weights.build import build_samv2
    from napari_samv2_prompts.samv2.weights.variants import available_models

__all__ = [
    "SAMV2AutomaticMaskGenerator",
    "SAMV2ImagePredictor",
    "SAMV2VideoPredictor",
    "available_models",
    "build_samv2",
]

_HOMES = {
    "SAMV2AutomaticMaskGenerator": "napari_samv2_prompts.samv2.automatic_masks",
    "SAMV2VideoPredictor": "napari_samv2_prompts.samv2.video_predictor",
    "SAMV2ImagePredictor": "napari_samv2_prompts.samv2.image_predictor",
    "available_models": "napari_samv2_prompts.samv2.weights.variants",
    "build_samv2": "napari_samv2_prompts.samv2.weights.build",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
