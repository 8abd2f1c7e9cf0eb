"""Points and Shapes layers as SAMV2 prompts, one label per object.

Only the version and the names people script with belong here, imported when first used:
napari imports this package to list its plugins, and must not wait for torch or Qt.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_samv2_prompts.everything import segment_all
    from napari_samv2_prompts.finetuning import pairs_of_layers, train
    from napari_samv2_prompts.io.exports import write_coco, write_labels
    from napari_samv2_prompts.io.geojson import write_geojson
    from napari_samv2_prompts.samv2 import (
        SAMV2AutomaticMaskGenerator,
        SAMV2ImagePredictor,
        SAMV2VideoPredictor,
        available_models,
        build_samv2,
    )
    from napari_samv2_prompts.scripting import replay, segment
    from napari_samv2_prompts.units.embeddings import embed_stack
    from napari_samv2_prompts.units.folders import segment_folder
    from napari_samv2_prompts.units.stacks import segment_stack

    __version__: str

__all__ = [
    "SAMV2AutomaticMaskGenerator",
    "SAMV2ImagePredictor",
    "SAMV2VideoPredictor",
    "__version__",
    "available_models",
    "build_samv2",
    "embed_stack",
    "pairs_of_layers",
    "replay",
    "segment",
    "segment_all",
    "segment_folder",
    "segment_stack",
    "train",
    "write_coco",
    "write_geojson",
    "write_labels",
]

_HOMES = {  # of those that are not in samv2
    "embed_stack": "units.embeddings",
    "pairs_of_layers": "finetuning",
    "replay": "scripting",
    "segment": "scripting",
    "segment_all": "everything",
    "segment_folder": "units.folders",
    "segment_stack": "units.stacks",
    "train": "finetuning",
    "write_coco": "io.exports",
    "write_geojson": "io.geojson",
    "write_labels": "io.exports",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-samv2-prompts")
    if name in __all__:
        home = _HOMES.get(name, "samv2")
        return getattr(import_module(f"napari_samv2_prompts.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
