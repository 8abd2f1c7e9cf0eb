"""Units of work on one image file: from its prompts, or to find all objects.

Not here: what a unit is (``unit.py``), those of a folder (``folders.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_samv2_prompts.candidates import Candidate, Selection
from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.everything import found_in_tiles, labels_from
from napari_samv2_prompts.io.box_formats import BoxFormat
from napari_samv2_prompts.io.exports import objects_path, read_key, write_labels, write_objects
from napari_samv2_prompts.io.label_arrays import numbers_in
from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.pictures import picture_of, write_outlines
from napari_samv2_prompts.io.pixel_size import PixelSize
from napari_samv2_prompts.io.prompt_files import gather_prompts
from napari_samv2_prompts.io.record_files import write_record
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_MODEL
from napari_samv2_prompts.scripting import labels_of, record_of
from napari_samv2_prompts.units.unit import ModelSettings, Outcome, Standing, content_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor


@dataclass(frozen=True, slots=True)
class FileUnit:
    """One image to segment; a :class:`.Unit`."""

    image: Path
    labels: Path  # where the labels go
    # Files of prompts.
    boxes: Path | None = None
    points: Path | None = None
    outlines: Path | None = None  # where a picture with the outlines goes
    prompts: Path | None = None  # where prompts and settings go, to be loaded again
    box_format: BoxFormat | None = None  # how the four numbers of a box are meant
    channel: str | None = None  # see :meth:`.OpenedImage.of_channel`
    # Which model answers, to be saved with the prompts.
    settings: ModelSettings = field(default_factory=ModelSettings)

    @property
    def name(self) -> str:
        """The image's name."""
        return self.image.name

    def key(self, weights: str) -> str:
        """Say by content all that the labels depend on."""
        words = (self.image.name, self.box_format, self.channel)
        return content_key([weights, self.image, self.boxes, self.points, *words])

    def standing(self, key: str) -> Standing:
        """Tell what is there of the labels; of outlines and prompts only whether they are."""
        return _standing(self.labels, key, self.outlines, self.prompts)

    def run(self, make_predictor: Callable[[], SAMV2ImagePredictor], key: str | None) -> Outcome:
        """Segment the image and write what is wanted of it.

        - `make_predictor`: called once image and prompts are known to be good, if there is an
          object at all
        - `key`: goes into the labels
        - raises ValueError, OSError or MemoryError if anything is wrong with the image, its
          prompts or the disk
        """
        opened = open_image(self.image).with_pixel_size().of_channel(self.channel)
        image = picture_of(opened)
        size = (image.shape[0], image.shape[1])
        given = gather_prompts(
            size, self.boxes, self.points, box_format=self.box_format, image=self.image.name
        )
        prompts = given.single()
        labels = labels_of(image, prompts, make_predictor)
        if self.prompts is not None:
            own = self.settings.checkpoint
            model = ModelChoice(None if own else self.settings.model or DEFAULT_MODEL, own)
            record = record_of(self.image.name, size, opened.data.dtype, prompts, model)
            write_record(self.prompts, record)
        if self.outlines is not None:
            write_outlines(self.outlines, image, labels)
        # The labels come last: where they are, all is.
        write_labels(self.labels, labels, pixel_size=opened.pixel_size, key=key)
        return Outcome(self, objects=_seen(labels), notes=(*opened.notes, *given.all_notes))


@dataclass(frozen=True, slots=True)
class AllUnit:
    """One image in which to find all objects; a :class:`.Unit`."""

    image: Path
    labels: Path  # where the labels go; a table of the objects beside them
    selection: Selection = field(default_factory=Selection)  # which objects are kept
    outlines: Path | None = None  # where a picture with the outlines goes
    channel: str | None = None  # see :meth:`.OpenedImage.of_channel`
    settings: ModelSettings = field(default_factory=ModelSettings)  # which model answers

    @property
    def name(self) -> str:
        """The image's name."""
        return self.image.name

    def key(self, weights: str) -> str:
        """Say by content all that the labels depend on."""
        return content_key([weights, self.image, "all", repr(self.selection), self.channel])

    def standing(self, key: str) -> Standing:
        """Tell what is there of the labels; of the other files only whether they are."""
        return _standing(self.labels, key, self.outlines, objects_path(self.labels))

    def run(self, make_predictor: Callable[[], SAMV2ImagePredictor], key: str | None) -> Outcome:
        """Find all objects and write labels and a table of them.

        - `make_predictor`: called once the image is known to be good
        - `key`: goes into the labels
        - raises ValueError, OSError or MemoryError if anything is wrong with the image or the disk
        """
        opened = open_image(self.image).with_pixel_size().of_channel(self.channel)
        image = picture_of(opened)
        found = found_in_tiles(make_predictor(), image, self.selection)
        labels = labels_from(found, (image.shape[0], image.shape[1]))
        if self.outlines is not None:
            write_outlines(self.outlines, image, labels)
        self.write(found, labels, opened.pixel_size, key)
        return Outcome(self, objects=_seen(labels), notes=opened.notes)

    def write(
        self,
        found: Sequence[Candidate],
        labels: NDArray[Any],
        pixel_size: PixelSize | None,
        key: str | None,
    ) -> None:
        """Write labels and, before them, a table of the objects with their numbers."""
        write_objects(objects_path(self.labels), enumerate(found, 1))
        write_labels(self.labels, labels, pixel_size=pixel_size, key=key)


def _standing(labels: Path, key: str, *others: Path | None) -> Standing:
    found = read_key(labels)
    if found is None:
        return "absent"
    if not found:
        return "foreign"
    whole = found == key and all(path.is_file() for path in others if path is not None)
    return "done" if whole else "outdated"


def _seen(labels: NDArray[Any]) -> int:
    """Count the objects that have a pixel: a mask may be empty, or lie under others."""
    return len(numbers_in(labels))
