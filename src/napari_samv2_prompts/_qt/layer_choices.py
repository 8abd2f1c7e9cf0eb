"""The four layer choices: kept up to date with the viewer, and with each other.

Which layers belong together is decided here.

Not here: layers that are missing (``drawing.py``), what is done with them (the controller).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from magicgui.widgets import ComboBox
from napari.layers import Image, Labels, Points, Shapes
from psygnal import Signal

from napari_samv2_prompts.layers import Chosen
from napari_samv2_prompts.layers.belonging import channels_with, made_for, single_layers

from .viewer_events import Connections

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

_PARTNERS = ("points", "shapes", "labels")
_KINDS: dict[str, Any] = {"image": Image, "points": Points, "shapes": Shapes, "labels": Labels}


class LayerChoices:
    """One combo box each for image, points, shapes and labels.

    The image follows the active layer of the viewer.  With another image come the layers that were
    used with it, with another channel of the same picture, or that were made for it.  A layer is
    itself, whatever its name, and wherever it stands.
    """

    changed = Signal(Chosen)

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._used: dict[UUID, Chosen] = {}
        self._quiet = False
        self.image, self.points, self.shapes, self.labels = map(_combo, _KINDS)
        self.image.changed.connect(self._on_image)
        for box in self.boxes[1:]:
            box.changed.connect(self._on_partner)
        self._links = Connections()

    @property
    def boxes(self) -> tuple[ComboBox, ...]:
        """The combo boxes, in the order of :class:`.Chosen`."""
        return self.image, self.points, self.shapes, self.labels

    @property
    def chosen(self) -> Chosen:
        """What is chosen now."""
        return Chosen(*(box.value for box in self.boxes))

    def start(self) -> None:
        """Follow the viewer; choose the active image, or else the uppermost one."""
        events, selection = self._viewer.layers.events, self._viewer.layers.selection
        self._links.add(
            self._on_list, events.inserted, events.removed, events.reordered, events.renamed
        )
        self._links.add(self._on_active, selection.events.active)
        self.refresh()
        images = [layer for _, layer in self._of("image")]
        active = selection.active
        self.set(self._with_partners(active if active in images else next(iter(images), None)))

    def stop(self) -> None:
        """Follow the viewer no more; idempotent."""
        self._links.close()
        self._used.clear()

    def clear(self) -> None:
        """Let go of all layers."""
        with self._quietly():
            for box in self.boxes:
                box.choices = ()

    def set(self, chosen: Chosen) -> None:
        """Choose these layers, and say so once."""
        with self._quietly():
            for box, layer in zip(self.boxes, _layers(chosen), strict=True):
                box.value = layer
        self._tell()

    def refresh(self) -> None:
        """Offer the layers that the viewer has now; what is chosen stays, whatever its name is."""
        before, all_layers = self.chosen, {None, *single_layers(self._viewer.layers)}
        # Layers that are gone would be kept alive with all their pixels.
        self._used = {k: used for k, used in self._used.items() if all_layers >= {*_layers(used)}}
        with self._quietly():
            for box, layer in zip(self.boxes, _layers(before), strict=True):
                box.choices = self._of(box.name)
                there = layer if layer in box.choices else None
                if box.value != there:
                    box.value = there
        if self.chosen != before:
            self._tell()

    def _of(self, kind: str) -> list[tuple[str, Any]]:
        """Return the layers of a kind with names that differ, the uppermost first."""
        layers = reversed(list(single_layers(self._viewer.layers)))
        named: dict[str, Any] = {}
        for layer in layers:
            if isinstance(layer, _KINDS[kind]):
                name, count = layer.name, 1
                while name in named:
                    count += 1
                    name = f"{layer.name} ({count})"
                named[name] = layer
        return list(named.items())

    def unowned(self, kind: str, images: tuple[Image, ...] = ()) -> list[Layer]:
        """Return the layers of a kind that belong to no image but these, or to the chosen one."""
        images = images or ((self.image.value,) if self.image.value is not None else ())
        owned = {
            layer
            for key, chosen in self._used.items()
            if all(key != image.unique_id for image in images)
            for layer in _layers(chosen)
            if layer is not None
        }
        others = [image for _, image in self._of("image") if image not in images]
        return [
            layer
            for _, layer in self._of(kind)
            if layer not in owned and not any(made_for(layer, other) for other in others)
        ]

    # --- what goes together -----------------------------------------------------------------

    def _with_partners(self, image: Image | None) -> Chosen:
        if image is None:
            return replace(self.chosen, image=None)
        used = self._used_with(image)
        if used is not None:
            return used
        channels = channels_with(list(single_layers(self._viewer.layers)), image)
        # Those of the channel that is chosen now come first.
        for channel in sorted(channels, key=lambda channel: channel != self.image.value):
            used = self._used_with(channel)
            if used is not None:
                return replace(used, image=image)
        owners = image, *channels
        return Chosen(image, *(self._made_for(owners, kind) for kind in _PARTNERS))

    def _used_with(self, image: Image) -> Chosen | None:
        """Return the layers that were used with an image, if there were any and they are there."""
        used = self._used.get(image.unique_id)
        if used is None or used == Chosen(image):
            return None
        there = list(single_layers(self._viewer.layers))
        return used if all(layer is None or layer in there for layer in _layers(used)) else None

    def _made_for(self, images: tuple[Image, ...], kind: str) -> Any:
        """Return the layer that was made for one of these images, or that is named after one."""
        layers = [layer for _, layer in self._of(kind)]
        for image in images:
            for layer in reversed(layers):  # a duplicate lies above
                if made_for(layer, image):
                    return layer
        free = self.unowned(kind, images)
        for image in images:
            for layer in layers:
                ours = kind == "labels" or "object" in layer.features
                if ours and layer in free and layer.name == f"{image.name} {kind}":
                    return layer
        return None

    # --- events -----------------------------------------------------------------------------

    def _on_list(self, event: object = None) -> None:
        self.refresh()
        if self.image.value is None:
            active = self._viewer.layers.selection.active
            if isinstance(active, Image):
                self.set(self._with_partners(active))

    def _on_active(self, event: Any) -> None:
        layer = self._viewer.layers.selection.active
        if isinstance(layer, Image) and layer != self.image.value:
            self.refresh()
            self.set(self._with_partners(layer))

    def _on_image(self, image: Image | None) -> None:
        if not self._quiet:
            self.set(self._with_partners(image))

    def _on_partner(self, layer: object) -> None:
        if not self._quiet:
            self._tell()

    def _tell(self) -> None:
        chosen = self.chosen
        if chosen.image is not None:
            self._used[chosen.image.unique_id] = chosen
        self.changed.emit(chosen)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before


def _layers(chosen: Chosen) -> tuple[Any, ...]:
    return chosen.image, chosen.points, chosen.shapes, chosen.labels


def _combo(name: str) -> ComboBox:
    return ComboBox(name=name, choices=(), nullable=True)
