"""A cluster that does what the window was asked for, or helps with it; the window never waits.

Nothing is connected to but the address that the user typed.  The cluster reads the image's file by
itself, and is told contrast and planes: no pixel is sent.  Workers stand in folders of their own:
all paths that go out are absolute.

- Planes go into the folder of embeddings, the last ones first, while this computer begins with the
  plane on screen: it finds there what the workers were quicker with.
- Tiles and objects are done by the cluster alone, and found by the session as if they were its own;
  where the cluster is lost, or can't do it, the session does what is missing.

Not here: what a worker does, and sending it (``units/parts.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning

from napari_samv2_prompts.engine import (
    Failed,
    Generation,
    Job,
    ModelChoice,
    Outcome,
    Partial,
    Report,
    Runner,
    Session,
    Step,
    Task,
    with_time,
)
from napari_samv2_prompts.engine.jobs import sentence
from napari_samv2_prompts.layers import layer_shape
from napari_samv2_prompts.layers.views import contrast_of, is_image

if TYPE_CHECKING:
    from distributed import Client
    from napari.layers import Image, Layer

    from napari_samv2_prompts.engine import EmbeddingStore, Propagation
    from napari_samv2_prompts.geometry import Plane
    from napari_samv2_prompts.images import ImageView
    from napari_samv2_prompts.io.file_views import FileViews

# What goes to workers is imported where it is made: a window without a cluster needs none of it.


Check = Callable[[], None]  # raises where the work is to end
Errand = Callable[["Client", Check], Iterator[Any]]
"""``(client, check) -> parts``, in a worker thread."""


class ClusterHelp:
    """Sends one kind of work to the scheduler that the user named.

    - `runner`: a worker thread of its own, since connecting and waiting take their time
    - `address`: returns what the user typed; empty for no cluster
    - `seen`: returns how workers see what the window shows, see :func:`seen_file`; ValueError, in a
      sentence, if they can't
    """

    def __init__(
        self, runner: Runner, address: Callable[[], str], seen: Callable[[], FileViews]
    ) -> None:
        self._runner, self._address, self._seen = runner, address, seen
        self._task: Task | None = None

    # --- what is sent -----------------------------------------------------------------------

    def embed_planes(
        self, image: Image | None, model: ModelChoice, store: EmbeddingStore | None
    ) -> None:
        """Have all planes of the image embedded into the folder, if there is a cluster."""
        lacks = (
            "" if store else "A cluster needs a folder for embeddings that its workers see, too."
        )
        file = None if image is None else self._file(lacks)
        if file is None or image is None or store is None:
            return
        shape, folder, new = layer_shape(image), store.folder.absolute(), [0]

        def errand(client: Any, check: Check) -> Iterator[int]:
            from napari_samv2_prompts.units.cluster import run_on
            from napari_samv2_prompts.units.embeddings import planes_of, units_of

            units = reversed(units_of(file, folder, planes_of(shape)))
            for outcome in run_on(client, units, _settings(model), check=check):
                if outcome.error:
                    raise OSError(f"{outcome.unit.name}: {outcome.error}")
                yield outcome.objects

        def on_part(count: int) -> None:
            new[0] += count

        def on_end(problem: str) -> None:
            if problem:
                _warn(f"{problem} Planes are embedded on this computer alone.")
            else:
                show_info(f"SAMV2 Prompts: The cluster has embedded {new[0]} planes.")

        self.start(errand, on_part, on_end)

    def search_tiles(self, session: Session, request: Generation, plane: Plane) -> None:
        """Look for objects, on a cluster if there is one."""
        from napari_samv2_prompts.tile_search import TileSearches

        searches, views, store = request.find, request.views, session.store
        assert isinstance(searches, TileSearches)

        def steps(file: FileViews, client: Any, check: Check) -> Iterator[Step]:
            from napari_samv2_prompts.units.parts import SearchUnit

            known, missing, done = _known(file, views[0], plane), request.missing(), 0
            units = (
                SearchUnit(known, plane, views[n].region, views[n].side, n, searches.of(n))
                for n in missing
            )
            for chunk in _parts(client, units, request.model, store, check):
                done += chunk.whole
                yield Step(chunk, done, len(missing))

        self._work_off(session, request, session.generate, steps)

    def follow(self, session: Session, request: Propagation, planes: Iterable[Plane]) -> None:
        """Follow objects, on a cluster if there is one."""
        store, all_planes = session.store, tuple(planes)

        def steps(file: FileViews, client: Any, check: Check) -> Iterator[Step]:
            from napari_samv2_prompts.engine.propagate import counted
            from napari_samv2_prompts.units.parts import FollowUnit

            first = request.wanted.first
            known = _known(file, request.planes[first], all_planes[first])
            partitions = request.missing()
            units = [
                FollowUnit(known, all_planes, request.sides, one, request.method)
                for one in partitions
            ]
            yield from counted(_parts(client, units, request.model, store, check), partitions)

        self._work_off(session, request, session.propagate, steps)

    def _work_off(
        self,
        session: Session,
        request: Any,
        start: Callable[..., object],
        steps: Callable[[FileViews, Any, Check], Iterator[Step]],
    ) -> None:
        """Have a request worked off by the cluster, and what is left of it here."""
        file = self._file()
        start(request, elsewhere=file is not None)
        if file is None:
            return

        def on_end(problem: str) -> None:
            if problem:
                _warn(f"{problem} This computer goes on with it.")
            session.come_back(request)

        errand: Errand = lambda client, check: with_time(steps(file, client, check))  # noqa: E731
        self.start(errand, lambda timed: session.take(request, timed), on_end)

    def _file(self, lacks: str = "") -> FileViews | None:
        """End what is under way; return what workers are to read, or None if they can't help.

        `lacks` is what is missing besides, in a sentence.
        """
        self.stop()
        if not self._address():
            return None
        try:
            file = self._seen()
            if lacks:
                raise ValueError(lacks)
        except ValueError as error:
            _warn(f"{error} It is done on this computer alone.")
            return None
        return file

    # --- how it is sent ---------------------------------------------------------------------

    def start(
        self, errand: Errand, on_part: Callable[[Any], object], on_end: Callable[[str], object]
    ) -> None:
        """Have something done; what was under way is stopped.

        - `on_part`: told what comes, in the thread of the caller
        - `on_end`: told once that nothing more comes, and why not in a sentence, unless all is well
          or :meth:`stop` was called
        """
        self.stop()
        address = self._address()

        def run(task: Task) -> None:
            from napari_samv2_prompts.units.cluster import cluster_client

            with cluster_client(scheduler=address) as client:
                for part in errand(client, task.check):
                    task.deliver(part)

        def on_done(task: Task, outcome: Outcome) -> None:
            if task is self._task:
                self._task = None
                on_end(sentence(outcome.error) if isinstance(outcome, Failed) else "")

        def on_report(task: Task, report: Report) -> None:
            if task is self._task and isinstance(report, Partial):
                on_part(report.value)

        self._task = Task(Job(("cluster", address), run))
        self._runner.submit(self._task, on_done, on_report)

    def stop(self) -> None:
        """Send nothing more, and take nothing more."""
        if self._task is not None:
            self._task.cancel()
        self._task = None

    def close(self) -> None:
        """End; idempotent."""
        self.stop()
        self._runner.close()


def seen_file(image: Image | None, rendering: str, layers: Iterable[Layer]) -> FileViews:
    """Return how workers see what the window shows; ValueError, in a sentence, if they can't.

    `rendering` says what the model sees of the image, `layers` are those of the viewer.
    """
    from napari_samv2_prompts.io.file_views import FileViews

    if image is None:
        raise ValueError("There is no image.")
    path = image.source.path
    if not path or image.source.parent is not None:
        raise ValueError(f"{image.name} was not opened from a file: no worker could read it.")
    if rendering == "channels":
        raise ValueError("A cluster sees one channel, and not all visible ones together.")
    limits, gamma = contrast_of(image) if rendering == "displayed" else (None, 1.0)
    same = [one for one in layers if is_image(one) and one.source.path == path]
    place = same.index(image) if image in same else 0
    reader = image.source.reader_plugin  # another would make other layers of the file
    return FileViews(Path(path).absolute(), place, bool(image.rgb), limits, gamma, reader)


def _parts(
    client: Any,
    units: Iterable[Any],
    model: ModelChoice,
    store: EmbeddingStore | None,
    check: Check,
) -> Iterator[Any]:
    """Yield what comes of units; raise at the end if some failed."""
    from napari_samv2_prompts.units.parts import Failure, parts_on

    folder, failed = None if store is None else store.folder.absolute(), list[str]()
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
    from napari_samv2_prompts.units.unit import ModelSettings

    return ModelSettings.of(model.name, model.checkpoint, "auto")


def _warn(text: str) -> None:
    show_warning(f"SAMV2 Prompts: {text}")
