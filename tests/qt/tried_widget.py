"""The widget that random users try out, with a worker that answers late, in any order, or fails.

On a viewer model without a window.  What must hold of the labels is in ``ledger``; what must hold
of the rest are the invariants here.  What users do to layers, prompts and labels is in
``random_user``.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QCoreApplication
from tests.fakes import RADIUS, Factory, ManualRunner, crop_of, fake_mask
from tests.qt.ledger import Ledger, Witness

from napari_samv2_prompts._qt import labels_writer, widget
from napari_samv2_prompts._qt.threads import Disk
from napari_samv2_prompts.engine import AtOnce, State
from napari_samv2_prompts.io.settings import SETTINGS_VARIABLE
from napari_samv2_prompts.layers import (
    Chosen,
    LabelsTarget,
    current_plane,
    prompted_objects,
    read_prompts,
)
from napari_samv2_prompts.layers.rows import object_numbers
from napari_samv2_prompts.samv2.weights.registry import CACHE_VARIABLE

SIDES = 24, 30
STEPS = int(os.environ.get("RANDOM_USER_STEPS", "10_000"))  # in a long run
# One that is a sentence already, one that is not, and the two kinds of running out of memory.
ERRORS = (
    ValueError("The picture is empty; choose another."),
    KeyError("no such layer"),
    MemoryError(),
    RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
)


def try_users(user: type[RuleBasedStateMachine], examples: int, steps: int, **options: Any) -> None:
    """Let so many users do so many steps each, however long it takes."""
    unhurried = {"deadline": None, "suppress_health_check": list(HealthCheck)}
    chosen = settings(max_examples=examples, stateful_step_count=steps, **unhurried, **options)
    run_state_machine_as_test(user, settings=chosen)


class SAMV2PromptsWidget(widget.SAMV2PromptsWidget):
    """One whose files are read at once: only what the session does is late or fails."""

    def __init__(self, viewer, **makers) -> None:
        with mock.patch.object(widget, "Disk", return_value=Disk(AtOnce)):
            super().__init__(viewer, **makers)


class TriedWidget(RuleBasedStateMachine):
    done: ClassVar[Counter[str]] = Counter()  # by all users together

    def __init__(self) -> None:
        super().__init__()
        self.viewer = self.new_viewer()
        self.runners: list[ManualRunner] = []
        self.ledgers: dict[object, Ledger] = {}
        self.images: list[tuple[Image, np.ndarray]] = []
        self.seen: tuple[object, frozenset[int]] = (None, frozenset())  # layers, their prompts
        self.away = ExitStack()  # what is to be put back in the end
        folder = self.away.enter_context(TemporaryDirectory())
        files = {SETTINGS_VARIABLE: f"{folder}/settings.json", CACHE_VARIABLE: folder}
        self.away.enter_context(mock.patch.dict(os.environ, files))
        self.away.enter_context(mock.patch.object(labels_writer, "LabelsTarget", self.target_for))
        self.widget = self.opened()

    # --- to be replaced for a window --------------------------------------------------------

    def new_viewer(self) -> ViewerModel:
        return ViewerModel()

    def open_in(self, viewer: ViewerModel, widget: SAMV2PromptsWidget) -> None:
        """Show a new widget; nothing to be done without a window."""

    def throw_away(self, widget: SAMV2PromptsWidget) -> None:
        widget.deleteLater()

    # --- pieces -----------------------------------------------------------------------------

    def of(self, kind: type) -> list:
        return [layer for layer in self.viewer.layers if isinstance(layer, kind)]

    def target_for(self, labels: Labels, highest: int | None = None) -> LabelsTarget:
        return Witness(labels, highest, self.ledger(labels))

    def ledger(self, labels: Labels) -> Ledger:
        return self.ledgers.setdefault(labels.unique_id, Ledger(labels))

    def opened(self) -> SAMV2PromptsWidget:
        widget = SAMV2PromptsWidget(
            self.viewer, make_predictor=Factory(), make_runner=self.make_runner
        )
        self.open_in(self.viewer, widget)
        return widget

    def make_runner(self) -> ManualRunner:
        """Make one worker for all that a widget does, so that the test knows of every job."""
        if not self.runners or self.runners[-1].closed:
            self.runners.append(ManualRunner())
        return self.runners[-1]

    @property
    def controller(self):
        return self.widget._open.controller

    @property
    def runner(self) -> ManualRunner:
        return self.runners[-1]

    @property
    def chosen(self) -> Chosen:
        return self.controller.chosen

    def target(self, labels: Labels) -> LabelsTarget | None:
        return self.controller.targets._targets.get(labels.unique_id)

    def spot(self, yx: tuple[int, int], ndim: int) -> list[float]:
        """A place on the shown plane, with as many axes as a layer has."""
        shown, hidden = self.viewer.dims.displayed[-2:], self.viewer.dims.point
        at = [float(hidden[axis]) for axis in range(self.viewer.dims.ndim)]
        for axis, value in zip(sorted(shown), yx, strict=True):
            at[axis] = float(value)
        return at[len(at) - ndim :]

    def look(self) -> None:
        """Have the plugin look at what changed, and check what it took away."""
        labels, before = self.chosen.labels, self.seen
        self.controller.flush()
        if self.viewer.dims.ndisplay == 3 or self.chosen.image is None:
            return  # nothing is read then: what is lost is taken away back on a plane
        now = self.chosen
        layers = (now.points, now.shapes, now.labels)
        prompted = prompted_objects(now.points, now.shapes)
        target = None if labels is None else self.target(labels)
        if target is not None and before[0] == layers:
            # What the user brought back by undo is the user's business.
            lost = before[1] - prompted - self.ledger(labels).undone
            assert not target.live() & lost or self.controller.targets.problem
        self.seen = (layers, prompted)

    # --- opening and closing ----------------------------------------------------------------

    @initialize(stack=st.booleans(), old=st.booleans(), bare=st.integers(0, 9))
    def open_image(self, stack: bool, old: bool, bare: int) -> None:
        self.add_image(stack)
        if old:
            self.add_labels()
        if bare:
            self.new_layers()

    def add_image(self, stack: bool) -> None:
        shape = (3, *SIDES) if stack else SIDES
        data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        self.images.append((self.viewer.add_image(data), data.copy()))

    def add_labels(self) -> None:
        data = np.zeros(self.of(Image)[-1].data.shape, np.uint8)
        data[..., 2:7, 3:9], data[..., 15, :] = 7, 8
        self.ledger(self.viewer.add_labels(data))

    @rule()
    def new_layers(self) -> None:
        if self.chosen.image is not None:
            self.widget.new_prompt_layers()
            return
        with pytest.raises(ValueError, match="Open an image"):
            self.widget.new_prompt_layers()

    def close_and_reopen(self, new: bool) -> None:
        self.widget._tear_down()
        data = {key: ledger.labels.data.copy() for key, ledger in self.ledgers.items()}
        for runner in self.runners:
            assert runner.closed
            runner.finish_all()
        for key, before in data.items():
            np.testing.assert_array_equal(self.ledgers[key].labels.data, before)
        if new:
            self.throw_away(self.widget)
            self.widget = self.opened()
        else:
            self.widget._set_up()
        self.seen = (None, frozenset())

    # --- time -------------------------------------------------------------------------------

    @rule(handled=st.booleans())
    def moment_passes(self, handled: bool) -> None:
        if handled:
            QCoreApplication.processEvents()
        self.look()

    @rule(stop=st.booleans())
    def run_or_cancel(self, stop: bool) -> None:
        if stop:
            self.widget.session.cancel()
        else:
            self.widget.run()

    @precondition(lambda self: self.runner.jobs)
    @rule(data=st.data(), error=st.sampled_from((None, None, None, *ERRORS)))
    def answer(self, data: st.DataObject, error: Exception | None) -> None:
        index = data.draw(st.integers(0, len(self.runner.jobs) - 1))
        dead = self.runner.tasks[index].cancelled
        pages = [ledger.page for ledger in self.ledgers.values()]
        if error is None:
            self.runner.finish(index)
        else:
            self.runner.fail(error, index)
        if dead:
            now = [ledger.page for ledger in self.ledgers.values()]
            assert all(a is b for a, b in zip(pages, now, strict=True)), "a dead job wrote"

    @rule()
    def settle(self) -> None:
        """Let everything finish: the labels are what the prompts ask for."""
        self.look()
        for _ in range(4):
            stopped = self.widget.session.status.state in (State.FAILED, State.IDLE)
            if stopped or not self.widget.live:
                self.widget.run()
            self.runner.finish_all()
            self.look()
        if self.widget.session.status.state is State.READY:
            self.check_results()

    def check_results(self) -> None:
        chosen = self.chosen
        assert self.widget.session.pending == ()
        if chosen.labels is None or self.controller.targets.problem:
            return
        plane = current_plane(self.viewer.dims, chosen.image)
        prompts, _ = read_prompts(
            chosen.points, chosen.shapes, chosen.image, plane, self.viewer.dims
        )
        ledger = self.ledger(chosen.labels)
        latest = ledger.page.latest.get(plane.in_data_order(), {})
        for prompt in prompts:
            self.done["masks compared"] += 1
            result = self.widget.session.result(prompt.object)
            assert result is not None
            radius = RADIUS * (1 + result.chosen)
            expected = crop_of(fake_mask(prompt, plane.shape, radius))
            np.testing.assert_array_equal(result.crop.full(plane.shape), expected.full(plane.shape))
            if prompt.object not in ledger.undone:
                assert prompt.object in latest, f"object {prompt.object} was not written"
        for layer in (chosen.points, chosen.shapes):
            if layer is not None:
                assert (object_numbers(layer) > 0).all()
                assert layer.features["object"].dtype.kind in "iu"

    # --- what always holds ------------------------------------------------------------------

    @invariant()
    def a_step_was_made(self) -> None:
        self.done["steps"] += 1

    @invariant()
    def the_labels_are_right(self) -> None:
        for ledger in self.ledgers.values():
            ledger.check(self.target(ledger.labels))

    @invariant()
    def images_are_never_altered(self) -> None:
        for layer, data in self.images:
            np.testing.assert_array_equal(layer.data, data)

    @invariant()
    def one_job_is_wanted_at_most(self) -> None:
        assert len(self.runner.live) <= 1
        # One for later (neighbouring planes) may run while nothing is waited for.
        assert self.runner.live or not self.widget.session.status.busy

    @invariant()
    def the_session_keeps_to_its_budget(self) -> None:
        cache = self.widget.session.cache
        assert cache.nbytes <= cache.budget_mb * 1e6

    @invariant()
    def what_is_shown_is_a_sentence(self) -> None:
        status = self.widget.session.status
        if status.state is State.FAILED:
            assert status.reason.endswith((".", "!", "?"))

    def teardown(self) -> None:
        self.widget._tear_down()
        self.widget._tear_down()
        for runner in self.runners:
            assert runner.closed
            runner.finish_all()
        for ledger in self.ledgers.values():
            ledger.check(None)
            self.done["edits followed"] += ledger.edits
            while ledger.past:
                ledger.undo()
        self.throw_away(self.widget)
        self.viewer.layers.clear()
        notification_manager.records.clear()
        for thread in threading.enumerate():  # it may still write the last choices
            if thread.name == "samv2-prompts-settings":
                thread.join()
        self.away.close()
