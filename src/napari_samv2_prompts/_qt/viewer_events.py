"""What happens in the viewer, as a few signals; its keys; and connections that can be undone.

:class:`ViewerEvents` connects to the viewer and to the chosen layers and says when to look again,
when another tool is in the user's hand, when shapes were drawn and when an object was pointed at.
Emitters hold bound methods weakly and keymaps strongly; the lists here are walked at teardown, so
that nothing of ours is called or kept alive afterwards.

Not here: what follows from an event (``controller.py``), which key does what (``wiring.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from psygnal import Signal

from napari_samv2_prompts.layers import Chosen
from napari_samv2_prompts.layers.rows import object_numbers

from .widget_state import Active

if TYPE_CHECKING:
    from napari.viewer import Viewer

Slot = Callable[..., object]
SOON = 0  # ms: as soon as the event that is being handled is over
SETTLED = 60  # ms: a slider that is being dragged
CAMERA = 250  # ms: a view that is being moved; another part of the plane embeds anew
CONTRAST = 300  # ms: contrast limits that are being dragged; each value embeds anew
DRAG = 3.0  # pixels of the screen: a mouse that moved less was clicked, not dragged
_SELECTING = ("select", "direct")  # the tools that point at what is there


class Connections:
    """A list of (emitter, slot), connected when added and disconnected together.

    Slots are bound methods, never lambdas, so that an emitter can't keep their owner alive.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Any, Slot]] = []

    def add(self, slot: Slot, *emitters: Any) -> None:
        """Connect one slot to emitters of napari or psygnal."""
        for emitter in emitters:
            emitter.connect(slot)
            self._pairs.append((emitter, slot))

    def close(self) -> None:
        """Disconnect everything; idempotent."""
        while self._pairs:
            emitter, slot = self._pairs.pop()
            emitter.disconnect(slot)


@dataclass(frozen=True, slots=True)
class Drag:
    """A press and a release of the mouse."""

    # In the world.
    start: tuple[float, ...]
    end: tuple[float, ...]
    is_click: bool  # whether the mouse stayed where it was meanwhile
    is_cut: bool = False  # whether the viewer, which was busy, missed the last part of the way


class ViewerEvents:
    """Listens to a viewer and some of its layers."""

    changed = Signal(int)  # what prompts or the picture depend on; wait so many ms
    tool_changed = Signal()  # another layer is active, or another of its tools
    camera_moved = Signal()  # another part of the image is on screen
    shapes_changed = Signal()  # shapes came, went or moved
    pointed_at = Signal(int)  # the user selected a prompt or a label of this object

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._chosen = Chosen()
        self._blocked = False
        self._drag: Drag | None = None
        viewer.mouse_drag_callbacks.append(self._on_press)
        self._of_viewer, self._of_layers = Connections(), Connections()
        dims, layers = viewer.dims.events, viewer.layers
        self._of_viewer.add(self._on_slider, dims.current_step, dims.point)
        self._of_viewer.add(
            self._on_change, dims.order, dims.ndisplay, dims.margin_left, dims.margin_right
        )
        camera = viewer.scene.camera.events
        self._of_viewer.add(self._on_camera, camera.center, camera.zoom, viewer.canvas.events.size)
        self._of_viewer.add(self._on_list, layers.events.inserted, layers.events.removed)
        self._of_viewer.add(self._on_tool, layers.selection.events.active)

    def choose(self, chosen: Chosen) -> None:
        """Listen to these layers, and to no others."""
        links = self._of_layers
        links.close()
        self._chosen = chosen
        if chosen.image is not None:
            links.add(self._on_change, *_place_of(chosen.image))
        for layer in self._viewer.layers:
            if isinstance(layer, Image):  # every image can be a channel of the picture
                events = layer.events
                links.add(self._on_look, events.contrast_limits, events.gamma, events.colormap)
                links.add(self._on_look, events.opacity, events.blending, events.visible)
        for layer in (chosen.points, chosen.shapes):
            if layer is not None:
                links.add(self._on_tool, layer.events.mode)
                links.add(self._on_change, layer.events.features)
                links.add(self._on_prompts, layer.events.data)
                links.add(self._on_selected, layer.selected_data.events.items_changed)
        if chosen.labels is not None:
            events = chosen.labels.events
            links.add(self._on_change, *_place_of(chosen.labels), events.colormap, events.editable)
            links.add(self._on_label, events.selected_label)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Say nothing of what happens meanwhile: our own edits are not the user's."""
        before, self._blocked = self._blocked, True
        try:
            yield
        finally:
            self._blocked = before

    def take_drag(self) -> Drag | None:
        """Return the drag that the last shape came of, if it came of one; ask once."""
        drag, self._drag = self._drag, None
        return drag

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        """Follow the mouse from press to release."""
        active = self._viewer.layers.selection.active
        drawing = active is not None and active == self._chosen.shapes
        start, pressed, far = tuple(event.position), np.array(event.pos, dtype=float), 0.0
        last, self._drag = pressed, None
        yield
        while event.type == "mouse_move":
            last = np.array(event.pos, dtype=float)
            far = max(far, float(np.abs(last - pressed).max()))
            yield
        rest = float(np.abs(np.array(event.pos, dtype=float) - last).max())
        lost = rest >= DRAG and not event.modifiers  # which would make a square of it
        if drawing:
            self._drag = Drag(start, tuple(event.position), max(far, rest) < DRAG, lost)

    def close(self) -> None:
        """Listen to nothing any more; idempotent."""
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)
        self._of_viewer.close()
        self._of_layers.close()
        self._chosen = Chosen()

    def _tell(self, signal: Any, *values: object) -> None:
        if not self._blocked:
            signal.emit(*values)

    def _on_list(self, event: object = None) -> None:
        self.choose(self._chosen)
        self._tell(self.changed, SOON)

    def _on_change(self, event: object = None) -> None:
        self._tell(self.changed, SOON)

    def _on_slider(self, event: object = None) -> None:
        self._tell(self.changed, SETTLED)

    def _on_camera(self, event: object = None) -> None:
        self._tell(self.camera_moved)

    def _on_look(self, event: object = None) -> None:
        self._tell(self.changed, CONTRAST)

    def _on_tool(self, event: object = None) -> None:
        self._tell(self.tool_changed)

    def _on_prompts(self, event: Any) -> None:
        if event.action in ("added", "removed", "changed"):
            if event.source == self._chosen.shapes:
                self._tell(self.shapes_changed)
            self._tell(self.changed, SOON)

    def _on_selected(self, event: object = None) -> None:
        self._tell(self.changed, SOON)  # pasted points are selected, and have no other event
        for layer in (self._chosen.points, self._chosen.shapes):
            if layer is None or layer.mode not in _SELECTING or not layer.selected_data:
                continue
            numbers = object_numbers(layer)
            selected = {int(numbers[row]) for row in layer.selected_data if row < len(numbers)}
            if len(selected) == 1 and 0 not in selected:
                self._tell(self.pointed_at, selected.pop())

    def _on_label(self, event: object = None) -> None:
        labels = self._chosen.labels
        if labels is not None and labels.selected_label > 0:
            self._tell(self.pointed_at, int(labels.selected_label))


def _place_of(layer: Any) -> tuple[Any, ...]:
    """Return what tells that a layer's pixels are others, or lie elsewhere."""
    at = layer.events
    return at.data, at.affine, at.scale, at.translate, at.rotate, at.shear, at.units


def tool_in_hand(viewer: Viewer, chosen: Chosen) -> tuple[Active, bool]:
    """Return which kind of layer gets the user's clicks, and whether its tool adds prompts."""
    active = viewer.layers.selection.active
    if active is not None and active == chosen.points:
        return "points", active.mode == "add"
    if active is not None and active == chosen.shapes:
        return "shapes", active.mode.startswith("add")
    return "other", False


# --- keys -------------------------------------------------------------------------------------


class _SharedKey:
    """One key of a viewer, for all of our widgets in it: it does what the one used last wants."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []  # the widget used last is the last

    def press(self, viewer: object) -> object:
        """Do it."""
        return self.slots[-1]()


class Keys:
    """Keys bound on one viewer, where nobody else has them, and unbound by the last of our widgets.

    Widgets of ours in the same viewer share them; see :meth:`use`.

    - `wanted`: a letter, and what it does
    """

    def __init__(self, viewer: Viewer, wanted: Iterable[tuple[str, Slot]]) -> None:
        self._viewer = viewer
        self._bound: dict[str, tuple[_SharedKey, Slot]] = {}
        taken = {str(key).upper() for key in (*type(viewer).class_keymap, *viewer.keymap)}
        for letter, slot in wanted:
            shared = self._shared(letter)
            if shared is None and letter.upper() not in taken:
                shared = _SharedKey()
                viewer.bind_key(letter, shared.press)
            if shared is not None:
                shared.slots.append(slot)
                self._bound[letter] = shared, slot

    def _shared(self, letter: str) -> _SharedKey | None:
        bound = {str(key).upper(): slot for key, slot in self._viewer.keymap.items()}
        owner = getattr(bound.get(letter.upper()), "__self__", None)
        return owner if isinstance(owner, _SharedKey) else None

    @property
    def letters(self) -> frozenset[str]:
        """The letters that are ours."""
        return frozenset(self._bound)

    @property
    def are_used(self) -> bool:
        """Whether they do what is wanted here, not in another widget."""
        return all(shared.slots[-1] == slot for shared, slot in self._bound.values())

    def use(self) -> None:
        """Have the keys do what is wanted here from now on, and not in another widget."""
        for shared, slot in self._bound.values():
            shared.slots.remove(slot)
            shared.slots.append(slot)

    def close(self) -> None:
        """Unbind what is still ours and no other widget's; idempotent."""
        while self._bound:
            letter, (shared, slot) = self._bound.popitem()
            shared.slots.remove(slot)
            if not shared.slots and self._shared(letter) is shared:
                self._viewer.bind_key(letter, None)
