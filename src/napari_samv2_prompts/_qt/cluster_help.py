"""A cluster that embeds an image's planes into the folder of embeddings, beside this computer.

The session goes on as it always does, one plane after the other, and finds in the folder what the
workers were quicker with.  So it need not know of them, nothing waits for them, and where the
cluster is lost this computer does what is missing.

Not here: units of work (``embed_units.py``), workers (``cluster.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_info, show_warning

from napari_samv2_prompts.engine import EmbeddingStore, Failed, Job, ModelChoice, Runner, Task
from napari_samv2_prompts.engine.errors import sentence
from napari_samv2_prompts.layers.views import is_image

from .threads import ignore_report

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    from napari_samv2_prompts.embed_units import StackContrast

__all__ = ["ClusterHelp", "place_in_file"]


class ClusterHelp:
    """Sends the planes of a file to a scheduler that the user named.

    Parameters
    ----------
    runner : Runner
        A worker thread of its own.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._task: Task | None = None

    def start(
        self,
        address: str,
        image: Image | None,
        rendering: str,
        model: ModelChoice,
        store: EmbeddingStore | None,
        layer: int = 0,
    ) -> None:
        """Have all planes of an image embedded by the workers of a scheduler.

        Parameters
        ----------
        address : str
            As the user typed it; nothing is done where it is empty.
        image : napari.layers.Image, optional
        rendering : str
            What the model sees of it; see :data:`.Rendering`.
        model : ModelChoice
        store : EmbeddingStore, optional
        layer : int
            Which of the layers that its file opens as the image is.

        Raises
        ------
        ValueError
            If workers can't do that, in a sentence.
        """
        self.stop()
        if not address or image is None:
            return
        path = image.source.path
        if store is None:
            raise ValueError("A cluster needs a folder for embeddings that its workers see, too.")
        if not path or image.source.parent is not None:
            raise ValueError(f"{image.name} was not opened from a file: no worker could read it.")
        if rendering == "channels":
            raise ValueError("A cluster embeds one channel, and not all visible ones together.")
        limits: StackContrast = "percentiles"
        if rendering == "displayed":
            limits = float(image.contrast_limits[0]), float(image.contrast_limits[1])
            if image.gamma != 1:
                raise ValueError("A cluster knows contrast limits and no gamma: set it to 1.")
        run = _work(address, Path(path), store.folder, layer, limits, model)
        self._task = Task(Job(("cluster", address), run))
        self._runner.submit(self._task, self._on_done, ignore_report)

    def stop(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()
        self._task = None

    def close(self) -> None:
        """End; idempotent."""
        self.stop()
        self._runner.close()

    def _on_done(self, task: Task, outcome: object) -> None:
        if task is not self._task:
            return
        self._task = None
        if isinstance(outcome, Failed):
            reason = sentence(outcome.error)
            show_warning(f"SAMV2 Prompts: {reason} Planes are embedded on this computer alone.")
        elif said := getattr(outcome, "value", ""):
            show_info(f"SAMV2 Prompts: {said}")


def _work(
    address: str,
    image: Path,
    folder: Path,
    layer: int,
    contrast: StackContrast,
    model: ModelChoice,
) -> Callable[[Task], str]:
    """Return what sends the planes, in a worker thread: the last ones first.

    This computer begins with the plane on screen, so that the two meet.
    """

    def run(task: Task) -> str:
        from napari_samv2_prompts.cluster import cluster_client, run_on
        from napari_samv2_prompts.embed_units import embed_units
        from napari_samv2_prompts.units import ModelSettings

        units = embed_units(image, folder, layer=layer, contrast=contrast)
        settings = ModelSettings(model.name, model.checkpoint, "auto")
        new = 0
        with cluster_client(scheduler=address) as client:
            for outcome in run_on(client, reversed(units), settings):
                task.check()
                if outcome.error:
                    raise OSError(f"{outcome.unit.name}: {outcome.error}")
                new += outcome.objects
        return f"The cluster has embedded {new} planes."

    return run


def place_in_file(image: Image | None, layers: Iterable[Layer]) -> int:
    """Return which of the image layers of its file an image is."""
    if image is None:
        return 0
    path = image.source.path
    same = [one for one in layers if is_image(one) and one.source.path == path]
    return same.index(image) if image in same else 0
