"""The title of the dock: once, not "SAMV2 Prompts (napari-samv2-prompts)" as the viewer has it."""

from __future__ import annotations

from qtpy.QtCore import QObject, Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QWidget

__all__ = ["TITLE", "DockTitle"]

TITLE = "SAMV2 Prompts"


class DockTitle(QObject):
    """Has the title bar of a widget's dock, if it has one, say the title and nothing else.

    The dock keeps its name, under which the viewer remembers where it was.

    Parameters
    ----------
    widget : QWidget
        Owns this.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._dock: QDockWidget | None = None

    def refresh(self, floating: bool = False) -> None:
        """Say the title, now and whenever the dock gets a new bar."""
        dock = self._widget.parent()
        if not isinstance(dock, QDockWidget):
            return
        if dock is not self._dock:
            self._dock = dock
            queued = Qt.ConnectionType.QueuedConnection  # when the viewer has made the bar
            dock.topLevelChanged.connect(self.refresh, queued)  # type: ignore[call-arg]
        bar = dock.titleBarWidget()
        for label in bar.findChildren(QLabel) if bar is not None else ():
            if label.text().startswith(f"{TITLE} ("):
                label.setText(TITLE)
