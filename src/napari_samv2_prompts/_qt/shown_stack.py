"""The stack that is shown: its axes, its labels over the planes, their tracks, files of both.

Not here: following objects (``propagation.py``), what is written (``layers/stack_labels.py``),
formats (``io``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Tracks
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import LabelsTarget, current_plane, layer_shape, shown_plane
from napari_samv2_prompts.layers.belonging import made_for, mark_as_made_for
from napari_samv2_prompts.layers.classes import object_classes
from napari_samv2_prompts.layers.prompt_layers import placement

from .files import refusals_named, with_ending
from .messages import axis_name
from .widget_state import Axis

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_samv2_prompts.layers.stack_labels import StackLabels
    from napari_samv2_prompts.propagation import Lineage

    from .controller import Controller
    from .threads import Disk

_PLANE_KINDS = "GeoJSON, as for QuPath (*.geojson);;COCO (*.json);;Label image (*.tif *.ome.tif)"
_TRACK_KINDS = (
    "Tracks, as a table (*.csv);;Tracks, as a GEFF graph (*.geff);;"
    "Tracks and masks, for the Cell Tracking Challenge (*_RES)"
)


@dataclass(frozen=True, slots=True, eq=False)
class ShownPlane:
    """The image and its labels, and the plane that is shown of them."""

    image: Image
    target: LabelsTarget
    plane: Plane


class ShownStack:
    """The chosen image and labels of one widget, as a stack."""

    def __init__(self, viewer: Viewer, controller: Controller) -> None:
        self._viewer, self._controller = viewer, controller
        self.chosen_axis: int | None = None
        # By what they are of, labels and their data first; the one that was used last comes last.
        self._tracks: dict[tuple[Any, ...], StackLabels] = {}

    def axes(self) -> tuple[tuple[Axis, ...], str]:
        """Return the axes that can be gone through.

        The one that the user chose comes first, then the one whose slider was moved last.  Also
        returns why there are none, in a sentence.
        """
        try:
            shown = self.now()
        except ValueError as error:
            return (), str(error)
        plane, last = shown.plane, self._controller.reader.other_planes.axis
        sizes, names = layer_shape(shown.image), self._viewer.dims.axis_labels[-plane.ndim :]
        axes = [
            Axis(axis, axis_name(axis, names[axis]), sizes[axis], int(plane.index[axis] or 0))
            for axis in plane.hidden
            if sizes[axis] > 1
        ]
        problem = "" if axes else "The image has one plane only."
        first = self.chosen_axis, last
        return tuple(sorted(axes, key=lambda axis: [axis.number != one for one in first])), problem

    def choose_axis(self, axis: int) -> None:
        """Take it that the user goes through an axis, until another one is chosen."""
        self.chosen_axis = axis

    def now(self) -> ShownPlane:
        """Return what is shown; ValueError if nothing can be followed in it."""
        targets, chosen = self._controller.targets, self._controller.chosen
        if chosen.image is None or chosen.labels is None:
            raise ValueError("Open an image and draw an object first.")
        dims = self._viewer.dims
        shown = shown_plane(dims, chosen.image)
        misfit = targets.misfit(chosen.labels, chosen.image, dims, shown.to_world)
        if misfit:
            raise ValueError(misfit)
        if not targets.numbered(chosen.labels):
            raise ValueError("The labels are being read: try again in a moment.")
        return ShownPlane(chosen.image, targets.of(chosen.labels), shown.plane)

    def axis(self, axis: int | None) -> int:
        """Return an axis that can be gone through, by default the one that comes first."""
        axes = [one.number for one in self.axes()[0]]
        if axis is None and axes:
            return axes[0]
        if axis not in axes:
            raise ValueError("There is no such axis to go through: the image has one plane there.")
        return axis

    def track(self, shown: ShownPlane, axis: int) -> StackLabels:
        """Return the labels along an axis: the same ones however the image is turned."""
        from napari_samv2_prompts.layers.stack_labels import StackLabels

        plane, target = shown.plane.in_data_order(), shown.target
        others = tuple(index for at, index in enumerate(plane.index) if at != axis)
        key = id(target), target.replaced, target.labels.data.shape, plane.axes, axis, others
        track = self._tracks.pop(key, None) or StackLabels.along(axis, plane, target)
        self._tracks[key] = track
        return track

    def last(self) -> StackLabels | None:
        """Return the stack of the chosen labels in which something was found last."""
        chosen = self._controller.chosen.labels
        tracks = reversed(self._tracks.values())
        return next((t for t in tracks if t.target.labels is chosen and t.has_found), None)

    def holds(self, track: StackLabels) -> bool:
        """Tell whether labels along an axis are still what they were."""
        return track in self._tracks.values()

    def let_go(self, there: Collection[LabelsTarget]) -> None:
        """Forget all layers but these, and what they showed before other data came."""
        self._tracks = {
            key: track
            for key, track in self._tracks.items()
            if track.target in there and key[1] == track.target.replaced
        }

    def accept(self, objects: Collection[int]) -> None:
        """Leave what was found of objects of the chosen labels to the user."""
        chosen = self._controller.chosen.labels
        for track in self._tracks.values():
            if track.target.labels is chosen:
                for number in objects:
                    track.accept(number)

    # --- tracks -----------------------------------------------------------------------------

    def lineage(self) -> Lineage:
        """Return the tracks of all labels along the axis that is gone through."""
        self._controller.flush()
        return self.track(self.now(), self.axis(None)).lineage()

    def show_tracks(self) -> Tracks:
        """Add a Tracks layer with the middles of all labels, and who came from whom."""
        read, show = self.tracks_in_steps()
        return show(read())

    def tracks_in_steps(self) -> tuple[Callable[[], Lineage], Callable[[Lineage], Tracks]]:
        """Return what reads all labels, for a worker, and what then adds the layer."""
        self._controller.flush()
        shown, axis = self.now(), self.axis(None)
        if axis != 0 or shown.plane.ndim != 3:
            raise ValueError("A Tracks layer needs time as the first of three axes.")
        return self.track(shown, axis).lineage, partial(self._add_tracks, shown)

    def _add_tracks(self, shown: ShownPlane, lineage: Lineage) -> Tracks:
        labels = shown.target.labels
        if not len(lineage.spots):
            raise ValueError("There are no labels to show tracks of.")
        layers = self._viewer.layers
        before = [one for one in layers if isinstance(one, Tracks) and made_for(one, labels)]
        for layer in before:  # other layers may have the same name
            layers.remove(layer)
        tracks = self._viewer.add_tracks(
            lineage.spots,
            graph={daughter: [parent] for daughter, parent in lineage.parents.items()},
            name=f"{labels.name} tracks",
            **placement(labels),
        )
        mark_as_made_for([tracks], labels)
        return tracks

    # --- files ------------------------------------------------------------------------------

    def ask_and_export(self, parent: QWidget, disk: Disk) -> None:
        """Ask for a name, and write the labels of the shown plane, or tracks, in the worker."""
        self._controller.flush()
        try:
            film = self.track(self.now(), self.axis(None)).film
        except ValueError:
            film = None  # of one plane there are no tracks
        kinds = _PLANE_KINDS if film is None else f"{_PLANE_KINDS};;{_TRACK_KINDS}"
        name, kind = QFileDialog.getSaveFileName(parent, "Export labels", "labels.geojson", kinds)
        if not name:
            return
        try:
            path = with_ending(Path(name), kind)
            of_tracks = path.suffix.lower() in (".csv", ".geff") or path.name.endswith("_RES")
            if film is not None and (of_tracks or kind in _TRACK_KINDS.split(";;")):
                export: Callable[[], None] = partial(_write_film, path, film)
            else:
                export = partial(_write_plane, path, *self._labels_of_plane())
        except ValueError as error:
            show_error(f"SAMV2 Prompts: {error}")
            return
        disk.do(f"Writing {path.name}…", export, lambda nothing: f"Wrote {path.name}.")

    def _labels_of_plane(self) -> tuple[str, NDArray[Any], dict[int, str]]:
        """Return the name of the picture, a copy of the shown labels, and their classes."""
        chosen = self._controller.chosen
        labels = chosen.labels
        if labels is None:
            raise ValueError("There are no labels to export yet: press Box or Click first.")
        plane = current_plane(self._viewer.dims, labels)
        full = labels.data[0] if labels.multiscale else labels.data
        pixels = np.array(full[plane.in_data_order().indexer()])
        name = chosen.image.name if chosen.image is not None else labels.name
        return name, pixels, object_classes(chosen.points, chosen.shapes, labels)


def _write_film(path: Path, film: Callable[[], tuple[NDArray[Any], Mapping[int, int]]]) -> None:
    from napari_samv2_prompts.io.lineage_files import write_film

    with refusals_named(path):
        write_film(path, *film())


def _write_plane(path: Path, name: str, labels: NDArray[Any], classes: dict[int, str]) -> None:
    from napari_samv2_prompts.io.exports import LabelledImage, write_plane

    with refusals_named(path):
        write_plane(path, LabelledImage(name, labels, classes=classes))
