"""Files of prompts and labels: asking for their names, reading and writing them in the worker.

A call of a script returns when it is done.

Not here: how labels are made from prompts (``saved_prompts.py``), formats (``io``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.geometry import Plane, PlaneError
from napari_samv2_prompts.layers import Chosen, current_plane
from napari_samv2_prompts.layers.classes import object_classes

from .layer_choices import LayerChoices
from .model_picker import ModelPicker
from .models import WEIGHT_FILES
from .saved_prompts import SavedPrompts
from .threads import Disk

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_samv2_prompts.io.records import Record

    Film = Callable[[], tuple[NDArray[Any], Mapping[int, int]]]
    """Reads the labels of all planes; returns them and each daughter's parent."""

# What is in files is imported when one is read or written: the window opens without it.

__all__ = ["PromptFiles", "ask_and_export", "exporter"]

_KIND = "Prompts (*.json)"
_PLANE_KINDS = "GeoJSON, as for QuPath (*.geojson);;COCO (*.json);;Label image (*.tif *.ome.tif)"
_TRACK_KINDS = (
    "Tracks, as a table (*.csv);;Tracks, as a GEFF graph (*.geff);;"
    "Tracks and masks, for the Cell Tracking Challenge (*_RES)"
)
Export = Callable[[Path], None]


class PromptFiles:
    """What the buttons *Save prompts* and *Load prompts* do.

    Parameters
    ----------
    parent : QWidget
        Of the dialogs.
    """

    def __init__(
        self,
        parent: QWidget,
        layers: LayerChoices,
        picker: ModelPicker,
        saving: SavedPrompts,
        disk: Disk,
    ) -> None:
        self._parent, self._layers, self._picker = parent, layers, picker
        self._saving, self._disk = saving, disk

    def save(self, path: str | Path) -> None:
        """Write what led to the labels of the chosen layer.

        Raises
        ------
        ValueError
            If there is nothing to save.
        OSError
            If the file can't be written.
        """
        _write(Path(path), self._saving.recording())

    def load(self, path: str | Path, checkpoint: str | Path | None = None) -> None:
        """Begin to make the labels of a file in new layers, and choose these.

        Parameters
        ----------
        checkpoint : path, optional
            Weights of the user's own that the prompts were made with, or the folder of several.
            Not needed for those that are listed under *Model*.

        Raises
        ------
        ValueError
            If the file is no such one, or of another image, or its model is not on this computer,
            or made with weights that are not given.
        OSError
            If the file can't be read.
        """
        record = _read(path)
        self._use(_weighed(record, checkpoint or self._listed(record)))

    def ask_and_save(self) -> None:
        """Ask for a name and save in the worker; errors are shown."""
        name, _ = QFileDialog.getSaveFileName(self._parent, "Save prompts", "prompts.json", _KIND)
        if not name:
            return
        try:  # the layers as they are now, however long the disk takes
            recording = self._saving.recording()
        except (ValueError, MemoryError) as error:
            show_error(f"SAMV2 Prompts: {error}")
            return
        path = Path(name)
        doing, done = f"Saving {path.name}…", f"Saved {path.name}."
        self._disk.do(doing, partial(_write, path, recording), lambda nothing: done)

    def ask_and_load(self) -> None:
        """Ask for a file, read it in the worker, and load it; errors are shown."""
        name, _ = QFileDialog.getOpenFileName(self._parent, "Load prompts", "", _KIND)
        if name:
            doing = f"Reading {Path(name).name}…"
            self._disk.do(doing, partial(_read, name), self._ask_for_weights)

    def _ask_for_weights(self, record: Record) -> str:
        """Ask where the weights are that a file needs, as it is not believed; load it."""
        if self._saving.closed:  # with the widget, while the file was being read
            return ""
        from napari_samv2_prompts.io.records import own_weights

        wanted, weights = own_weights(record), self._listed(record)
        if len(wanted) > 1:
            title = f"Folder of {', '.join(wanted)}, with which the prompts were made"
            weights = Path(QFileDialog.getExistingDirectory(self._parent, title))
        elif wanted and weights is None:
            title = f"{wanted[0]}, with which the prompts were made"
            weights = Path(QFileDialog.getOpenFileName(self._parent, title, "", WEIGHT_FILES)[0])
        if weights != Path():
            self._disk.do("", partial(_weighed, record, weights), self._use)
        return ""

    def _use(self, record: Record) -> str:
        if self._saving.closed:
            return ""
        self._picker.use_model(record.model)
        choice = self._picker.choice
        chosen = self._saving.load(record)
        self._layers.refresh()
        self._layers.set(chosen)
        from napari_samv2_prompts.io.records import with_models

        self._saving.start(with_models(record, partial(_placed, choice)))
        return ""

    def _listed(self, record: Record) -> Path | None:
        """Return the record's own weights if the user picked them before."""
        from napari_samv2_prompts.io.records import own_weights

        wanted = own_weights(record)
        return self._picker.listed(wanted[0]) if len(wanted) == 1 else None


def _placed(choice: ModelChoice, model: ModelChoice) -> ModelChoice:
    """Return a model that runs where the chosen one does, and lies where published ones do."""
    folder = None if model.checkpoint else choice.folder
    return replace(model, device=choice.device, folder=folder)


def _weighed(record: Record, weights: Path | str | None) -> Record:
    """Return a record with the weights that the user points at, which are there."""
    from napari_samv2_prompts.io.records import with_weights

    record = with_weights(record, weights)
    own = record.model.checkpoint if record.model else None
    if own is not None and not own.is_file():
        raise ValueError(f"There are no weights {own}.")
    return record


def _read(path: str | Path) -> Record:
    from napari_samv2_prompts.io.record_files import read_record

    return read_record(path)


def _write(path: Path, recording: Callable[[], Record]) -> None:
    from napari_samv2_prompts.io.record_files import write_record

    try:
        write_record(path, recording())
    except OSError as error:
        why = error.strerror or error
        raise OSError(f"{path.name} could not be saved ({why}): choose another folder.") from error


def ask_and_export(
    parent: QWidget, viewer: Viewer, chosen: Chosen, disk: Disk, film: Film | None = None
) -> None:
    """Ask for a name, and write the labels of the shown plane, or tracks, in the worker.

    `film` is what tracks are of; without it they are not offered.
    """
    kinds = _PLANE_KINDS if film is None else f"{_PLANE_KINDS};;{_TRACK_KINDS}"
    name, kind = QFileDialog.getSaveFileName(parent, "Export labels", "labels.geojson", kinds)
    if not name:
        return
    path = Path(name)
    try:
        if film is not None and (kind in _TRACK_KINDS.split(";;") or _is_of_tracks(path)):
            export: Export = partial(_write_tracks, film)
        else:
            export = exporter(viewer, chosen)
    except ValueError as error:
        show_error(f"SAMV2 Prompts: {error}")
        return
    done = f"Wrote {path.name}."
    disk.do(f"Writing {path.name}…", partial(export, path), lambda nothing: done)


def _is_of_tracks(path: Path) -> bool:
    return path.suffix.lower() in (".csv", ".geff") or path.name.endswith("_RES")


def _write_tracks(film: Film, path: Path) -> None:
    """Write a table, a GEFF graph, or a folder of the Cell Tracking Challenge, by the ending."""
    from napari_samv2_prompts.io.lineage_files import write_ctc, write_geff, write_lineage_table
    from napari_samv2_prompts.propagation import Lineage

    labels, parents = film()
    kind = path.suffix.lower()
    if kind not in (".csv", ".geff"):
        write_ctc(path, labels, parents)
        return
    lineage = Lineage.of(labels, parents)
    if kind == ".csv":
        write_lineage_table(path, lineage)
    else:
        write_geff(path, lineage)


def exporter(viewer: Viewer, chosen: Chosen) -> Export:
    """Copy the labels of the shown plane; return what writes them, in any thread.

    Raises
    ------
    ValueError
        If there are no labels, or no plane is shown.
    """
    labels = chosen.labels
    if labels is None:
        raise ValueError("There are no labels to export yet: press Box or Click first.")
    try:
        plane: Plane = current_plane(viewer.dims, labels)
    except PlaneError as error:
        raise ValueError(str(error)) from None
    pixels = np.array(labels.data[plane.in_data_order().indexer()])
    classes = object_classes(chosen.points, chosen.shapes, labels)
    name = chosen.image.name if chosen.image is not None else labels.name
    return partial(_write_labels, pixels, classes, name)


def _write_labels(pixels: NDArray[Any], classes: Mapping[int, str], name: str, path: Path) -> None:
    from napari_samv2_prompts.io.exports import LabelledImage, write_coco, write_labels
    from napari_samv2_prompts.io.geojson import write_geojson

    kind = path.suffix.lower()
    if kind == ".geojson":
        write_geojson(path, pixels, classes)
    elif kind == ".json":
        try:
            write_coco(path, [LabelledImage(name, pixels, classes=classes)])
        except ImportError:  # outlines need nothing that may be missing
            write_coco(path, [LabelledImage(name, pixels, classes=classes)], polygons=True)
    else:
        write_labels(path, pixels)
