"""What a cluster is sent: planes to embed, tiles to search, objects to follow.

It reads the image's file by itself, and is told contrast and planes: no pixel is sent.

- Planes go into the folder of embeddings, the last ones first, while this computer begins with the
  plane on screen: it finds there what the workers were quicker with.
- Tiles and objects are done by the cluster alone, and found by the session as if they were its own;
  when nothing more comes from there, the session does what is missing.

Not here: threads and what is told of a lost cluster (``cluster_help.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning

from napari_samv2_prompts.engine import Generation, ModelChoice, Session, Step, with_time
from napari_samv2_prompts.layers import layer_shape
from napari_samv2_prompts.layers.views import is_image

from .cluster_help import ClusterHelp, Errand

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_samv2_prompts.engine import EmbeddingStore, Propagation
    from napari_samv2_prompts.geometry import Plane
    from napari_samv2_prompts.images import ImageView
    from napari_samv2_prompts.io.file_views import FileViews

# What goes to workers is imported where it is made: a window without a cluster needs none of it.

__all__ = ["embed_planes", "follow_objects", "search_tiles", "seen_file"]

HERE = "It is done on this computer alone."


def seen_file(image: Image | None, rendering: str, layers: Iterable[Layer]) -> FileViews:
    """Return how workers see what the window shows.

    Parameters
    ----------
    rendering : str
        What the model sees of it; see :data:`.Rendering`.
    layers : iterable of Layer
        Of the viewer.

    Raises
    ------
    ValueError
        If they can't, in a sentence.
    """
    from napari_samv2_prompts.io.file_views import FileViews

    if image is None:
        raise ValueError("There is no image.")
    path = image.source.path
    if not path or image.source.parent is not None:
        raise ValueError(f"{image.name} was not opened from a file: no worker could read it.")
    if rendering == "channels":
        raise ValueError("A cluster sees one channel, and not all visible ones together.")
    limits, gamma = None, 1.0
    if rendering == "displayed":
        low, high = image.contrast_limits
        limits, gamma = (float(low), float(high)), float(image.gamma)
    same = [one for one in layers if is_image(one) and one.source.path == path]
    place = same.index(image) if image in same else 0
    reader = image.source.reader_plugin  # another would make other layers of the file
    return FileViews(Path(path), place, bool(image.rgb), limits, gamma, reader)


def embed_planes(
    help_: ClusterHelp,
    seen: Callable[[], FileViews],
    image: Image | None,
    model: ModelChoice,
    store: EmbeddingStore | None,
) -> None:
    """Have all planes of an image embedded into the folder, if there is a cluster."""
    help_.stop()
    if not help_.is_wanted or image is None:
        return
    try:
        file = seen()
        if store is None:
            raise ValueError("A cluster needs a folder for embeddings that its workers see, too.")
    except ValueError as error:
        show_warning(f"SAMV2 Prompts: {error} {HERE}")
        return
    shape, new = layer_shape(image), [0]

    def errand(client: Any, check: Callable[[], None]) -> Iterator[int]:
        from napari_samv2_prompts.cluster import run_on
        from napari_samv2_prompts.embed_units import planes_of, units_of

        units = reversed(units_of(file, store.folder, planes_of(shape)))
        for outcome in run_on(client, units, _settings(model), check=check):
            if outcome.error:
                raise OSError(f"{outcome.unit.name}: {outcome.error}")
            yield outcome.objects

    def on_part(count: int) -> None:
        new[0] += count

    def on_end(problem: str) -> None:
        if problem:
            show_warning(f"SAMV2 Prompts: {problem} Planes are embedded on this computer alone.")
        else:
            show_info(f"SAMV2 Prompts: The cluster has embedded {new[0]} planes.")

    help_.start(errand, on_part, on_end)


def search_tiles(
    help_: ClusterHelp,
    seen: Callable[[], FileViews],
    session: Session,
    request: Generation,
    plane: Plane,
) -> None:
    """Look for objects, on a cluster if there is one."""
    from napari_samv2_prompts.tile_search import TileSearches

    searches, views, store = request.find, request.views, session.store
    assert isinstance(searches, TileSearches)

    def steps(file: FileViews, client: Any, check: Callable[[], None]) -> Iterator[Step]:
        from napari_samv2_prompts.window_units import SearchUnit

        known, missing, done = _known(file, views[0], plane), request.missing(), 0
        units = (
            SearchUnit(known, plane, views[n].region, views[n].side, n, searches.of(n))
            for n in missing
        )
        for chunk in _parts(client, units, request.model, store, check):
            done += chunk.whole
            yield Step(chunk, done, len(missing))

    _elsewhere(help_, seen, session, request, session.generate, steps)


def follow_objects(
    help_: ClusterHelp,
    seen: Callable[[], FileViews],
    session: Session,
    request: Propagation,
    planes: Iterable[Plane],
) -> None:
    """Follow objects, on a cluster if there is one."""
    store, all_planes = session.store, tuple(planes)

    def steps(file: FileViews, client: Any, check: Callable[[], None]) -> Iterator[Step]:
        from napari_samv2_prompts.engine.propagate import counted
        from napari_samv2_prompts.window_units import FollowUnit

        first = request.wanted.first
        known = _known(file, request.planes[first], all_planes[first])
        partitions = request.missing()
        units = [
            FollowUnit(known, all_planes, request.sides, one, request.method) for one in partitions
        ]
        yield from counted(_parts(client, units, request.model, store, check), partitions)

    _elsewhere(help_, seen, session, request, session.propagate, steps)


def _elsewhere(
    help_: ClusterHelp,
    seen: Callable[[], FileViews],
    session: Session,
    request: Any,
    start: Callable[..., object],
    steps: Callable[[FileViews, Any, Callable[[], None]], Iterator[Step]],
) -> None:
    """Have a request worked off by the cluster, and what is left of it here."""
    help_.stop()
    if not help_.is_wanted:
        start(request)
        return
    try:
        file = seen()
    except ValueError as error:
        show_warning(f"SAMV2 Prompts: {error} {HERE}")
        start(request)
        return

    def on_end(problem: str) -> None:
        if problem:
            show_warning(f"SAMV2 Prompts: {problem} This computer goes on with it.")
        session.come_back(request)

    errand: Errand = lambda client, check: with_time(steps(file, client, check))  # noqa: E731
    start(request, elsewhere=True)
    help_.start(errand, lambda timed: session.take(request, timed), on_end)


def _parts(
    client: Any,
    units: Iterable[Any],
    model: ModelChoice,
    store: EmbeddingStore | None,
    check: Callable[[], None],
) -> Iterator[Any]:
    """Yield what comes of units; raise at the end if some failed."""
    from napari_samv2_prompts.cluster_parts import Failure, parts_on

    folder, failed = None if store is None else store.folder, list[str]()
    for part in parts_on(client, units, _settings(model), store=folder, check=check):
        if isinstance(part, Failure):
            failed.append(part.reason)
        else:
            yield part
    if failed:
        more = f" And {len(failed) - 1} more." if len(failed) > 1 else ""
        raise OSError(f"{failed[0]}{more}")


def _known(file: FileViews, view: ImageView, plane: Plane) -> FileViews:
    """Have workers make sure that they see what the window shows."""
    from napari_samv2_prompts.io.file_views import sample_of

    return replace(file, sample=sample_of(view, plane))


def _settings(model: ModelChoice) -> Any:
    from napari_samv2_prompts.units import ModelSettings

    return ModelSettings(model.name, model.checkpoint, "auto")
