"""Units of work on the images of OME-Zarr files: fields of a plate, wells, single images.

Not here: what a unit is (``unit.py``), files of other kinds (``files.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.candidates import Candidate, Selection
from napari_samv2_prompts.everything import found_in_tiles, labels_from
from napari_samv2_prompts.io.box_formats import BoxFormat
from napari_samv2_prompts.io.label_arrays import numbers_in
from napari_samv2_prompts.io.ome_zarr import NgffImage, find_images, open_ngff
from napari_samv2_prompts.io.ome_zarr_labels import labels_standing, written_labels
from napari_samv2_prompts.io.pictures import as_picture
from napari_samv2_prompts.io.prompt_files import gather_prompts, listed_images
from napari_samv2_prompts.scripting import labels_of
from napari_samv2_prompts.units.unit import ModelSettings, Outcome, Standing, content_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

LABELS = "samv2"
"""Usual name of the labels."""


@dataclass(frozen=True, slots=True)
class FieldUnit:
    """One image of an OME-Zarr file to segment, plane by plane; a :class:`.Unit`."""

    image: Path  # of the image's group
    name: str  # what messages and tables call it: its path below the file
    labels: str = LABELS  # the labels are ``labels/<this>``
    # To find all objects: which of them are kept.  None: from prompts.
    selection: Selection | None = None
    # Files of prompts, the same for all images: they tell them by name.
    boxes: Path | None = None
    points: Path | None = None
    box_format: BoxFormat | None = None  # how the four numbers of a box are meant
    channel: str | None = None  # see :meth:`.NgffImage.channel`
    settings: ModelSettings = field(default_factory=ModelSettings)

    def key(self, weights: str) -> str:
        """Say by content all that the labels depend on."""
        image = self._open()
        asked = (repr(self.selection), self.box_format, self.channel, repr(image.described))
        pixels = self.image / image.described.levels[0].path
        return content_key([weights, pixels, self.boxes, self.points, self.name, *asked])

    def standing(self, key: str) -> Standing:
        """Tell what is there of the labels."""
        return labels_standing(self.image, self.labels, key)

    def run(self, make_predictor: Callable[[], SAMV2ImagePredictor], key: str | None) -> Outcome:
        """Segment each plane by itself and write the labels; no number stands for two objects.

        Raises ValueError, OSError or MemoryError if anything is wrong with the image, its prompts
        or the disk.
        """
        image = self._open()
        channel = self._channel(image)
        notes = dict.fromkeys([image.note] if image.note else [])
        properties: list[dict[str, Any]] = []
        with written_labels(image, self.labels) as group:
            for plane in image.planes():
                picture = self._picture(image, plane, channel)
                if self.selection is None:
                    labels, more = self._prompted(picture, make_predictor, len(image.planes()))
                    notes |= dict.fromkeys(more)
                    properties += [{"label-value": int(n)} for n in numbers_in(labels)]
                else:
                    labels = self._found(picture, make_predictor(), properties)
                group.write(plane, labels)
            group.finish(key or "", properties)
        return Outcome(self, objects=len(properties), notes=tuple(notes))

    def _found(
        self,
        picture: NDArray[np.uint8],
        predictor: SAMV2ImagePredictor,
        properties: list[dict[str, Any]],
    ) -> NDArray[Any]:
        """Find all objects of a plane, numbered after those of `properties`, to which they go."""
        assert self.selection is not None
        found = found_in_tiles(predictor, picture, self.selection)
        labels = labels_from(found, (picture.shape[0], picture.shape[1])).astype(np.uint32)
        labels[labels > 0] += len(properties)
        properties += described(found, len(properties) + 1)
        return labels

    def _prompted(
        self,
        picture: NDArray[np.uint8],
        make_predictor: Callable[[], SAMV2ImagePredictor],
        planes: int,
    ) -> tuple[NDArray[Any], tuple[str, ...]]:
        if planes > 1:
            raise ValueError(
                f"{self.name} has {planes} planes: prompts are for one. Find all objects (--all), "
                "or follow them from the prompts of a few planes (--through)."
            )
        size = (picture.shape[0], picture.shape[1])
        given = gather_prompts(
            size, self.boxes, self.points, box_format=self.box_format, image=self.name
        )
        return labels_of(picture, given.single(), make_predictor), given.all_notes

    def _open(self) -> NgffImage:
        try:
            image = open_ngff(self.image)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # damaged metadata raise almost anything
            raise ValueError(f"{self.name} is not a readable OME-Zarr image: {error}.") from error
        if image is None:
            raise ValueError(f"{self.name} is not a readable OME-Zarr image.")
        return image

    def _channel(self, image: NgffImage) -> int | slice | None:
        try:
            return image.channel(self.channel)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}.") from error

    def _picture(
        self, image: NgffImage, plane: tuple[int, ...], channel: int | slice | None
    ) -> NDArray[np.uint8]:
        try:
            whole = image.read(plane, channel, slice(None), slice(None))
        except (OSError, MemoryError):
            raise
        except Exception as error:  # what codecs raise is as various as they are
            raise ValueError(f"{self.name}: its pixels can't be read ({error}).") from error
        return as_picture(whole, self.name, rgb=isinstance(channel, slice))


def described(found: Iterable[Candidate], first: int) -> list[dict[str, Any]]:
    """Return the properties of objects with the labels from `first` on, as NGFF has them."""
    return [
        {"label-value": number, "score": round(item.score, 4), "area": item.area}
        for number, item in enumerate(found, first)
    ]


def find_fields(
    path: Path,
    *,
    labels: str = LABELS,
    selection: Selection | None = None,
    boxes: Path | None = None,
    points: Path | None = None,
    box_format: BoxFormat | None = None,
    channel: str | None = None,
    settings: ModelSettings | None = None,
) -> tuple[list[FieldUnit], list[str]]:
    """Return a unit for each image of an OME-Zarr file, and what can't be read, in sentences.

    - `path`: of an image, a well or a plate
    - `labels`, `selection`, `boxes`, `points`, `box_format`, `channel`: see :class:`FieldUnit`.
      Of several images those that a table lists.
    - raises ValueError if the file is none of them, or the labels' name is no name
    """
    if not labels or labels.startswith(".") or set(labels) & set('/\\:*?"<>|\0'):
        raise ValueError(f"Labels can't be called {labels!r}: give a plain name.")
    images, problems = find_images(path)
    named = {_name(path, image): image for image in images}
    on_boxes, on_points = (_listed(path, table, tuple(named)) for table in (boxes, points))
    prompted = boxes is not None or points is not None
    units = [
        FieldUnit(
            image, name, labels, selection, boxes if name in on_boxes else None,
            points if name in on_points else None, box_format, channel,
            settings or ModelSettings(),
        )
        for name, image in named.items()
        if not prompted or name in on_boxes or name in on_points
    ]  # fmt: skip
    return units, problems


def _listed(path: Path, table: Path | None, names: tuple[str, ...]) -> Collection[str]:
    """Return which images of a file a table has prompts of: if there is only one, that.

    Raises ValueError if it does not say, or has prompts of none.
    """
    if table is None:
        return ()
    listed = listed_images(table)
    if len(names) == 1:
        return names
    if listed is None:
        raise ValueError(
            f"{table.name} does not say which image a prompt is on: {path.name} has "
            f"{len(names)}. Add a column image with names like {names[0]}."
        )
    if not listed.intersection(names):
        raise ValueError(f"{table.name} lists no image of {path.name}.")
    return listed


def _name(path: Path, image: Path) -> str:
    return image.name if image == path else image.relative_to(path).as_posix()
