"""Through a stack from a script: one call from prompts on a few planes to labels on all.

Here: :func:`segment_stack`, and doing it on workers.  They embed the planes, then follow a group of
objects through a stretch of planes each (:mod:`.partitions`).  Without workers the same groups are
followed in this process: so the labels are the same, bit for bit.

Not here: how objects are followed (``propagation``), prompts and answers (``through.py``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.engine import EmbeddingStore
from napari_samv2_prompts.images import StackPicture, as_array, axes_of, planes_first
from napari_samv2_prompts.io.box_formats import BoxFormat
from napari_samv2_prompts.io.file_views import StackFile
from napari_samv2_prompts.io.found_files import FilledFolder, found_key, read_filled, write_filled
from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import (
    Anchors,
    Filled,
    Found,
    Method,
    Partition,
    Wanted,
    check_method,
    current,
    painted,
    partitions_of,
    propagate_partitions,
)
from napari_samv2_prompts.propagation.stretches import sorted_keys
from napari_samv2_prompts.through import Given, StackModel, StackPrompts, stack_prompts
from napari_samv2_prompts.units.embeddings import stack_units
from napari_samv2_prompts.units.unit import ModelSettings, Outcome, Standing, Unit, content_key

if TYPE_CHECKING:
    from distributed import Client

    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

Run = Callable[[Iterable[Unit]], Iterator[Outcome]]
"""Does units somewhere."""


def segment_stack(
    stack: str | Path | ArrayLike,
    *,
    boxes: Given | None = None,
    points: Given | None = None,
    box_format: BoxFormat | None = None,
    channel: str | int | None = None,
    direction: Literal["forward", "back", "both"] = "both",
    first: int | None = None,
    last: int | None = None,
    model: str | None = None,
    method: Method = "auto",
    checkpoint: str | Path | None = None,
    device: str = "auto",
    predictor: SAMV2ImagePredictor | None = None,
    store: str | Path | None = None,
    progress: Callable[[Filled], object] | None = None,
    client: Client | None = None,
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Segment objects on all planes of a stack, or all frames of a film, from prompts on a few.

    Parameters
    ----------
    stack : path or array of shape (Z, H, W), (Z, H, W, 3) or (Z, H, W, 4)
        Other numbers than 8 bit are stretched between percentiles of the whole stack.  More axes
        in front that have one place are left out.
    boxes : path, or mapping of object to rows, optional
        A table with a column ``plane`` (see :func:`.read_stack_prompts`), or for each object
        ``plane, x0, y0, x1, y1``, or several such rows on different planes.
    points : path, or mapping of object to rows, optional
        A table, or ``plane, x, y`` for each object, or several; all of them on the object.
    box_format : {"xyxy", "xywh", "yolo"}, optional
        How the four numbers of a box in a table are meant; by its columns' names if not given.
    channel : str or int, optional
        As for :func:`.segment`.
    direction : str
        Beyond the prompted planes: ``"forward"``, ``"back"`` or ``"both"``.
    first, last : int, optional
        Planes to fill, both included; all by default.  Those on the way there are filled, too.
    model, checkpoint, device, predictor
        As for :func:`.segment`.
    method : str
        How objects are followed: ``"hand-over"`` makes prompts of the last mask, with any model;
        ``"memory"`` is the published models' own way.  ``"auto"`` is the memory if the model has
        one and sees planes in full detail, else hand-over.
    store : path, optional
        Folder of embeddings: what is there is not embedded again, what is not is kept there.  What
        was followed is noted there as well until all is done: the same call goes on from there
        after an interrupt, to the same labels.
    progress : callable, optional
        Told what each plane gained; what it raises ends the work.
    client : dask.distributed.Client, optional
        Whose workers embed and follow; they see stack and store under the same names, and make
        their own predictors of `model`, `checkpoint` and `device`.

    Returns
    -------
    array of shape (Z, H, W), uint16; uint32 if an object's number needs it

    Raises
    ------
    ValueError
        If stack or prompts are not as above, the range holds no plane, or workers can't share what
        they need.
    OSError
        If a file cannot be read.
    """
    settings = ModelSettings.of(model, checkpoint, device)
    if client is not None and not isinstance(stack, str | Path):
        raise ValueError("Workers read files by themselves: give the path, not the array.")
    if client is not None and store is None:
        raise ValueError("Workers share embeddings: name a folder that all of them see (store).")
    opened = None
    if isinstance(stack, str | Path):
        opened = open_image(stack).of_channel(channel)
    elif channel is not None:
        raise ValueError("A channel is chosen of a file: give the array of that channel alone.")
    image = as_array(stack, "The stack") if opened is None else opened.data
    axes = axes_of(image.shape) if len(image.shape) > 3 else (0, 1, 2)
    seen = StackPicture.of(planes_first(image, axes))
    prompts = stack_prompts(seen.shape, boxes, points, box_format)
    wanted = Wanted.of(seen.shape[0], first, last, direction)
    kept = None if store is None else Path(store)
    make = settings.make if predictor is None else lambda: predictor
    work = StackWork(seen, prompts, wanted, method, kept)
    if client is None:
        return work.here(make, progress)
    from napari_samv2_prompts.units.cluster import run_on

    assert opened is not None  # checked above
    file = StackFile.of(opened.path.absolute(), axes, seen, opened.channel)
    run: Run = partial(run_on, client, settings=settings)
    return work.on(run, file, make, progress)


@dataclass(frozen=True, slots=True, eq=False)
class StretchUnit:
    """Objects to follow through planes of a file; a :class:`.Unit`.

    - `.method`: {"auto", "hand-over", "memory"}
    - `.store`: of embeddings
    - `.file`: where the masks go
    - `.content`: key of the stack and all options
    """

    stack: StackFile
    partition: Partition
    method: Method
    store: Path
    file: Path
    content: str

    @property
    def name(self) -> str:
        """The stack's name, and which objects and planes."""
        wanted = self.partition.wanted
        numbers = sorted(wanted.objects or ())
        objects = f"{len(numbers)} objects from {numbers[0]}" if numbers[1:] else f"{numbers[0]}"
        return f"{self.stack.image.name}, {objects}, planes {wanted.first} to {wanted.last}"

    def key(self, weights: str) -> str:
        """Say by content all that the masks depend on."""
        asked = _asked(self.partition.anchors, self.partition.wanted)
        return content_key([weights, self.content, self.method, *asked])

    def standing(self, key: str) -> Standing:
        """Tell what is there of the masks."""
        found = found_key(self.file)
        return "absent" if found is None else "done" if found == key else "outdated"

    def run(self, make_predictor: Callable[[], SAMV2ImagePredictor], key: str | None) -> Outcome:
        """Follow the objects.

        Raises ValueError, OSError or MemoryError if anything is wrong with the stack or the disk.
        """
        with self.stack.opened() as seen:
            model = StackModel(seen, make_predictor(), EmbeddingStore(self.store, limit_mb=np.inf))
            with closing(model.embeddings):
                parts = list(propagate_partitions(model.follower(self.method), [self.partition]))
        write_filled(self.file, parts, key or "")
        found = {(part.plane, number) for part in parts for number in part.sections}
        return Outcome(self, objects=len(found))


@dataclass(frozen=True, slots=True, eq=False)
class StackWork:
    """What is to be done for a stack.

    - `.method`: {"auto", "hand-over", "memory"}
    - `.store`: of embeddings, and of what was followed before an interrupt
    """

    seen: StackPicture
    prompts: StackPrompts
    wanted: Wanted
    method: Method = "auto"
    store: Path | None = None

    def here(
        self,
        make_predictor: Callable[[], SAMV2ImagePredictor],
        progress: Callable[[Filled], object] | None = None,
    ) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """Return the labels, made in this process; see :func:`segment_stack`."""
        model = self._model(make_predictor)
        follower = model.follower(self.method)
        anchors = model.answered(self.prompts)
        notes = self._notes(model, anchors)
        before, found = notes.read() if notes else [], Found()
        for part in before:
            found.add(part)
        parts = propagate_partitions(follower, partitions_of(anchors, found, self.wanted))
        with closing(model.embeddings):
            rest = notes.noted(parts) if notes else parts
            labels = self._painted(anchors, chain(before, rest), progress)
        if notes:
            notes.remove()
        return labels

    def on(
        self,
        run: Run,
        file: StackFile,
        make_predictor: Callable[[], SAMV2ImagePredictor],
        progress: Callable[[Filled], object] | None = None,
    ) -> NDArray[np.uint16] | NDArray[np.uint32]:
        """Return the labels, made by workers; what they have done is kept until all is done.

        - `run`: does units on the workers
        - `file`: where they find the stack
        - `make_predictor`: for the prompts, which are answered here
        - raises OSError if a part could not be done; the others are kept
        """
        assert self.store is not None  # checked by whoever asked
        store, wanted = self.store.absolute(), self.wanted
        model = self._model(make_predictor)
        model.follower(self.method)  # an error is told before there is any work
        # Where the file has more axes, or channels, the window's layer may have others, and nothing
        # is embedded ahead.
        if model.embeddings.whole and max(file.axes) == 2 and file.channel is None:
            planes = range(wanted.first, wanted.last + 1)
            embed = stack_units(file.image, store, self.seen, file.axes, planes)
            for _ in run(embed):
                pass  # what could not be embedded there is embedded when it is needed, or fails
        anchors = model.answered(self.prompts)
        content = content_key([file.image, repr(file)])
        folder = store / f"followed-{content[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        units = [
            StretchUnit(file, partition, self.method, store, folder / f"{n}.npz", content)
            for n, partition in enumerate(partitions_of(anchors, Found(), wanted))
        ]
        labels = self._painted(anchors, _parts(run(units)), progress)
        shutil.rmtree(folder, ignore_errors=True)
        return labels

    def _notes(self, model: StackModel, anchors: Anchors) -> FilledFolder | None:
        """Return where it is noted what was followed, so that it is not followed again."""
        if self.store is None:
            return None
        digest = blake2b(digest_size=16)
        _, height, width = self.seen.shape
        for plane in _looked_at(anchors, self.wanted):
            pixels = self.seen.read(plane, slice(0, height), slice(0, width))
            digest.update(np.ascontiguousarray(pixels).data)
        seen = digest.hexdigest(), *map(str, self.seen.shape)
        key = content_key([model.weights, *seen, self.method, *_asked(anchors, self.wanted)])
        return FilledFolder(self.store / f"followed-{key[:12]}", key)

    def _model(self, make_predictor: Callable[[], SAMV2ImagePredictor]) -> StackModel:
        check_method(self.method)
        kept = None if self.store is None else EmbeddingStore(self.store, limit_mb=np.inf)
        return StackModel(self.seen, make_predictor(), kept)

    def _painted(
        self,
        anchors: dict[int, dict[int, MaskCrop]],
        parts: Iterable[Filled],
        progress: Callable[[Filled], object] | None,
    ) -> NDArray[np.uint16] | NDArray[np.uint32]:
        found = Found()
        for filled in parts:
            found.add(filled)
            if progress is not None:
                progress(filled)
        return painted(self.seen.shape, anchors, current(anchors, found))


def _looked_at(anchors: Anchors, wanted: Wanted) -> range:
    """Return the planes on which what is found depends: the range, and those up to the anchors."""
    known = [plane for planes in anchors.values() for plane in planes]
    return range(min([wanted.first, *known]), max([wanted.last, *known]) + 1)


def _asked(anchors: Anchors, wanted: Wanted) -> tuple[str, str]:
    """Say by content what is to be followed, and how far."""
    known = [(number, sorted_keys(planes)) for number, planes in sorted(anchors.items())]
    numbers = sorted(wanted.objects or ())
    asked = wanted.first, wanted.last, wanted.direction, wanted.stop_when_lost, numbers
    return repr(known), repr(asked)


def _parts(outcomes: Iterable[Outcome]) -> Iterator[Filled]:
    """Yield what planes gained; raise at the end if a part could not be done."""
    failed = ""
    for outcome in outcomes:
        assert isinstance(outcome.unit, StretchUnit)
        if outcome.error:
            failed = failed or f"{outcome.unit.name}: {outcome.error}"
        else:
            yield from read_filled(outcome.unit.file)
    if failed:
        raise OSError(f"{failed} What was done is kept: run it again to go on.")
