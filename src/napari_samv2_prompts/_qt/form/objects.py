"""The list of objects: a table that stays quick with thousands, and what to do with its rows.

Another column is one line of :data:`COLUMNS`.

Not here: where the rows come from (``object_list.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import (  # type: ignore[attr-defined]
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QAbstractItemView, QCheckBox, QTableView, QVBoxLayout, QWidget

from napari_samv2_prompts._qt.form.controls import side_by_side
from napari_samv2_prompts._qt.form.widgets import button
from napari_samv2_prompts._qt.widget_state import DOUBTFUL

CLASS_COLUMN = 1


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object."""

    number: int
    colour: tuple[int, int, int] = (200, 200, 200)  # red, green and blue of its label
    planes: tuple[tuple[int, ...], ...] = ()  # where it stands on the axes that are not shown
    score: float | None = None  # the lowest of its masks' scores, as far as they are known
    prompts: int = 0
    # Where its label comes from: ``"prompted"``, ``"propagated"``, ``"found"``, ``"accepted"``,
    # ``"by hand"`` or ``"kept"``; empty while that is not known.
    state: str = ""
    name: str = ""  # its class
    # The most that any of its masks is expected to lack of the true one, as a share.
    doubt: float = 0.0

    @property
    def is_doubtful(self) -> bool:
        """Whether it deserves a second look."""
        return self.doubt > 1 - DOUBTFUL or (self.score is not None and self.score < DOUBTFUL)

    @property
    def planes_text(self) -> str:
        """The planes in a few letters."""
        spots = [",".join(map(str, plane)) for plane in self.planes if plane]
        if len(spots) < 3:
            return " ".join(spots)
        return f"{spots[0]}…{spots[-1]} ({len(spots)})"


COLUMNS: tuple[tuple[str, str, Callable[[ObjectRow], str], Callable[[ObjectRow], Any]], ...] = (
    ("Object", "Number, which is its label", lambda r: str(r.number), lambda r: r.number),
    ("Class", "Press F2 or twice to name it", lambda r: r.name, lambda r: r.name.casefold()),
    ("Score", "The lowest of its masks' scores", lambda r: "" if r.score is None else
     f"{r.score:.2f}{' ?' if r.is_doubtful else ''}", lambda r: 2.0 if r.score is None else
     r.score),
    ("Doubt", "What a followed mask may lack, at most", lambda r: f"{r.doubt:.2f}" if r.doubt
     else "", lambda r: r.doubt),
    ("State", "Where its label comes from", lambda r: r.state, lambda r: r.state),
    ("Prompts", "How many points and shapes", lambda r: str(r.prompts or ""), lambda r: r.prompts),
    ("Planes", "Where it stands", lambda r: r.planes_text, lambda r: r.planes),
)  # fmt: skip
"""Of each column its title, its tip, what it shows and what it is sorted by."""

_STACKS_ONLY = "Doubt", "Planes"  # columns that are hidden while there is nothing in them
WIDTHS = (50, 44, 50, 46, 80, 56)  # pixels, all but the last column, within the form
SORTED_BY = Qt.ItemDataRole.UserRole


def _swatch(colour: tuple[int, int, int]) -> QIcon:
    """Return a patch of a colour, which is the same in a chosen row."""
    patch = QPixmap(16, 16)
    patch.fill(QColor(*colour))
    icon = QIcon(patch)
    icon.addPixmap(patch, QIcon.Mode.Selected)
    return icon


class ObjectsModel(QAbstractTableModel):
    """Rows of objects for a view."""

    # The user gave an object a class.  Not an int, which to Qt has 32 bits: labels may be higher.
    named = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[ObjectRow, ...] = ()

    def set_rows(self, rows: Sequence[ObjectRow]) -> None:
        """Show these rows; what has not changed is not drawn again."""
        new = tuple(rows)
        if [row.number for row in new] != [row.number for row in self.rows]:
            self.beginResetModel()
            self.rows = new
            self.endResetModel()
            return
        before, self.rows = self.rows, new
        for at, (old, row) in enumerate(zip(before, new, strict=True)):
            if old != row:
                self.dataChanged.emit(self.index(at, 0), self.index(at, len(COLUMNS) - 1))

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """How many objects."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """How many columns."""
        return len(COLUMNS)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What a cell shows."""
        row, column = self.rows[index.row()], index.column()
        _, tip, text, key = COLUMNS[column]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return text(row)
        if role == SORTED_BY:
            return key(row)
        if role == Qt.ItemDataRole.DecorationRole and column == 0:
            return _swatch(row.colour)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        title, tip, *_ = COLUMNS[section]
        known = {Qt.ItemDataRole.DisplayRole: title, Qt.ItemDataRole.ToolTipRole: tip}
        return known.get(Qt.ItemDataRole(role))

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Say that classes can be written."""
        editable = index.column() == CLASS_COLUMN
        return super().flags(index) | (
            Qt.ItemFlag.ItemIsEditable if editable else Qt.ItemFlag.NoItemFlags
        )

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take a class that the user wrote."""
        if role != Qt.ItemDataRole.EditRole or index.column() != CLASS_COLUMN:
            return False
        self.named.emit(self.rows[index.row()].number, str(value).strip())
        return True


class _Filtered(QSortFilterProxyModel):
    """Rows in the order that the user chose, and those only that are doubtful if wanted."""

    doubtful_only = False

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        model = self.sourceModel()
        if not isinstance(model, ObjectsModel):
            return True
        return model.rows[row].is_doubtful or not self.doubtful_only

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        return bool(left.data(SORTED_BY) < right.data(SORTED_BY))


class ObjectsPanel(QWidget):
    """The table and its buttons."""

    picked = Signal(object)  # the user chose an object, an int
    deleted = Signal(object)  # objects, a tuple of int
    kept = Signal(object)
    named = Signal(object, str)

    def __init__(self) -> None:
        super().__init__()
        self.model = ObjectsModel()
        self._order = _Filtered(self)
        self._order.setSourceModel(self.model)
        self.table = QTableView()
        self.table.setModel(self._order)
        self.table.setAccessibleName("Objects")
        self.table.setToolTip("Press a row to go to its object; F2 names its class")
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.table.setCornerButtonEnabled(False)
        self.table.setTabKeyNavigation(False)  # Tab goes on to the next control
        self.table.setMinimumHeight(160)
        self._head()
        self.doubtful = QCheckBox("Doubtful only")
        self.doubtful.setToolTip(f"List objects of a score below {DOUBTFUL}, or of much doubt")
        self.keep = button("Keep", "Let no result change the chosen objects any more", "lock")
        self.keep.setAccessibleName("Keep the chosen objects")
        self.delete = button("Delete", "Remove the chosen objects from this plane, with prompts",
                             "delete")  # fmt: skip
        self.delete.setAccessibleName("Delete the chosen objects")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 0, 6, 4)
        layout.addWidget(self.table)
        layout.addLayout(side_by_side(self.doubtful, self.keep, self.delete))
        self.model.named.connect(self.named)
        self.doubtful.toggled.connect(self._on_filter)
        self.table.clicked.connect(self._on_clicked)
        self.table.activated.connect(self._on_clicked)
        self.keep.clicked.connect(self._on_keep)
        self.delete.clicked.connect(self._on_delete)

    def _head(self) -> None:
        for head in (self.table.verticalHeader(), self.table.horizontalHeader()):
            if head is not None:
                head.setMinimumSectionSize(20)
        if (rows := self.table.verticalHeader()) is not None:
            rows.hide()
            rows.setDefaultSectionSize(self.fontMetrics().height() + 6)
        if (columns := self.table.horizontalHeader()) is not None:
            columns.setStretchLastSection(True)
            for number, width in enumerate(WIDTHS):
                columns.resizeSection(number, width)

    @property
    def selected(self) -> tuple[int, ...]:
        """The numbers of the chosen objects."""
        chosen = self.table.selectionModel()
        rows = chosen.selectedRows() if chosen is not None else []
        return tuple(self._row(index).number for index in rows)

    def show_rows(self, rows: Sequence[ObjectRow], current: int) -> None:
        """List objects; the current one is chosen, unless the user chose others."""
        chosen = set(self.selected)
        self.model.set_rows(rows)
        for column, (title, _, text, _) in enumerate(COLUMNS):
            if title in _STACKS_ONLY:
                self.table.setColumnHidden(column, not any(map(text, rows)))
        if not chosen & {row.number for row in rows}:
            chosen = {current}
        self._select(chosen)

    def _select(self, numbers: set[int]) -> None:
        model = self.table.selectionModel()
        if model is None or set(self.selected) == numbers:
            return
        model.clearSelection()
        how = QItemSelectionModel.SelectionFlag
        for row, item in enumerate(self.model.rows):
            index = self._order.mapFromSource(self.model.index(row, 0))
            if item.number in numbers and index.isValid():
                model.select(index, how.Select | how.Rows)

    def _row(self, index: QModelIndex) -> ObjectRow:
        return self.model.rows[self._order.mapToSource(index).row()]

    def _on_filter(self, on: bool) -> None:
        self._order.doubtful_only = on
        self._order.invalidate()

    def _on_clicked(self, index: QModelIndex) -> None:
        self.picked.emit(self._row(index).number)

    def _on_keep(self) -> None:
        self.kept.emit(self.selected)

    def _on_delete(self) -> None:
        self.deleted.emit(self.selected)
