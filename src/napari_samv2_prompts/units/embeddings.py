"""Embedding all planes of an image file into a folder that the window opens: ``embed_stack``.

An embedding is found by its picture as the window reads it, and by the weights.  So what is
embedded here has the contrast in which the window opens the file, and the window then finds it.

Not here: the folder (``engine.store``), what a unit of work is (``unit.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_samv2_prompts.engine import EmbeddingStore, Job, Task
from napari_samv2_prompts.engine.embed import embed
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import StackPicture, as_array, check_real
from napari_samv2_prompts.io.file_views import FileViews
from napari_samv2_prompts.io.window_layers import WindowLayer, window_layers
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.units.cluster import run_here_or_on
from napari_samv2_prompts.units.unit import ModelSettings, Outcome, Standing
from napari_samv2_prompts.words import counted

if TYPE_CHECKING:
    from distributed import Client

    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

StackContrast = Literal["displayed", "percentiles"] | tuple[float, float]

PLANES = 8
"""Planes that one unit embeds: enough to make opening the file small, few enough to share out."""


@dataclass(frozen=True, slots=True)
class EmbedUnit:
    """Some planes of an image to embed; a :class:`.Unit`.

    - `.seen`: the image
    - `.folder`: the store; the folder in which it lies exists
    """

    seen: FileViews
    folder: Path
    planes: tuple[Plane, ...]

    @property
    def name(self) -> str:
        """The image's name, and its first plane."""
        first = [str(n) for n in self.planes[0].index if n is not None]
        name = self.seen.image.name
        return f"{name} at {', '.join(first)}" if first else name

    def key(self, weights: str) -> str:
        """Nothing: each plane in the store has a key of its own content."""
        return ""

    def standing(self, key: str) -> Standing:
        """Not known before the planes are read."""
        return "absent"

    def run(self, make_predictor: Callable[[], SAMV2ImagePredictor], key: str | None) -> Outcome:
        """Embed the planes that the store does not have.

        Raises ValueError, OSError or MemoryError if anything is wrong with the image or the disk.
        """
        store = EmbeddingStore(self.folder, limit_mb=np.inf)
        task = Task(Job(self, lambda task: None))
        predictor: Any = make_predictor()
        new = 0
        with self.seen.opened() as view_of:
            for plane in self.planes:
                view = view_of(plane).within(
                    Region.whole(plane.shape), predictor.variant.largest_side
                )
                new += embed(predictor, view, task, store, needed=False).embedding is not None
                if store.problem:
                    raise OSError(store.problem)
        return Outcome(self, objects=new, skipped=not new)


def embed_stack(
    stack: str | Path | np.ndarray[Any, Any],
    folder: str | Path,
    *,
    layer: int = 0,
    contrast: StackContrast = "displayed",
    model: str | None = None,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    client: Client | None = None,
) -> Iterator[Outcome]:
    """Embed all planes of an image into a folder, so that the window has nothing to embed.

    Parameters
    ----------
    stack : path or array
        Whatever opens in the window, with any number of axes before the last two.
    folder : path
        To be chosen as folder of embeddings in the window.  What is there is not embedded again.
    layer : int
        Which of the image layers that a file opens as: one for each channel.
    contrast : str or tuple of float
        ``"displayed"``: as the window opens the file; ``"percentiles"``: of each plane, which is a
        choice in the window; or the values that are black and white.
    model, checkpoint, device
        As for :func:`.segment`.
    client : dask.distributed.Client, optional
        Whose workers do it; they see the same files under the same names.

    Yields
    ------
    Outcome
        Of some planes each, as they come; ``objects`` says how many were embedded.

    Raises
    ------
    ValueError
        If it is no image, or an array is to be sent to workers.
    OSError
        If the file or the folder can't be read.
    """
    settings = ModelSettings.of(model, checkpoint, device)
    if client is not None and not isinstance(stack, str | Path):
        raise ValueError("Workers read files by themselves: give the path, not the array.")
    units = embed_units(stack, folder, layer=layer, contrast=contrast)
    yield from run_here_or_on(client, units, settings)


def embed_units(
    stack: str | Path | np.ndarray[Any, Any],
    folder: str | Path,
    *,
    layer: int = 0,
    contrast: StackContrast = "displayed",
) -> list[EmbedUnit]:
    """Return the units of an image; see :func:`embed_stack`."""
    folder = Path(folder).absolute()
    if not folder.parent.is_dir():
        raise ValueError(f"There is no folder {folder.parent} in which {folder.name} could lie.")
    if isinstance(stack, str | Path):
        image = Path(stack).absolute()
        if not image.exists():
            raise FileNotFoundError(f"There is no file {image}.")
        layers = _opened(image)
        if not 0 <= layer < len(layers):
            many = counted(len(layers), "layer")
            raise ValueError(f"{image.name} opens as {many}, counted from 0: there is no {layer}.")
        look, data = layers[layer], None
    else:
        data = as_array(stack, "The stack")
        image, look = Path("the array"), WindowLayer(data, {})
    check_real(look.full.dtype, image.name)
    shown = _shown(look)
    limits: tuple[float, float] | None = None
    if contrast == "displayed":
        limits = (float(shown.contrast_limits[0]), float(shown.contrast_limits[1]))
    elif contrast != "percentiles":
        limits = _limits(contrast)
    shape = look.full.shape[:-1] if shown.rgb else look.full.shape
    gamma = 1.0 if limits is None else float(shown.gamma)
    seen = FileViews(image, layer, bool(shown.rgb), limits, gamma, data=data)
    return units_of(seen, folder, planes_of(shape))


def _limits(contrast: Any) -> tuple[float, float]:
    """Return the values that are black and white; ValueError if a script gives something else."""
    try:
        black, white = map(float, contrast)
    except (TypeError, ValueError):
        black = white = 0.0
    if not black < white:
        raise ValueError(
            f"The contrast {contrast!r} is neither 'displayed' nor 'percentiles' nor the values "
            "that are black and white, the second above the first."
        )
    return black, white


def units_of(seen: FileViews, folder: Path, planes: Sequence[Plane]) -> list[EmbedUnit]:
    """Return the units of planes of an image, some planes each."""
    return [
        EmbedUnit(seen, folder, tuple(planes[n : n + PLANES]))
        for n in range(0, len(planes), PLANES)
    ]


def stack_units(
    image: Path, folder: Path, stack: StackPicture, axes: tuple[int, int, int], planes: range
) -> list[EmbedUnit]:
    """Return units that embed the planes of a stack as :func:`.segment_stack` reads them.

    - `folder`: the store
    - `stack`: what the file holds, planes first
    - `axes`: of planes, rows and columns in the file, which has no others
    """
    rgb = stack.planes.ndim > 3
    place, rows, columns = axes
    wanted = []
    for plane in planes:
        index: list[int | None] = [None] * 3
        index[place] = plane
        wanted.append(Plane((rows, columns), tuple(index), stack.shape[1:]))
    limits = (0.0, 255.0) if stack.limits is None else stack.limits
    return units_of(FileViews(image, rgb=rgb, limits=limits), folder, wanted)


def _opened(image: Path) -> list[WindowLayer]:
    try:
        return window_layers(image)
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes make the readers raise almost anything
        if isinstance(error, OSError) and "backend" not in str(error):
            raise
        # The last reader that was tried names libraries that would not help.
        why = "" if isinstance(error, OSError) else f" ({error})"
        raise ValueError(f"{image.name} is not a readable image{why}.") from error


def _shown(look: WindowLayer) -> Any:
    """Return the layer that the window makes, for its contrast."""
    from napari.layers import Image

    kept = {n: v for n, v in look.options.items() if n in ("contrast_limits", "gamma", "rgb")}
    many = isinstance(look.data, tuple)
    with np.errstate(over="ignore", invalid="ignore"):  # its thumbnail, of values near the largest
        return Image(list(look.data) if many else look.data, multiscale=many, **kept)


def planes_of(shape: tuple[int, ...]) -> list[Plane]:
    """Return all planes of an array in the order of its axes, the last two shown."""
    rows = len(shape) - 2
    return [
        Plane((rows, rows + 1), (*place, None, None), (shape[-2], shape[-1]))
        for place in product(*map(range, shape[:-2]))
    ]
