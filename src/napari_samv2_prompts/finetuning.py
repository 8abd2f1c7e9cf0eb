"""Teaching a model from a script: from a folder, or from the layers that are open, to weights.

Here: which pictures and labels belong together, and where the weights go.  Not here: how a model
learns (``samv2/finetune``), the command (``cli/train.py``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.files import picture_stem, written_whole
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.io.label_arrays import as_labels
from napari_samv2_prompts.io.pictures import picture_in, read_labels, read_picture
from napari_samv2_prompts.layers.views import image_view
from napari_samv2_prompts.samv2.weights.registry import cache_folder

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_samv2_prompts.samv2.finetune.examples import Pair
    from napari_samv2_prompts.samv2.finetune.loop import Progress, Result

LABELS = (".labels", "_labels")
"""How the names of label files end, before the file's ending."""

_PROMPTS = (".csv", ".geojson", ".json", ".txt")  # files that may lie beside a picture


def train(
    data: str | Path | Iterable[Pair | tuple[str | Path | ArrayLike, str | Path | ArrayLike]],
    output: str | Path,
    *,
    channel: str | int | None = None,
    model: str = "nano",
    minutes: float = 60.0,
    steps: int = 2000,
    rate: float | None = None,
    trunk: bool = False,
    device: str = "auto",
    report: Callable[[Progress], object] = lambda _: None,
) -> Result:
    """Teach a model a kind of pictures, and write the weights that know it.

    A fifth of the pictures is kept back: masks are measured on them before, on the way and after,
    and the best weights are written, never worse ones than it began with.  Interrupted, the same
    call goes on where it was; the state lies beside the output until the end.

    Parameters
    ----------
    data : path, sequence of (image, labels), or sequence of Pair
        A folder of pictures ``NAME.png`` (or .tif, ...) with ``NAME.labels.png``, pictures with
        their labels as arrays or files, or what :func:`pairs_of_layers` returns; two pictures at
        least, but of arrays one is enough, which is cut in four.
    output : path
        The new weights, ``*.safetensors``.  The widget's list of models shows them, too.
    channel : str or int, optional
        Of picture files with several; see :func:`.segment`.
    model : str
        A model's name, or a file of weights, to begin with; a published model must have been
        downloaded.
    minutes, steps : float, int
        At most so long, and so many steps.
    rate : float, optional
        Learning rate; by default 3e-4 for ``nano`` and 3e-5 for published sizes.
    trunk : bool
        Whether the image encoder learns, too: slow, and for many pictures only.
    device : {"auto", "cuda", "mps", "cpu"}
    report : callable
        Told of each step and each validation.

    Returns
    -------
    Result
        ``before`` and ``after`` (mean IoU of a box and of one click on the pictures kept back),
        ``steps`` and why it ``stopped``.

    Raises
    ------
    ValueError
        If there are too few pictures with labels, the output's name has another ending, or there
        is such a file already.
    """
    output = Path(output)
    if output.suffix != ".safetensors":
        raise ValueError(f"{output}: the name of the new weights must end in .safetensors.")
    if steps < 1 or not minutes > 0:
        raise ValueError(f"There is nothing to train in {steps} steps and {minutes:g} minutes.")
    state = output.with_suffix(".training")
    if output.exists() and not state.exists():
        raise ValueError(
            f"{output} is there already: choose another name for the new weights, or remove it."
        )
    pairs = list(
        pairs_of_folder(Path(data), channel)
        if isinstance(data, str | Path)
        else pairs_of_arrays(data, channel)
    )
    from napari_samv2_prompts.samv2.finetune.loop import Settings, fine_tune
    from napari_samv2_prompts.samv2.finetune.saving import network_to_train, write_weights

    network = network_to_train(model, device)
    settings = Settings(steps=steps, minutes=minutes, rate=rate, trunk=trunk)
    output.parent.mkdir(parents=True, exist_ok=True)
    result = fine_tune(network, pairs, settings, report=report, checkpoint=state)
    write_weights(result, {"from": model, "pictures": len(pairs), **asdict(settings)}, output)
    state.unlink(missing_ok=True)
    there = listed_weights(output)
    if there is not None:
        there.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(there) as part:
            shutil.copyfile(output, part)
    return result


def listed_weights(output: Path) -> Path | None:
    """Return where the list of models finds a copy of new weights; None if it finds themselves."""
    there = cache_folder() / output.name
    return None if there.resolve() == output.resolve() else there


def pairs_of_layers(image: Image, labels: Labels) -> list[Pair]:
    """Pair the planes of an image layer with those of a labels layer, as the widget sees them.

    Parameters
    ----------
    image : napari.layers.Image
        In the contrast in which it is shown.
    labels : napari.layers.Labels
        As large as the image.  On planes with labels every object should have one: what has
        none counts as background.

    Returns
    -------
    list of Pair
        Every plane that has labels.  A single plane is cut in four, so that there is something to
        keep back.

    Raises
    ------
    ValueError
        If the layers differ in shape, or there are no labels.
    """
    from napari_samv2_prompts.samv2.finetune.examples import Pair

    values = labels.data[0] if labels.multiscale else labels.data
    whole = image.data[0] if image.multiscale else image.data
    shape = tuple(whole.shape[: values.ndim])
    if tuple(values.shape) != shape or whole.ndim - bool(image.rgb) != values.ndim:
        raise ValueError(
            f"{labels.name!r} has the shape {tuple(values.shape)}, {image.name!r} {whole.shape}: "
            "labels to learn from must be as large as their image."
        )
    axes = (len(shape) - 2, len(shape) - 1)
    pairs = []
    for index in np.ndindex(shape[:-2]):
        plane_labels = np.asarray(values[index])
        if plane_labels.any():
            plane = Plane(axes, (*index, None, None), (shape[-2], shape[-1]))
            picture = image_view(image, plane).read()
            pairs.append(Pair(" ".join(map(str, (image.name, *index))), picture, plane_labels))
    if not pairs:
        raise ValueError(f"{labels.name!r} has no labels to learn from.")
    return _quarters(pairs[0]) if len(pairs) == 1 else pairs


def pairs_of_arrays(given: Iterable[Any], channel: str | int | None = None) -> list[Pair]:
    """Pair pictures with their labels; a single one is cut in four.

    - `given`: pictures and labels, each an array or a file; a :class:`.Pair` stays as it is
    - `channel`: of picture files
    - raises ValueError or OSError if one of them is something else
    """
    from napari_samv2_prompts.samv2.finetune.examples import Pair

    pairs: list[Pair] = []
    items = list(given)
    for count, item in enumerate(items, 1):
        if isinstance(item, Pair):
            pairs.append(item)
            continue
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise ValueError(
                f"Item {count} is no picture with its labels: give pairs of (image, labels), a "
                "folder, or what pairs_of_layers returns."
            )
        image, labels = item
        named = isinstance(image, str | Path)
        name = Path(image).name if named else f"picture {count}"
        picture = picture_in(image, channel if named else None)
        pairs.append(Pair(name, picture, _plane_of(labels, f"The labels of {name}")))
    cut = len(items) == 1 and pairs[0] is not items[0]
    return _quarters(pairs[0]) if cut else pairs


def _plane_of(labels: Any, name: str) -> NDArray[Any]:
    values = read_labels(labels) if isinstance(labels, str | Path) else labels
    return np.squeeze(as_labels(values, name))


def _quarters(pair: Pair) -> list[Pair]:
    """Cut a picture in four; quarters without an object are left out."""
    height, width = pair.labels.shape
    rows = (slice(0, height // 2), slice(height // 2, None))
    columns = (slice(0, width // 2), slice(width // 2, None))
    parts = [
        type(pair)(f"{pair.name} {n}", pair.image[part], pair.labels[part])
        for n, part in enumerate(((r, c) for r in rows for c in columns), 1)
    ]
    return [part for part in parts if len(part.objects())]


def pairs_of_folder(folder: Path, channel: str | int | None = None) -> Iterator[Pair]:
    """Read pictures, each in a channel where they have several, and their labels.

    Raises ValueError if there is no such folder, or no pairs in it, or a label file is not one of
    whole numbers.
    """
    from napari_samv2_prompts.samv2.finetune.examples import Pair

    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder} with pictures and labels.")
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    files = sorted(path for path in visible if path.is_file())
    found = 0
    for path in files:
        ending = next((each for each in LABELS if picture_stem(path).endswith(each)), None)
        if ending is None:
            continue
        name = picture_stem(path).removesuffix(ending)
        others = (p for p in files if p.suffix.lower() not in _PROMPTS)
        picture = next((p for p in others if picture_stem(p) == name), None)
        if picture is None:
            raise ValueError(f"{path.name} has no picture beside it: {name}.png or another format.")
        found += 1
        yield Pair(
            name, read_picture(picture, channel), _plane_of(path, f"The labels in {path.name}")
        )
    if not found:
        raise ValueError(
            f"{folder} has no pictures with labels: beside NAME.png there must be NAME.labels.png "
            "(or .tif), one number an object."
        )
