"""The prompt layers: read, given what they lack, and told what is drawn next.

The rules: a drawn shape starts a new object and makes it current; a click goes to the current
object; the next object is the next free number.  The current object is the selected label of the
Labels layer, too, so that a brush corrects what was clicked.  What can't have been meant is taken
back, and can be brought again.

Not here: what a row means (``layers``), when it is looked at (``controller.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_samv2_prompts.layers import (
    Chosen,
    LabelsTarget,
    PromptReader,
    PromptTables,
    Reading,
    Shown,
    read_tables,
    select_label,
    set_new_prompt,
    write_tables,
)
from napari_samv2_prompts.layers.rows import FreeNumber
from napari_samv2_prompts.layers.strays import box_corners, stray_shape, with_corners
from napari_samv2_prompts.prompts import MAX_OBJECT

from .labels_writer import Targets
from .viewer_events import ViewerEvents

if TYPE_CHECKING:
    from napari.layers import Shapes
    from napari.viewer import Viewer
    from numpy.typing import NDArray

TAKEN_BACK = "A click without a drag draws no box: it was taken back. Undo brings it again."


class CurrentObject:
    """The object that clicks go to, and the sign of the next click.

    - `.number`: 0 while it is not known which numbers are free
    - `.started`: whether it is there already: a drawn shape is another one then
    """

    def __init__(self) -> None:
        self.number = 1
        self.positive = True
        self.started = False
        self._picked = False  # to be gone on with, though it has no prompt
        self._free = 1
        self._tables = PromptTables()

    def follow(self, tables: PromptTables, free: int) -> None:
        """Take note of the prompts that are there.

        - `free`: the number of the next object; 0 while it is not known
        """
        others = tables.layers != self._tables.layers
        self._tables, self._free = tables, free
        if not free:
            self.number = 0
        elif tables.drawn and tables.shapes is not None:
            self._go_to(int(tables.shapes.objects[tables.drawn[-1]]))
        elif others or not self.number:
            self._go_to(free)
        self._look()

    @property
    def shape_number(self) -> int:
        """The object that a drawn shape starts."""
        return self._free if self.number and self.started else self.number

    def next(self) -> None:
        """End the current object, so that the next click starts another."""
        self._go_to(self._free)

    def pick(self, number: int) -> None:
        """Go (back) to an object."""
        if number != self.number:
            self._go_to(number)
        self._picked = number < self._free
        self._look()

    def _go_to(self, number: int) -> None:
        self.number, self.positive, self._picked = number, True, False
        self._look()

    def _look(self) -> None:
        # A number that is not free any more is that of a label: painted by hand, or one whose
        # prompts were deleted and which undo may bring back.
        used = self.number < self._free and not self._picked
        self.started = used or self.number in self._tables.prompted


@dataclass(frozen=True, slots=True, eq=False)
class TakenBack:
    """A shape that is not in its layer any more."""

    layer: Shapes
    vertices: NDArray[Any]
    kind: str
    object: int

    @classmethod
    def from_layer(cls, shapes: Shapes, row: int) -> TakenBack:
        """Remove a shape from its layer."""
        number = int(shapes.features["object"].iloc[row])
        taken = cls(shapes, shapes.data[row].copy(), str(shapes.shape_type[row]), number)
        shapes.remove([row])
        return taken

    def bring_again(self) -> None:
        """Put it where it was, as its object."""
        self.layer.add([self.vertices], shape_type=self.kind)
        features = self.layer.features
        numbers = [*features["object"].tolist()[:-1], self.object]
        self.layer.features = features.assign(object=numbers)


class Prompting:
    """Reads the chosen prompt layers, and writes to them.

    - `targets`: say which numbers are free
    - `events`: blocked while something is written
    - `.read_here`: what the layers say about the shown plane, as last read
    - `.said`: what was done to prompts by itself, in a sentence, as long as they are as they were
      then
    """

    lost = Signal(frozenset)  # objects without any prompt by now: their masks were removed

    def __init__(self, viewer: Viewer, targets: Targets, events: ViewerEvents) -> None:
        self.chosen = Chosen()
        self.current = CurrentObject()
        self.read_here: Reading | None = None
        self.said = ""
        self._viewer, self._targets, self._events = viewer, targets, events
        self._tables, self._reader = PromptTables(), PromptReader()
        self._drawn: tuple[int, ...] = ()  # shapes that were not looked at on a plane yet
        self._taken: TakenBack | None = None

    @property
    def reading(self) -> Reading:
        """What the layers say about the shown plane."""
        return self.read_here or Reading()

    @property
    def prompted(self) -> frozenset[int]:
        """The objects that have a prompt, on whatever plane."""
        return self._tables.prompted

    @property
    def note(self) -> str:
        """What was done by itself, and what is left out, in sentences."""
        return " ".join(filter(None, (self.said, *self.reading.notes)))

    # --- reading ----------------------------------------------------------------------------

    def read(self, shown: Shown) -> LabelsTarget | None:
        """Read everything on a plane; return where masks can go."""
        target = self.take_rows(shown)
        self.read_here = self._reader.read(self.chosen, self._tables, shown, self._viewer.dims)
        return target

    def take_rows(self, shown: Shown | None = None) -> LabelsTarget | None:
        """Read the rows of all planes and give the layers what they lack."""
        with self._events.blocked():
            target, free = self._target(shown)
            tables = read_tables(self.chosen, self._viewer.dims, free, self._tables)
            write_tables(self.chosen, tables, numbers=free is not None)
            if tables.layers != self._tables.layers:
                self._drawn, self._taken = (), None
            tables = self._without_stray(tables, shown, free)
            same = tables.same_rows(self._tables)
            self.said = _said_of(tables) or (self.said if same else "")
            if tables.lost and target is not None and shown is not None:
                lost = tables.lost & target.live()  # the others were accepted
                target.remove(lost)
                self.lost.emit(lost)
                tables = replace(tables, lost=frozenset())
            self._tables = tables
            self.current.follow(tables, free(tables.prompted) if free else 0)
            self._write_next()
        return target

    @contextmanager
    def quietly(self) -> Iterator[LabelsTarget | None]:
        """Change layers without it being the user's doing; yields where masks can go."""
        with self._events.blocked():
            yield self.take_rows()
            self.take_as_known()

    def take_as_known(self) -> None:
        """Take it that what came has its objects: nothing of it is new, or a copy."""
        self._tables = read_tables(self.chosen, self._viewer.dims, None)

    def _target(self, shown: Shown | None) -> tuple[LabelsTarget | None, FreeNumber | None]:
        """Return where masks can go, and what gives new objects their number, if that is known."""
        image, labels = self.chosen.image, self.chosen.labels
        if image is None or labels is None:
            return None, _next
        at = None if shown is None else shown.to_world
        if not self._targets.check(labels, image, self._viewer.dims, at):
            return None, _next
        target = self._targets.of(labels)
        if not self._targets.numbered(labels):
            return None, None
        return target, lambda used: target.next_free(max(used, default=0))

    # --- writing ----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Have the layers give the next prompt its object, sign and colour."""
        with self._events.blocked():
            self._write_next()

    def _write_next(self) -> None:
        chosen, now = self.chosen, self.current
        set_new_prompt(
            chosen.points, chosen.shapes, object_=now.number, shape_object=now.shape_number,
            polarity="positive" if now.positive else "negative", labels=chosen.labels,
        )  # fmt: skip
        if chosen.labels is not None:
            select_label(chosen.labels, now.number)

    def _without_stray(
        self, tables: PromptTables, shown: Shown | None, free: FreeNumber | None
    ) -> PromptTables:
        """Take back the shape that was just drawn if it can't have been meant."""
        shapes, dims = self.chosen.shapes, self._viewer.dims
        self._drawn += tables.drawn
        if shapes is None or shown is None or not self._drawn:
            return tables
        drawn, self._drawn, self._taken = self._drawn, (), None
        drag = self._events.take_drag()
        if drag is not None and drag.is_cut:
            corners = box_corners(shapes, dims, drag.start, drag.end)
            if with_corners(shapes, drawn, corners, shown, dims):
                return read_tables(self.chosen, dims, free, self._tables)
        row = stray_shape(shapes, drawn, shown, dims, drag is not None and drag.is_click)
        if row is None:
            return tables
        self._taken = TakenBack.from_layer(shapes, row)
        self.said = TAKEN_BACK
        self._tables = read_tables(self.chosen, dims, free, self._tables)
        return self._tables

    def forget_taken(self) -> None:
        """Have undo be for the labels again."""
        self._taken = None

    def bring_again(self) -> bool:
        """Bring the shape again that was taken back last, if there is one; tell whether so."""
        taken, self._taken = self._taken, None
        if taken is None or taken.layer != self.chosen.shapes:
            return False
        self.said = ""
        with self._events.blocked():
            taken.bring_again()
        self.take_as_known()
        return True

    def select_left_out(self) -> None:
        """Select the prompts that are left out, in their layer."""
        for layer, kind in ((self.chosen.points, "points"), (self.chosen.shapes, "shapes")):
            left_out = self.reading.left_out
            rows = {row for item in left_out if item.layer == kind for row in item.rows}
            if layer is not None and rows:
                self._viewer.layers.selection.active = layer
                layer.mode = "select"
                layer.selected_data = rows
                return


def _said_of(tables: PromptTables) -> str:
    """Say which values of the user's were no objects, and what became of them."""
    if not tables.odd:
        return ""
    listed = ", ".join(tables.odd[:3]) + (", …" if tables.odd[3:] else "")
    which = f"{listed} is no object" if len(tables.odd) == 1 else f"{listed} are no objects"
    return f"{which}, which are whole numbers from 1 to {MAX_OBJECT}: a new one was given."


def _next(used: frozenset[int]) -> int:
    """Return the number after all that are used, where no labels have any."""
    return max(used, default=0) + 1
