from __future__ import annotations

from dataclasses import replace

import pytest

from napari_samv2_prompts._qt.messages import (
    axis_name,
    kept_line,
    left_line,
    mask_line,
    note_line,
    seen_line,
    state_line,
    what_next,
)
from napari_samv2_prompts._qt.widget_state import Seen, WidgetState
from napari_samv2_prompts.engine import ModelChoice, Progress, State, Status

READY = Status(State.READY, "", ModelChoice("nano"), "cpu", "no GPU")
BASE = WidgetState(status=READY, image=True, points=True, shapes=True, labels=True)


def at(state: State, reason: str = "") -> Status:
    return replace(READY, state=state, reason=reason)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (WidgetState(), "Open an image"),
        (replace(BASE, download=156), "Press Download"),
        (replace(BASE, status=at(State.FAILED, "The file is broken.")), "The file is broken. Then"),
        (replace(BASE, status=at(State.IDLE, "Cancelled. Press Run to go on.")), "Press Run"),
        (replace(BASE, status=at(State.IDLE, "Switch to 2D.")), "Switch to 2D."),
        (replace(BASE, labels=False), "Press Box or Click"),
        (replace(BASE, points=False, shapes=False), "Press Box or Click"),
        (replace(BASE, problem="The layer is too small."), "The layer is too small."),
        (replace(BASE, live=False, pending=2), "Press Run to segment 2 objects"),
        (replace(BASE, pending=1, status=at(State.EMBEDDING)), "1 object will be segmented"),
        (BASE, "Press Box or Click"),
        (replace(BASE, labels=False, active="shapes", adding=True), "Press Box or Click"),
        (replace(BASE, active="shapes"), "Press Box or Click"),
        (replace(BASE, active="shapes", adding=True), "Draw a box around an object"),
        (replace(BASE, active="shapes", adding=True, started=True), "around the next object"),
        (replace(BASE, active="points", adding=True, current=7), "becomes object 7"),
        (replace(BASE, active="points", adding=True, current=7, started=True), "more of object 7"),
        (replace(BASE, active="points", adding=True, current=7, refining=True), "more of object 7"),
        (replace(BASE, active="points", adding=True, current=7, kept=(7,)), "Label 7 is kept"),
        (
            replace(BASE, active="points", adding=True, started=True, positive=False),
            "remove from object 1",
        ),
    ],
)
def test_the_advice_fits_the_situation(state: WidgetState, words: str) -> None:
    assert words in what_next(state)


def test_the_state_names_model_and_device() -> None:
    assert state_line(BASE) == "Ready · nano on cpu"


def test_progress_is_told_in_words_or_per_cent() -> None:
    loading = replace(READY, state=State.LOADING, progress=Progress(0.5, "78 of 156 MB"))
    assert "78 of 156 MB" in state_line(replace(BASE, status=loading))
    assert "(50 %)" in state_line(replace(BASE, status=replace(loading, progress=Progress(0.5))))


def test_how_good_the_mask_is_is_told_in_words_with_what_helps() -> None:
    line = mask_line(replace(BASE, current=4, scores=(0.7, 0.9, 0.8), chosen=2))
    assert line == "Object 4, mask 2 of 3: good (0.80)"
    assert mask_line(replace(BASE, scores=(0.7,))) == "Object 1: fair (0.70)"
    unsure = mask_line(replace(BASE, scores=(0.5, 0.4, 0.3)))
    assert unsure.endswith("unsure (0.50): take another mask, or add a click where it is wrong")
    after_a_box = mask_line(replace(BASE, scores=(0.5,)))
    assert after_a_box == "Object 1: unsure (0.50): add a click where it is wrong"
    assert mask_line(BASE) == ""


def test_an_empty_mask_is_told_with_what_to_do() -> None:
    assert note_line(BASE) == ""
    one = replace(BASE, empty=(3,), note="1 prompt is left out.")
    assert note_line(one) == (
        "Object 3: empty mask; add a click inside it, or delete its prompts. 1 prompt is left out."
    )
    several = replace(BASE, empty=(3,), current=3, scores=(0.9, 0.8, 0.7))
    assert "take another mask," in note_line(several)
    many = replace(BASE, empty=tuple(range(1, 9)))
    assert note_line(many).startswith("Objects 1, 2, 3, 4, 5, …: empty masks;")


def test_a_mask_that_other_labels_cover_is_told_with_what_to_do() -> None:
    assert note_line(replace(BASE, covered=(256,))) == (
        "Object 256: other labels cover it; set Overlap to replace labels, or delete them."
        " Then press Run."
    )
    assert note_line(replace(BASE, covered=(3, 4), replacing=True)) == (
        "Objects 3, 4: other labels cover them; release those that are kept. Then press Run."
    )


def test_what_was_not_accepted_is_counted() -> None:
    assert left_line(()) == ""
    assert left_line((256,)) == (
        "1 object keeps its prompts, as nothing of it is in the labels: 256."
    )
    assert left_line((3, 4)) == (
        "2 objects keep their prompts, as nothing of them is in the labels: 3, 4."
    )


def test_the_part_that_the_model_sees_is_told_where_it_is_not_all() -> None:
    def words(*args: object) -> str:
        return seen_line(replace(BASE, seen=Seen(*args)))

    assert seen_line(BASE) == ""
    assert words((400, 512), (400, 512), 512) == ""
    large = (20_000, 30_000)
    assert words((500, 500), large, 512, True) == (
        "Seen by the model: 500 × 500 of 30000 × 20000 pixels"
    )
    assert words((1536, 1536), large, 512, True) == (
        "Seen by the model: 1536 × 1536 of 30000 × 20000 pixels, 3.0 times coarser;"
        " zoom in for more detail"
    )
    assert words(large, large, 1024) == (
        "Seen by the model: all 30000 × 20000 pixels, 29.3 times coarser"
    )


def test_masks_that_are_cut_or_out_of_date_are_told_with_what_to_do() -> None:
    assert note_line(replace(BASE, cut=(3,))).startswith("Object 3 ends where the model's view")
    assert note_line(replace(BASE, cut=(3, 4))).startswith("Objects 3, 4 end where")
    assert "since 2 objects got a mask; Run" in note_line(replace(BASE, outdated=2))


def test_what_was_done_with_a_label_and_what_is_kept_are_told() -> None:
    assert kept_line(BASE) == ""
    now = replace(BASE, said="Label 3 is deleted.", kept=(5, 9))
    assert kept_line(now) == "Kept: 5, 9."
    assert note_line(now) == "Label 3 is deleted."


@pytest.mark.parametrize(("axis", "name", "said"), [
    (0, "z", "z"), (1, "time", "time"), (0, "-3", "axis 0 (first)"), (1, "1", "axis 1 (second)"),
    (0, "", "axis 0 (first)"), (7, "-1", "axis 7"),
])  # fmt: skip
def test_an_axis_has_its_own_name_or_is_counted(axis: int, name: str, said: str) -> None:
    assert axis_name(axis, name) == said
