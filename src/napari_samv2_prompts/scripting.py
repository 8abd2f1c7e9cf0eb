"""Segmenting from a script: one call from an image and its prompts to labels.

Here: :func:`segment`, and :func:`replay` for prompts that the widget saved.  Not here: folders of
images (``units/folders.py``), files of labels (``exports.py``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.engine import AtOnce, ModelChoice, Place, Session, Task
from napari_samv2_prompts.engine.coordinates import on_whole_plane
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView, as_array, as_numbers, render_plane
from napari_samv2_prompts.io.box_formats import BoxFormat, corners_of
from napari_samv2_prompts.io.pictures import label_image, limits_of, picture_in
from napari_samv2_prompts.io.prompt_files import read_prompts
from napari_samv2_prompts.io.prompt_set import refuse_outside
from napari_samv2_prompts.io.record_files import read_record
from napari_samv2_prompts.io.records import Picture, Predict, Record, with_weights
from napari_samv2_prompts.prompts import Prompt, PromptBatch, object_number
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.replaying import Replay

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

Boxes = str | Path | ArrayLike | Mapping[int, ArrayLike]


def segment(
    image: str | Path | ArrayLike,
    *,
    boxes: Boxes | None = None,
    points: Boxes | None = None,
    box_format: BoxFormat | None = None,
    prompts: PromptBatch | Iterable[Prompt] | None = None,
    channel: str | int | None = None,
    model: str | None = None,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    predictor: SAMV2ImagePredictor | None = None,
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Segment the objects of a picture.

    Parameters
    ----------
    image : path or array of shape (H, W), (H, W, 3) or (H, W, 4)
        One grey or colour picture; other numbers than 8 bit are stretched between percentiles.
    boxes : path, array of shape (N, 4), or mapping of object to box, optional
        A file (see :func:`.read_prompts`), or ``x0, y0, x1, y1`` in pixels; an array's rows are
        the objects 1, 2, ...
    points : path, array of shape (N, 2), or mapping of object to points, optional
        A file, or ``x, y`` in pixels, all of them on the object; each row of an array is an object
        of its own.
    box_format : {"xyxy", "xywh", "yolo"}, optional
        How the four numbers of a box are meant: corners, corner and extent in pixels, or centre
        and extent as shares of the image.
    prompts : PromptBatch or sequence of Prompt, optional
        In place of boxes and points.
    channel : str or int, optional
        Of a file with several channels the one to segment in, by number or name; "rgb" for three as
        colours, which three of 8 bit are by themselves.
    model, checkpoint, device
        As for :class:`.SAMV2ImagePredictor`; a published model is downloaded when first used.
    predictor : SAMV2ImagePredictor, optional
        In place of those three, when there are many images.

    Returns
    -------
    array of shape (H, W), uint16; uint32 if an object's number needs it
        Each object's best mask, painted with its number; smaller masks lie over larger ones.  All
        zeros if boxes and points are empty.

    Raises
    ------
    ValueError
        If image or prompts are not as above.
    OSError
        If a file cannot be read.
    """
    picture = picture_in(image, channel)
    height, width = picture.shape[:2]
    if prompts is not None:
        if boxes is not None or points is not None:
            raise ValueError("Give prompts, or boxes and points, not both.")
        batch = prompts if isinstance(prompts, PromptBatch) else PromptBatch(tuple(prompts))
    else:
        name = Path(image).name if isinstance(image, str | Path) else ""
        batch = prompts_of((height, width), boxes, points, box_format=box_format, image=name)

    def make() -> SAMV2ImagePredictor:
        if predictor is not None:
            return predictor
        from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

        return SAMV2ImagePredictor(model, checkpoint=checkpoint, device=device)

    return labels_of(picture, batch, make)


def labels_of(
    picture: NDArray[np.uint8],
    prompts: PromptBatch,
    make_predictor: Callable[[], SAMV2ImagePredictor],
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Return the labels of a picture; without prompts zeros, for which no model is made."""
    if not prompts:
        return np.zeros(picture.shape[:2], np.uint16)
    predictor = make_predictor()
    embedding = predictor.embed(picture).halved()  # as the window keeps it: the same labels
    height, width = picture.shape[:2]
    whole = on_whole_plane(prompts, (height, width), embedding.logits_size)
    return label_image(predictor.decode(embedding, whole))


def prompts_of(
    size: tuple[int, int],
    boxes: Boxes | None = None,
    points: Boxes | None = None,
    *,
    box_format: BoxFormat | None = None,
    image: str = "",
) -> PromptBatch:
    """Return boxes and points of a picture of ``(height, width)`` as prompts; see `segment`."""
    if boxes is None and points is None:
        raise ValueError("There are no prompts: give boxes, points or both.")
    batch = read_prompts(
        size,
        boxes if isinstance(boxes, str | Path) else None,
        points if isinstance(points, str | Path) else None,
        box_format=box_format,
        image=image,
    )
    parts = {prompt.object: prompt for prompt in batch}
    if boxes is not None and not isinstance(boxes, str | Path):
        for number, given in _numbered(boxes, "boxes", 4):
            numbers = as_numbers(given, f"boxes of object {number}")
            if numbers.size != 4:
                raise ValueError(f"boxes of object {number} must be four numbers.")
            box = corners_of(numbers.reshape(1, 4), box_format or "xyxy", size)[0]
            old = parts.get(number, Prompt(number))
            parts[number] = Prompt.of(number, old.points, old.labels, box)
            refuse_outside(size, f"object {number}", box)
    if points is not None and not isinstance(points, str | Path):
        for number, xy in _numbered(points, "points", 2):
            old = parts.get(number, Prompt(number))
            given = np.atleast_2d(as_numbers(xy, f"points of object {number}"))
            if given.size and (given.ndim != 2 or given.shape[1] != 2):
                raise ValueError(f"points of object {number} must be rows of x, y.")
            clicks = np.concatenate([old.points, given.reshape(-1, 2)])
            signs = np.concatenate([old.labels, np.ones(len(clicks) - len(old.points))])
            parts[number] = replace(old, points=clicks, labels=signs)
            refuse_outside(size, f"object {number}", points=clicks)
    return PromptBatch(tuple(parts[number] for number in sorted(parts)))


def _numbered(given: Any, name: str, columns: int) -> list[tuple[int, Any]]:
    """Pair what is given with object numbers."""
    if isinstance(given, Mapping):
        pairs = [(object_number(number), value) for number, value in given.items()]
    else:
        rows = as_numbers(given, name)
        if not rows.size:
            return []  # a picture without objects
        if rows.ndim == 1:
            rows = rows[None]
        if rows.ndim != 2 or rows.shape[1] != columns:
            raise ValueError(f"{name} must have the shape (N, {columns}), not {rows.shape}.")
        pairs = list(enumerate(rows, 1))
    return pairs


def record_of(
    name: str,
    size: tuple[int, int],
    dtype: np.dtype[Any],
    prompts: PromptBatch,
    model: ModelChoice,
) -> Record:
    """Return the record of a picture that was segmented in one go, for :func:`.write_record`.

    - `dtype`: of the picture as its file has it, before it became 8 bit
    """
    step = Predict(
        Plane((0, 1), (None, None), size),
        prompts,
        Picture(limits_of(dtype), alpha=False),
        model,
        smaller_above=True,
    )
    return Record(name, size, (step,))


def replay(
    image: NDArray[Any],
    record: Record | str | Path,
    *,
    device: str = "auto",
    checkpoint: str | Path | None = None,
    labels: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Make the labels again that prompts saved by the widget or :func:`.write_record` made.

    Parameters
    ----------
    image : array
        The image of the record, with a last axis for colours if it has one more axis than that.
        Anything that can be indexed as an array will do.
    record : Record or path
    device : str
        Where the models run.
    checkpoint : path, optional
        The weights, if they are of your own: the file, or the folder if there are several.  A
        record has their names, and opens nothing by itself.
    labels : array, optional
        What was in the Labels layer at first; nothing by default.

    Returns
    -------
    array of the record's shape

    Raises
    ------
    ValueError
        If the record does not fit the image, or a step can't be done, or weights are not given.

    Warns
    -----
    UserWarning
        If the labels may be others than then: what was painted or undone is not in a record.
    """
    from napari.layers import Labels

    from napari_samv2_prompts.layers import LabelsTarget

    if not isinstance(record, Record):
        record = read_record(record)
    record = with_weights(record, checkpoint)
    image = _fitted(as_array(image, "The image"), record.shape)
    rgb = len(image.shape) == len(record.shape) + 1
    record.check(image.shape[:-1] if rgb else image.shape)
    layer = Labels(np.zeros(record.shape, np.uint16) if labels is None else np.array(labels))
    run = Replay(
        record,
        Session(partial(_make_predictor, device), AtOnce()),
        LabelsTarget(layer),
        partial(_view, image, rgb),
        Place,
    )
    reasons: list[str] = []
    run.finished.connect(reasons.append)
    run.start()
    run.session.close()
    if reasons != [""]:
        raise ValueError(f"Not all steps could be done: {reasons[0] if reasons else 'stopped.'}")
    if run.differs:
        warnings.warn(run.differs, stacklevel=2)
    return np.asarray(layer.data)


def _fitted(image: Any, shape: tuple[int, ...]) -> Any:
    """Return an image without the axes of one place that :func:`segment` left out."""
    colours = tuple(image.shape[:-1]) == shape
    while not colours and len(image.shape) > len(shape) and image.shape[0] == 1:
        image = image[0]
        colours = tuple(image.shape[:-1]) == shape
    return image[..., 0] if tuple(image.shape) == (*shape, 1) else image


def _view(image: Any, rgb: bool, plane: Plane, picture: Picture) -> ImageView:
    if picture.channels:
        raise ValueError("The prompts were drawn on several channels: load them in napari.")
    return ImageView(
        picture=(plane, picture.limits, picture.gamma),
        shape=plane.shape,
        region=Region.whole(plane.shape),
        render=partial(
            render_plane,
            image,
            plane,
            rgb=rgb,
            limits=picture.limits,
            gamma=picture.gamma,
            alpha=picture.alpha,
        ),
    )


def _make_predictor(device: str, choice: ModelChoice, task: Task) -> Any:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

    return SAMV2ImagePredictor(choice.name, checkpoint=choice.checkpoint, device=device)
