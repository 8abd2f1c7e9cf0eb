"""Writing the labels of the shown plane for other programs, with their classes.

Not here: the formats (``io``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_samv2_prompts.geometry import Plane, PlaneError
from napari_samv2_prompts.io.exports import LabelledImage, write_coco, write_labels
from napari_samv2_prompts.io.geojson import write_geojson
from napari_samv2_prompts.layers import Chosen, current_plane
from napari_samv2_prompts.layers.classes import object_classes

from .threads import Disk

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["ask_and_export", "exporter"]

_KINDS = "GeoJSON, as for QuPath (*.geojson);;COCO (*.json);;Label image (*.tif *.ome.tif)"

Export = Callable[[Path], None]


def ask_and_export(parent: QWidget, viewer: Viewer, chosen: Chosen, disk: Disk) -> None:
    """Ask for a name, and write the labels of the shown plane in the worker."""
    name, _ = QFileDialog.getSaveFileName(parent, "Export labels", "labels.geojson", _KINDS)
    if not name:
        return
    try:
        export = exporter(viewer, chosen)
    except ValueError as error:
        show_error(f"SAMV2 Prompts: {error}")
        return
    path = Path(name)
    done = f"Wrote {path.name}."
    disk.do(f"Writing {path.name}…", partial(export, path), lambda nothing: done)


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
    return partial(_write, pixels, classes, name)


def _write(pixels: NDArray[Any], classes: Mapping[int, str], name: str, path: Path) -> None:
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
