"""Files of prompts: asking for their names, reading and writing them in the worker.

Loaded prompts go to layers of their own, so that nothing that is there is touched.  A call of a
script returns when it is done.

Not here: noting what is done (``io.recorder``), doing it again (``replaying``), formats (``io``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error, show_warning
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_samv2_prompts.engine import ModelChoice, Session
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.io.recorder import Recorder
from napari_samv2_prompts.layers import (
    Chosen,
    LabelsTarget,
    layer_shape,
    make_layers,
    mapped_view,
    prompted_objects,
    view_of,
)

from .controller import Controller
from .labels_writer import place_of
from .layer_choices import LayerChoices
from .models import WEIGHT_FILES, ModelPicker
from .threads import Disk, MainThreadQueue
from .viewer_events import Connections

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_samv2_prompts.geometry import Plane
    from napari_samv2_prompts.io.records import Picture, Record
    from napari_samv2_prompts.replaying import Replay

# What is in files is imported when one is read or written: the window opens without it.

_KIND = "Prompts (*.json)"
LOADING = "Making the labels again…"
WAIT = "Prompts are being loaded: wait until that is done."


class PromptFiles:
    """What the buttons *Save prompts* and *Load prompts* do.

    - `make_session`: for the steps that are loaded
    - `parent`: of the dialogs
    """

    def __init__(
        self, viewer: Viewer, controller: Controller, layers: LayerChoices, picker: ModelPicker,
        recorder: Recorder, disk: Disk, make_session: Callable[[], Session], parent: QWidget,
    ) -> None:  # fmt: skip
        self._viewer, self._controller, self._layers = viewer, controller, layers
        self._picker, self._recorder, self._disk, self._parent = picker, recorder, disk, parent
        self._make_session, self._queue = make_session, MainThreadQueue()
        self._loading: tuple[Replay, Chosen, LabelsTarget] | None = None
        self._closed = False
        self._links = Connections()
        self._links.add(self._on_removed, viewer.layers.events.removed)

    @property
    def busy(self) -> bool:
        """Whether saved prompts are being replayed."""
        return self._loading is not None

    def close(self) -> None:
        """Stop; idempotent."""
        self._closed = True
        self._links.close()
        if self._loading is not None:
            replay, chosen, target = self._loading
            self._loading = None
            replay.session.close()
            if not target.hand_edits:
                self._take_back(replay.record, chosen)
            self._disk.say("")
        self._queue.close()

    # --- saving -----------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write what led to the labels of the chosen layer.

        - raises ValueError if there is nothing to save
        - raises OSError if the file can't be written
        """
        _write(Path(path), self._recording())

    def ask_and_save(self) -> None:
        """Ask for a name and save in the worker; errors are shown."""
        name, _ = QFileDialog.getSaveFileName(self._parent, "Save prompts", "prompts.json", _KIND)
        if not name:
            return
        try:  # the layers as they are now, however long the disk takes
            path, recording = with_ending(Path(name), _KIND), self._recording()
        except (ValueError, MemoryError) as error:
            show_error(f"SAMV2 Prompts: {error}")
            return
        doing, done = f"Saving {path.name}…", f"Saved {path.name}."
        self._disk.do(doing, partial(_write, path, recording), lambda nothing: done)

    def _recording(self) -> Callable[[], Record]:
        """Note the chosen layers as they are; return what makes a record of that, in any thread."""
        if self.busy:
            raise ValueError(WAIT)
        self._controller.flush()
        now, dims = self._controller.chosen, self._viewer.dims
        if now.image is None or now.labels is None:
            raise ValueError(
                "There is nothing to save yet: choose an image and press Box or Click."
            )
        from napari_samv2_prompts.io.recording import record_of, recorded_points, recorded_shapes

        return partial(
            record_of,
            self._recorder.noted(now.labels.unique_id),
            prompted_objects(now.points, now.shapes),
            now.image.name,
            layer_shape(now.image),
            tuple(recorded_points(now.points, now.image, dims)),
            tuple(recorded_shapes(now.shapes, now.image, dims)),
        )

    # --- loading ----------------------------------------------------------------------------

    def load(self, path: str | Path, checkpoint: str | Path | None = None) -> None:
        """Begin to make the labels of a file in new layers, and choose these.

        - `checkpoint`: weights of the user's own that the prompts were made with, or the folder of
          several. Not needed for those that are listed under *Model*.
        - raises ValueError if the file is no such one, or of another image, or its model is not on
          this computer, or made with weights that are not given
        - raises OSError if the file can't be read
        """
        record = _read(path)
        self._use(_weighed(record, checkpoint or self._listed(record)))

    def ask_and_load(self) -> None:
        """Ask for a file, read it in the worker, and load it; errors are shown."""
        name, _ = QFileDialog.getOpenFileName(self._parent, "Load prompts", "", _KIND)
        if name:
            doing = f"Reading {Path(name).name}…"
            self._disk.do(doing, partial(_read, name), self._ask_for_weights)

    def _ask_for_weights(self, record: Record) -> str:
        """Ask where the weights are that a file needs, as it is not believed; load it."""
        if self._closed:  # with the widget, while the file was being read
            return ""
        from napari_samv2_prompts.io.records import own_weights

        wanted, weights = own_weights(record), self._listed(record)
        if len(wanted) > 1:
            title = f"Folder of {', '.join(wanted)}, with which the prompts were made"
            weights = Path(QFileDialog.getExistingDirectory(self._parent, title))
        elif wanted and weights is None:
            title = f"{wanted[0]}, with which the prompts were made"
            weights = Path(QFileDialog.getOpenFileName(self._parent, title, "", WEIGHT_FILES)[0])
        if weights != Path():
            self._disk.do("", partial(_weighed, record, weights), self._use)
        return ""

    def _listed(self, record: Record) -> Path | None:
        """Return the record's own weights if the user picked them before."""
        from napari_samv2_prompts.io.records import own_weights

        wanted = own_weights(record)
        return self._picker.listed(wanted[0]) if len(wanted) == 1 else None

    def _use(self, record: Record) -> str:
        """Do the steps of a record in new layers, which are chosen."""
        if self._closed:
            return ""
        self._picker.use_model(record.model)
        controller, image, choice = self._controller, self._layers.chosen.image, self._picker.choice
        if image is None:
            raise ValueError("Open the image that the prompts were drawn on first.")
        if self.busy:
            raise ValueError(WAIT)
        record.check(layer_shape(image))
        from napari_samv2_prompts.io.recording import fill_layers
        from napari_samv2_prompts.io.records import with_models
        from napari_samv2_prompts.replaying import Replay

        chosen = Chosen(image, *make_layers(self._viewer, image))
        target = controller.targets.of(chosen.labels, highest=0)
        if not controller.targets.check(chosen.labels, image, self._viewer.dims):
            raise ValueError("The labels can't be written: choose another image.")
        controller.paused = True
        controller.targets.hold_numbers(chosen.labels, True)  # which are free is seen in the end
        self._layers.refresh()
        self._layers.set(chosen)
        with controller.prompts.quietly():
            fill_layers(chosen, record)
        controller.prompts.prepare()
        replay = Replay(
            with_models(record, partial(_placed, choice)),
            self._make_session(),
            target,
            partial(self._view, image, image.data),
            partial(place_of, chosen),
            self._queue.post,
        )
        self._loading = replay, chosen, target
        replay.finished.connect(self._on_finished)
        self._disk.say(LOADING)
        replay.start()
        return ""

    def _view(self, image: Image, data: object, plane: Plane, picture: Picture) -> ImageView:
        """Return what to embed; raise ValueError if the image has other data than at first."""
        if image.data is not data:
            raise ValueError(f"The image {image.name!r} was given other data.")
        if picture.channels:
            layers, dims = self._viewer.layers, self._viewer.dims
            return view_of(layers, image, plane, dims, "channels")
        return mapped_view(image, plane, picture.limits, picture.gamma, alpha=picture.alpha)

    def _on_removed(self, event: object = None) -> None:
        """Load no more into labels that the user removed."""
        if self._loading is not None and self._loading[1].labels not in self._viewer.layers:
            self._on_finished("")

    def _on_finished(self, reason: str) -> None:
        if self._loading is None:
            return
        (replay, chosen, target), self._loading = self._loading, None
        self._controller.targets.hold_numbers(target.labels, False)
        if chosen.labels in self._viewer.layers:
            self._take_over(replay, target)
        else:
            replay.session.close()
        self._controller.paused = False
        self._controller.choose(self._layers.chosen)  # others, if the user chose them meanwhile
        self._disk.say("")
        if reason:
            show_error(f"SAMV2 Prompts: not all prompts could be loaded. {reason}")
        elif replay.differs:
            show_warning(f"SAMV2 Prompts: the prompts are loaded. {replay.differs}")

    def _take_back(self, record: Record, chosen: Chosen) -> None:
        """Remove layers that are loaded into, unless the user has drawn in them."""
        if chosen.n_prompts == len(record.points) + len(record.shapes):
            layers = [chosen.points, chosen.shapes, chosen.labels]
            with self._controller.events.blocked():
                for layer in layers:
                    if layer in self._viewer.layers:
                        self._viewer.layers.remove(layer)

    def _take_over(self, replay: Replay, target: LabelsTarget) -> None:
        """Go on from what was loaded as if it had been done here."""
        from napari_samv2_prompts.io.records import Accept

        record = replay.record
        # What has no prompts would go again.
        prompted = {p.object for p in record.points} | {s.object for s in record.shapes}
        kept = target.live() - prompted
        replay.session.accept(kept)
        target.accept(kept)
        self._controller.session.merge(replay.session)
        steps = (*replay.done, *([Accept(tuple(sorted(kept)))] if kept else []))
        self._recorder.resume(target.labels.unique_id, steps)


def with_ending(path: Path, kind: str) -> Path:
    """Give a name without an ending that of the chosen kind, as not all systems' dialogs do.

    Raises ValueError if such a file is there: the dialog asked for leave to replace another one.
    """
    ending = re.search(r"\(\*([^ )]+)", kind)
    if ending is None or path.suffix or path.name.endswith("_RES"):
        return path
    ended = path.with_name(path.name + ending[1])
    if ended.exists():
        raise ValueError(f"{ended.name} is there already: to replace it, give its whole name.")
    return ended


def _placed(choice: ModelChoice, model: ModelChoice) -> ModelChoice:
    """Return a model that runs where the chosen one does, and lies where published ones do."""
    folder = None if model.checkpoint else choice.folder
    return replace(model, device=choice.device, folder=folder)


def _weighed(record: Record, weights: Path | str | None) -> Record:
    """Return a record with the weights that the user points at, which are there."""
    from napari_samv2_prompts.io.records import with_weights

    record = with_weights(record, weights)
    own = record.model.checkpoint if record.model else None
    if own is not None and not own.is_file():
        raise ValueError(f"There are no weights {own}.")
    return record


def _read(path: str | Path) -> Record:
    from napari_samv2_prompts.io.record_files import read_record

    return read_record(path)


def _write(path: Path, recording: Callable[[], Record]) -> None:
    from napari_samv2_prompts.io.record_files import write_record

    with refusals_named(path):
        write_record(path, recording())


@contextmanager
def refusals_named(path: Path) -> Iterator[None]:
    """Have what the system says of a file in the making name the one that the user knows."""
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # a sentence of ours
            raise
        why = f"{path.name} could not be saved ({error.strerror}): choose another folder."
        raise OSError(why) from error
