"""The buttons of *Through the stack*: what a press on each does.

Not here: how they look (``form/background.py``), following objects (``propagation.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning

if TYPE_CHECKING:
    from .controller import Controller
    from .form.background import ThroughPanel
    from .propagation import StackPropagation
    from .threads import Disk
    from .widget_state import Direction, PropagationState


class ThroughButtons:
    """Joins the panel and the work; what can't be done is shown as a warning.

    `disk` reads all labels.
    """

    def __init__(
        self, panel: ThroughPanel, propagation: StackPropagation, controller: Controller, disk: Disk
    ) -> None:
        self._panel, self._propagation = panel, propagation
        self._controller, self._disk = controller, disk

    def follow(self, direction: Direction) -> None:
        """Follow what is chosen in the panel."""
        panel = self._panel
        objects = [self._controller.state().current] if panel.only_current else None
        _warned(
            self._propagation.propagate, objects, direction, *panel.planes, panel.chosen_axis,
            panel.stop.isChecked(),
        )  # fmt: skip

    def press(self, name: str) -> None:
        """Do what another button says."""
        work = self._propagation
        calls: dict[str, Callable[[], object]] = {
            "cancel": work.cancel, "doubtful": work.next_doubtful, "ends": work.end_here,
            "divides": work.divide_here, "tracks": self._read_tracks,
        }  # fmt: skip
        _warned(calls[name])

    def show(self, state: PropagationState) -> None:
        """Show where following stands, and the axes if anybody looks at them."""
        if not self._panel.isHidden():
            self._panel.show_axes(*self._propagation.stack.axes())
        self._panel.show_through(state)

    def _read_tracks(self) -> None:
        """Read all labels in a worker, then add the layer."""
        read, show = self._propagation.stack.tracks_in_steps()
        self._disk.do("Reading the labels", read, lambda lineage: f"Added {show(lineage).name}.")


def _warned(call: Callable[..., object], *arguments: Any) -> None:
    try:
        call(*arguments)
    except ValueError as error:
        show_warning(f"SAMV2 Prompts: {error}")
