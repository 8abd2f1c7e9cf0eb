"""A user who does anything in any order, while the worker answers late, in disorder or with errors.

Here: what the user does to layers, view, options, prompts and labels.  The widget, its worker and
what must hold are in ``tried_widget``.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from napari.layers import Image, Labels, Points, Shapes
from tests.qt.tried_widget import SIDES, TriedWidget

from napari_samv2_prompts.layers import Chosen
from napari_samv2_prompts.layers.rows import object_numbers

ODD = (1e20, 1e30, 2**63 + 5, 5e9, 2**63 - 1, -4, 1.5, "abc")  # in the table of features
SHAPES_2D = ("rectangle", "ellipse", "polygon", "path", "line")
ROWS, COLUMNS = st.integers(-2, SIDES[0] + 1), st.integers(-2, SIDES[1] + 1)
SPOTS = st.tuples(ROWS, COLUMNS)
THEN = st.sampled_from(("wait", "wait", "next", "go on"))
DEEDS = (
    "image", "second", "channel", "labels", "choose", "activate", "remove", "reorder", "foreign",
    "transform", "data", "reopen", "rename", "rename", "duplicate", "group",
)  # fmt: skip
NAMES = ("cells", "DAPI", "cells points", "cells labels", "x")


class RandomUser(TriedWidget):
    # --- layers -----------------------------------------------------------------------------

    @rule(data=st.data())
    def rearrange(self, data: st.DataObject) -> None:
        """Do something to the layers as a whole, or to the widget."""
        layers, kind = list(self.viewer.layers), data.draw(st.sampled_from(DEEDS))
        if kind == "image" and len(self.images) < 3:
            self.add_image(data.draw(st.booleans()))
        elif kind in ("second", "channel") and self.images and len(self.images) < 5:
            self.second_image(self.images[-1][0], "additive" if kind == "channel" else "opaque")
        elif kind == "reopen":
            self.close_and_reopen(data.draw(st.booleans()))
        elif kind == "foreign":
            self.foreign_prompts(data.draw(st.sampled_from((Points, Shapes))))
        elif not layers:
            return
        elif kind == "labels" and self.of(Image) and len(self.of(Labels)) < 3:
            self.add_labels()
        elif kind == "choose":
            box = data.draw(st.sampled_from((self.widget.image, *self.widget._layers.boxes)))
            box.value = data.draw(st.sampled_from(box.choices))
        elif kind == "activate":
            layer = data.draw(st.sampled_from(layers))
            self.viewer.layers.selection.active = layer
            if isinstance(layer, Points | Shapes):
                layer.mode = data.draw(st.sampled_from(("pan_zoom", "select")))
        elif kind == "remove":
            self.viewer.layers.remove(data.draw(st.sampled_from(layers)))
        elif kind == "reorder":
            self.viewer.layers.move(data.draw(st.integers(0, len(layers) - 1)), 0)
        elif kind in ("rename", "group", "duplicate"):
            some = data.draw(st.sets(st.sampled_from(layers), min_size=1, max_size=3))
            self.handle(kind, some, data.draw(st.sampled_from(NAMES)))
        elif kind == "transform":
            some = data.draw(st.sampled_from((layers, layers, *([layer] for layer in layers))))
            scale, shift = data.draw(st.sampled_from(((1.0, 0.0), (1.0, 0.0), (0.5, 2.0))))
            for layer in some:
                layer.scale, layer.translate = [scale] * layer.ndim, [shift] * layer.ndim
        elif kind == "data":
            self.other_labels_data(data.draw(st.booleans()), data.draw(st.booleans()))

    def second_image(self, like: Image, blending: str) -> None:
        """Open another image of the same size and place: another picture, or a channel."""
        data = like.data + 1
        layer = self.viewer.add_image(data, blending=blending)
        layer.scale, layer.translate = like.scale, like.translate
        self.images.append((layer, data.copy()))
        if blending == "opaque":
            now = self.widget._layers.chosen
            assert now == Chosen(layer), "another picture took the layers of the first"

    def handle(self, kind: str, layers: set, name: str) -> None:
        """Rename, duplicate or group layers: what is chosen stays chosen."""
        before = self.widget._layers.chosen
        if kind == "rename":
            for layer in layers:
                layer.name = name
        elif kind == "group":
            self.viewer.layers.link_layers(layers, ("opacity", "visible"))
            self.viewer.layers.unlink_layers(layers)
        elif kind == "duplicate" and len(self.viewer.layers) < 12:
            for layer in layers - {layer for layer, _ in self.images}:
                copy = type(layer).create(*layer.as_layer_data_tuple())
                if isinstance(copy, Labels):
                    copy.data = copy.data.copy()
                    self.ledger(copy)
                self.viewer.layers.insert(self.viewer.layers.index(layer) + 1, copy)
        assert self.widget._layers.chosen == before

    def foreign_prompts(self, kind: type) -> None:
        """Add a layer without our columns, as another plugin would."""
        if len(self.of(kind)) < 3:
            if kind is Points:
                self.viewer.add_points(np.array([[3.0, 4], [12, 20]]))
            else:
                self.viewer.add_shapes([[[3, 4], [3, 9], [9, 9], [9, 4]]], shape_type="rectangle")

    def other_labels_data(self, wide: bool, cleared: bool) -> None:
        labels = self.chosen.labels
        if labels is None:
            return
        data = np.array(labels.data, np.uint32 if wide else np.uint16)
        labels.data = data * (not cleared)
        target, ledger = self.target(labels), self.ledger(labels)
        kept = target is not None and bool(target.live())
        assert not (kept and cleared and ledger.page.ours.any()), "lost objects are live"
        assert kept or cleared or not ledger.page.ours.any(), "converting lost the live objects"
        ledger.start_anew(kept)

    # --- view and options -------------------------------------------------------------------

    @rule(data=st.data(), kind=st.sampled_from(("slide", "slide", "deep", "turn", "contrast")))
    def look_elsewhere(self, data: st.DataObject, kind: str) -> None:
        dims = self.viewer.dims
        if kind == "slide" and dims.ndim > 2:
            dims.set_current_step(0, data.draw(st.integers(0, 2)))
        elif kind == "deep" and dims.ndim > 2:
            dims.ndisplay = 5 - dims.ndisplay
        elif kind == "turn":
            dims.transpose()
        elif self.chosen.image is not None:
            self.chosen.image.contrast_limits = (0, data.draw(st.integers(1, 700)))

    @rule(data=st.data(), name=st.sampled_from(("policy", "policy", "look", "device", "model")))
    def choose_option(self, data: st.DataObject, name: str) -> None:
        form = self.widget._form
        picture = form.picture
        box = {
            "policy": picture.policy,
            "look": picture.rendering,
            "device": form.model.device,
        }.get(name)
        if box is not None:
            box.value = data.draw(st.sampled_from(box.choices))
            return
        self.widget.model.value = data.draw(st.sampled_from(("nano", "nano", "tiny", "small")))
        if data.draw(st.booleans()):
            self.widget._form.model.download.click()

    @rule(live=st.booleans())
    def choose_live(self, live: bool) -> None:
        self.widget.live = live

    # --- prompts ----------------------------------------------------------------------------

    @precondition(lambda self: self.chosen.points is not None)
    @rule(at=SPOTS, then=THEN)
    def click(self, at: tuple[int, int], then: str) -> None:
        points = self.chosen.points
        points.add([self.spot(at, points.ndim)])
        self.go_on(then)

    def go_on(self, then: str) -> None:
        if then == "wait":
            self.settle()
        elif then == "next":
            self.look()
            self.controller.next_object()

    @precondition(lambda self: self.chosen.shapes is not None)
    @rule(kind=st.sampled_from(SHAPES_2D), a=SPOTS, b=SPOTS, copies=st.integers(1, 2), then=THEN)
    def draw(
        self, kind: str, a: tuple[int, int], b: tuple[int, int], copies: int, then: str
    ) -> None:
        shapes = self.chosen.shapes
        corners = (a, (a[0], b[1]), b, (b[0], a[1])) if kind in SHAPES_2D[:3] else (a, b)
        if kind in SHAPES_2D[:3] and (a[0] == b[0] or a[1] == b[1]):
            return  # the viewer itself does not make such shapes
        if shapes.ndim < self.viewer.dims.ndisplay:
            return  # nor does napari draw in a layer of fewer dimensions than it shows
        outline = np.array([self.spot(corner, shapes.ndim) for corner in corners])
        shapes.add([outline] * copies, shape_type=kind)
        self.go_on(then)

    def prompt_layer(self, data: st.DataObject):
        layers = [layer for layer in (self.chosen.points, self.chosen.shapes) if layer is not None]
        filled = [layer for layer in layers if len(layer.data)]
        return data.draw(st.sampled_from(filled)) if filled else None

    @rule(data=st.data(), by=st.tuples(st.integers(-4, 4), st.integers(-4, 4)))
    def move_prompt(self, data: st.DataObject, by: tuple[int, int]) -> None:
        layer = self.prompt_layer(data)
        if layer is not None:
            moved = [np.array(item, dtype=float) for item in layer.data]
            row = data.draw(st.integers(0, len(moved) - 1))
            moved[row][..., -2:] += by
            layer.data = np.array(moved) if isinstance(layer, Points) else moved

    @rule(data=st.data())
    def delete_prompts(self, data: st.DataObject) -> None:
        layer = self.prompt_layer(data)
        if layer is not None:
            rows = st.sets(st.integers(0, len(layer.data) - 1), min_size=1)
            layer.selected_data = data.draw(rows)
            layer.remove_selected()

    @rule(data=st.data(), number=st.sampled_from((1, 2, 3, 300, 0, float("nan"), *ODD)))
    def relabel(self, data: st.DataObject, number: object) -> None:
        """Edit the table of features."""
        layer = self.prompt_layer(data)
        if layer is not None and "object" in layer.features:
            column = layer.features["object"].tolist()
            column[data.draw(st.integers(0, len(column) - 1))] = number
            layer.features = layer.features.assign(object=column)

    @rule(data=st.data(), then=THEN)
    def copy_and_paste(self, data: st.DataObject, then: str) -> None:
        """Copy prompts and paste them: on their plane they are other objects."""
        self.look()  # which may take back what can't have been meant
        layer = self.prompt_layer(data)
        if layer is None or "object" not in layer.features:
            return
        if isinstance(layer, Points) and layer.ndim > 2:
            return  # which the viewer itself fails at
        rows = data.draw(st.sets(st.integers(0, len(layer.data) - 1), min_size=1, max_size=2))
        objects = object_numbers(layer)
        layer.selected_data = rows
        layer._copy_data()
        layer._paste_data()
        self.look()
        pasted = object_numbers(layer)[len(objects) :]
        chosen = layer in (self.chosen.points, self.chosen.shapes)
        if chosen and layer.ndim == 2 and self.numbers_are_known:
            assert not set(pasted.tolist()) & set(objects.tolist()), "a copy is the same object"
        self.go_on(then)

    @property
    def numbers_are_known(self) -> bool:
        return self.chosen.image is not None and self.controller._object.number > 0

    @precondition(lambda self: self.chosen.shapes is not None)
    @rule(at=SPOTS)
    def stray_click(self, at: tuple[int, int]) -> None:
        """Click with the box tool: no shape is left of it."""
        self.look()
        shapes = self.chosen.shapes
        self.viewer.layers.selection.active = shapes
        shapes.mode = "add_rectangle"
        before = len(shapes.data)
        a, b = np.array(at, float), np.array(at, float) + 0.5
        corners = (a, (a[0], b[1]), b, (b[0], a[1]))
        shapes.add([[self.spot(corner, shapes.ndim) for corner in corners]])
        self.look()
        on_plane = self.controller.prompts.read_here is not None
        if on_plane and self.viewer.layers.selection.active == self.chosen.shapes == shapes:
            same_place = np.allclose(shapes.scale[-2:], self.chosen.image.scale[-2:])
            left = len(shapes.data) == before or not same_place
            assert left, (self.viewer.dims, shapes.data, shapes.mode, self.controller.prompts.said)
        shapes.mode = "pan_zoom"

    @rule(data=st.data(), number=st.integers(1, 5))
    def turn_to(self, data: st.DataObject, number: int) -> None:
        kind = data.draw(st.sampled_from(("point", "pick", "sign", "next")))
        if kind == "pick":
            self.widget._form.prompts.object.setValue(number)
        elif kind == "sign":
            self.widget._open.controller.flip_sign()
        elif kind == "next":
            self.widget.next_object()
        elif (layer := self.prompt_layer(data)) is not None:
            layer.mode = "select"
            layer.selected_data = {data.draw(st.integers(0, len(layer.data) - 1))}

    # --- labels -----------------------------------------------------------------------------

    @rule()
    def accept(self) -> None:
        self.widget.accept()
        self.seen = (None, frozenset())

    @rule()
    def cycle(self) -> None:
        self.widget.cycle_mask()

    @precondition(lambda self: self.chosen.labels is not None)
    @rule(at=SPOTS, to=SPOTS, value=st.sampled_from((0, 0, 1, 2, 90)))
    def paint(self, at: tuple[int, int], to: tuple[int, int], value: int) -> None:
        """What a brush does: an edit with a step of the undo history."""
        labels = self.chosen.labels
        part = [slice(int(i), int(i) + 1) for i in self.viewer.dims.current_step]
        for axis, a, b in zip(sorted(self.viewer.dims.displayed[-2:]), at, to, strict=True):
            part[axis] = slice(max(min(a, b), 0), max(a, b))
        edited = np.zeros(labels.data.shape, bool)
        edited[tuple(part[len(part) - labels.ndim :])] = True
        labels.data_setitem(np.nonzero(edited), value)
        self.ledger(labels).user_edited()

    @precondition(lambda self: self.chosen.labels is not None)
    @rule()
    def undo(self) -> None:
        self.ledger(self.chosen.labels).undo()

    @precondition(lambda self: self.chosen.labels is not None)
    @rule()
    def redo(self) -> None:
        self.ledger(self.chosen.labels).redo()

    @precondition(lambda self: self.chosen.labels is not None)
    @rule()
    def undo_to_the_start_and_redo(self) -> None:
        ledger = self.ledger(self.chosen.labels)
        steps, end = len(ledger.past), ledger.page.data
        for _ in range(steps):
            ledger.undo()
        for _ in range(steps):
            ledger.redo()
        np.testing.assert_array_equal(ledger.labels.data, end)
