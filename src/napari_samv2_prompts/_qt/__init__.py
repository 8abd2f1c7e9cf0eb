"""The window: everything that needs Qt.  What the viewer's menu opens is the name below."""

from __future__ import annotations

from typing import Any

from napari_samv2_prompts.samv2.torch_import import collector_resting, load_libraries_ahead

__all__ = ["SAMV2PromptsWidget"]


def __getattr__(name: str) -> Any:
    if name == "SAMV2PromptsWidget":
        load_libraries_ahead()
        with collector_resting():
            from .widget import SAMV2PromptsWidget

        return SAMV2PromptsWidget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
