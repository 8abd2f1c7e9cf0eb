"""Nothing in the form moves by itself, and what is used every minute is in sight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from magicgui.widgets import ComboBox
from qtpy.QtCore import QPoint, QPointF, QRect, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QLabel, QProgressBar, QWidget
from tests.qt.test_accessibility import CONTROLS

from napari_samv2_prompts._qt.form import Form
from napari_samv2_prompts._qt.form.controls import Fold
from napari_samv2_prompts._qt.form.model import EmbeddingsPanel
from napari_samv2_prompts._qt.form.prompts import SIDE, CandidatePictures, silhouettes
from napari_samv2_prompts._qt.form.widgets import Lines
from napari_samv2_prompts._qt.messages import note_line, what_next
from napari_samv2_prompts._qt.prompting import TAKEN_BACK
from napari_samv2_prompts._qt.widget_state import Candidates, Seen, WidgetState
from napari_samv2_prompts.engine import AllPlanes, ModelChoice, Progress, State, Status
from napari_samv2_prompts.prompts import ItemMasks

LONG = "There is a long sentence here that would need five lines of such a narrow form, " * 3
SCREEN = 768  # pixels of a laptop's screen from top to bottom
FURNITURE = 100  # of them for the window's frame, its menus, its status bar and the dock's title
THEME = """
QPushButton { border: 0px; padding: 4px; }
QPushButton:disabled { border: 1px solid red; }
"""  # as the viewer's themes have it: a button is larger while it can't be pressed
READY = Status(State.READY, "", ModelChoice("nano"), "cpu", "no GPU")
BASE = WidgetState(status=READY, image=True, points=True, shapes=True, labels=True)


def masks(*scores: float) -> ItemMasks:
    logits = np.full((len(scores), 16, 16), -1, np.float32)
    logits[:, 4:8, 4:12] = 1
    return ItemMasks(1, (), np.array(scores, np.float32), logits, 5.0)


def situations() -> Iterator[WidgetState]:
    """Yield every state with and without everything that can be said."""
    planes = AllPlanes(3, 9, 4, running=True, problem=LONG)
    for state, full in product(State, (False, True)):
        status = Status(state)
        if full:
            progress = Progress(0.5, "1 of 2 MB")
            status = replace(
                READY, state=state, reason=LONG, progress=progress, store=LONG, planes=planes
            )
        yield WidgetState(status=status)
        yield replace(BASE, status=status)
        yield replace(
            BASE, status=status, problem=LONG, current=12345, started=True, positive=False,
            acceptable=True, pending=999, empty=tuple(range(40)), download=898, note=LONG,
            kept=(7,), said=LONG, offer="uint64", planes=1000, all_planes=True, cut=(8, 9),
            outdated=4, seen=Seen((1536, 1536), (30000, 40000), 512, True),
            scores=(0.5, 0.4, 0.3), candidates=Candidates(masks(0.5, 0.4, 0.3), 1),
            adding=True, active="points",
        )  # fmt: skip


@pytest.fixture
def form(qtbot) -> Form:
    form = Form([ComboBox(name=n) for n in ("image", "points", "shapes", "labels")], ("auto",))
    qtbot.addWidget(form)
    form.resize(330, SCREEN - FURNITURE)
    form.name_keys(frozenset("QNWGHJUK"))
    form.use_theme("dark")
    form.show()
    form.fit_width()
    QApplication.processEvents()
    return form


def places(form: Form) -> dict[QWidget, QRect]:
    """Return where each control and text is in the form."""
    QApplication.processEvents()
    wanted = (*CONTROLS, QLabel, QProgressBar)
    controls = [w for w in form.findChildren(QWidget) if isinstance(w, wanted)]
    return {w: QRect(w.mapTo(form, QPoint(0, 0)), w.size()) for w in controls
            if w.window() is form and not isinstance(w.parent(), CONTROLS)}  # fmt: skip


@pytest.mark.parametrize("sheet", ["", THEME])
@pytest.mark.parametrize("opened", [False, True])
def test_nothing_moves_whatever_the_form_shows(form: Form, opened: bool, sheet: str) -> None:
    form.setStyleSheet(sheet)
    for fold in form.folds:
        fold.open(opened)
    form.show_state(WidgetState())
    before = places(form)
    assert len(before) > 30
    for now in situations():
        form.show_state(now)
        for control, place in places(form).items():
            assert place == before[control], (control.accessibleName(), now)


def test_what_is_used_every_minute_is_in_sight_on_a_laptop(form: Form) -> None:
    form.show_state(BASE)
    QApplication.processEvents()
    prompts = form.prompts
    for control in (form.head.hint, form.head.cancel, prompts.box, prompts.click, prompts.sign,
                    prompts.object, prompts.next, *prompts.candidates.buttons, prompts.cycle,
                    prompts.undo, prompts.accept, prompts.live, prompts.run, prompts.note,
                    *(fold.toggleButton() for fold in form.folds)):  # fmt: skip
        bottom = control.mapTo(form, control.rect().bottomLeft()).y()
        assert 0 <= bottom < form.height(), control.text()


@pytest.mark.parametrize("number", [1, 12345])
def test_advice_about_drawing_fits_in_its_place(form: Form, number: int) -> None:
    for active, started, positive, kept in product(
        ("points", "shapes", "other"), (False, True), (False, True), ((), (number,))
    ):
        now = replace(BASE, active=active, adding=True, started=started, positive=positive,
                      current=number, kept=kept)  # fmt: skip
        form.show_state(now)
        assert not form.head.hint.shown_lines()[-1].endswith("…"), what_next(now)


@pytest.mark.parametrize("now", [
    replace(BASE, cut=(3,)), replace(BASE, empty=(1, 2, 3)), replace(BASE, outdated=12),
    replace(BASE, note="Objects 3, 4: 2 shapes that reach through several planes are left out: "
            "draw each on one.", left_out=True), replace(BASE, said=TAKEN_BACK, left_out=True),
])  # fmt: skip
def test_a_note_fits_beside_the_button_that_shows_what_is_left_out(form: Form, now) -> None:
    form.show_state(now)
    QApplication.processEvents()
    assert not form.prompts.note.shown_lines()[-1].endswith("…"), note_line(now)


# --- texts and folds ---


def test_what_does_not_fit_is_cut_and_shown_on_hovering(qtbot) -> None:
    line = Lines(2)
    qtbot.addWidget(line)
    line.resize(200, 40)
    line.setText("short")
    assert line.shown_lines() == ["short"]
    line.setText(LONG)
    shown = line.shown_lines()
    assert len(shown) == 2
    assert shown[1].endswith("…")
    assert LONG.startswith(shown[0])
    assert line.toolTip() == line.text() == LONG
    assert all(line.fontMetrics().horizontalAdvance(text) <= 200 for text in shown)


def test_names_with_an_ampersand_are_read_whole_and_are_no_shortcut(qtbot, tmp_path) -> None:
    fold, panel = Fold("Layers", QWidget(), "tip"), EmbeddingsPanel()
    for shown in (fold, panel):
        qtbot.addWidget(shown)
    fold.title = "H&E · points"
    panel.folder = tmp_path / "R&D"
    for press, read in ((fold.toggleButton(), "▸ H&E · points"), (panel.choose, "R&D")):
        assert press.shortcut().isEmpty()
        assert press.text().replace("&&", "&") == read


def test_a_fold_opens_by_its_title_and_hides_what_is_in_it_from_the_keyboard(qtbot) -> None:
    content = QLabel("inside")
    fold = Fold("Title", content, "tip")
    qtbot.addWidget(fold)
    fold.show()
    assert not content.isVisible()
    qtbot.mouseClick(fold.toggleButton(), Qt.MouseButton.LeftButton)
    assert content.isVisible()
    assert content.height() > 5
    assert fold.text() == "▾ Title"
    qtbot.keyClick(fold.toggleButton(), Qt.Key.Key_Space)
    assert not content.isVisible()
    assert fold.text() == "▸ Title"


def test_a_part_that_is_opened_is_scrolled_into_sight(form: Form, qtbot) -> None:
    fold = form.fold_of("through")
    title = fold.toggleButton()
    qtbot.mouseClick(title, Qt.MouseButton.LeftButton)
    for _ in range(3):
        QApplication.processEvents()
    for control in (title, form.through.both, form.through.text):
        top = control.mapTo(form, QPoint(0, 0)).y()
        assert form.head.height() <= top <= form.height() - control.height()


def test_the_wheel_is_for_the_form_over_a_control_without_the_focus(form: Form) -> None:
    fold = form.fold_of("find")
    fold.open()
    slider, area = form.find_all.overlap, form.find_all.area
    form.ensure_visible(fold)
    QApplication.processEvents()
    before = slider.value(), area.value()
    assert not any(turned_wheel(c) for c in (slider, area, form.find_all.order))
    assert (slider.value(), area.value()) == before
    area.setFocus()
    assert turned_wheel(area)
    assert area.value() > before[1]


def turned_wheel(control: QWidget) -> bool:
    """Turn the wheel over a control; tell whether it took the turn for itself."""
    middle = QPointF(control.rect().center())
    event = QWheelEvent(
        middle, QPointF(control.mapToGlobal(control.rect().center())), QPoint(),
        QPoint(0, 120), Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    event.ignore()
    QApplication.sendEvent(control, event)
    return event.isAccepted()


# --- candidates ---


def test_candidates_stand_best_first_and_give_their_own_index(qtbot) -> None:
    pictures = CandidatePictures()
    qtbot.addWidget(pictures)
    pictures.show_candidates(Candidates(masks(0.3, 0.9, 0.6), 2))
    assert [b.text() for b in pictures.buttons] == ["0.90", "✓ 0.60", "0.30"]
    assert [b.isChecked() for b in pictures.buttons] == [False, True, False]
    with qtbot.waitSignal(pictures.chosen) as picked:
        pictures.buttons[2].click()
    assert picked.args == [0]
    pictures.show_candidates(Candidates(masks(0.9), 0))
    assert not any(b.isEnabled() for b in pictures.buttons)


@pytest.mark.parametrize("aspect", [0.25, 1.0, 4.0])
def test_a_picture_of_a_mask_holds_it_all_in_its_true_shape(aspect: float) -> None:
    side = 64
    rows, columns = np.ogrid[:side, :side]
    disc = np.where((rows - 40) ** 2 + (columns - 50) ** 2 < 64, 1, -1)[None].astype(np.float32)
    picture = silhouettes(disc, aspect)[0]
    assert picture.shape == (SIDE, SIDE)
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert not edge.any()
    height, width = picture.any(1).sum(), picture.any(0).sum()
    assert height / width == pytest.approx(aspect, rel=0.2)
    assert not silhouettes(-np.ones((2, 8, 8), np.float32), aspect).any()


@pytest.mark.parametrize(
    "reason",
    [
        "CPU: this PyTorch is built without CUDA, and there is no MPS;"
        " float32 since this CPU has no bfloat16 instructions",
        "NVIDIA GeForce RTX 4090 Laptop GPU (CUDA) found;"
        " bfloat16 since this GPU multiplies it fast",
    ],
)
def test_why_the_model_runs_where_it_does_is_read_whole_in_the_narrowest_form(
    qtbot, reason: str
) -> None:
    form = Form((), ("cpu",))
    qtbot.addWidget(form)
    form.show_state(WidgetState(status=Status(State.READY, device_reason=reason)))
    form.model.reason.resize(290, form.model.reason.height())
    assert " ".join(form.model.reason.shown_lines()) == reason
