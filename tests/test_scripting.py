"""From an image and its prompts to labels, in a script; and the same labels again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import FakePredictor
from tests.stand_in import BoxPredictor

from napari_samv2_prompts import scripting
from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.io.record_files import read_record, write_record
from napari_samv2_prompts.io.records import (
    Accept,
    Choose,
    Predict,
    Record,
    Remove,
    own_weights,
    with_weights,
)
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.replaying import Replay
from napari_samv2_prompts.sample_data import COIN_BOXES, coins
from napari_samv2_prompts.scripting import prompts_of, record_of, replay, segment
from napari_samv2_prompts.units.stacks import segment_stack

FLAT = Plane((0, 1), (None, None), (40, 60))


@pytest.fixture
def fake(monkeypatch) -> FakePredictor:
    predictor = FakePredictor()
    monkeypatch.setattr(scripting, "_make_predictor", lambda *arguments: predictor)
    return predictor


def test_three_lines_are_enough() -> None:
    from napari_samv2_prompts import segment

    image = coins()[0][0]
    labels = segment(image, boxes=COIN_BOXES[:3], device="cpu")
    assert labels.shape == image.shape
    assert set(np.unique(labels)) == {0, 1, 2, 3}


def test_arrays_tables_and_mappings_say_the_same(tmp_path) -> None:
    table = tmp_path / "boxes.csv"
    table.write_text("object,x0,y0,x1,y1\n1,5,6,20,22\n2,30,8,50,30\n")
    boxes = [[5, 6, 20, 22], [30, 8, 50, 30]]
    clicks = {1: [[10, 10], [12, 12]]}
    batches = [
        prompts_of((40, 60), given, clicks) for given in (table, boxes, dict(enumerate(boxes, 1)))
    ]
    image = np.zeros((40, 60), np.uint8)
    one, *others = (segment(image, prompts=batch, predictor=FakePredictor()) for batch in batches)
    for other in others:
        np.testing.assert_array_equal(one, other)
    assert all(batch.objects == (1, 2) and len(batch[0].points) == 2 for batch in batches)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "no prompts"),
        ({"boxes": [[1, 2, 3]]}, "shape"),
        ({"boxes": {0: [1, 2, 3, 4]}}, "from 1"),
        ({"boxes": {2**31: [1, 2, 3, 4]}}, "from 1 to 2147483647"),
        ({"boxes": {1.5: [1, 2, 3, 4]}}, "whole numbers from 1, not 1.5"),
        ({"boxes": {"a": [1, 2, 3, 4]}}, "whole numbers from 1, not 'a'"),
        ({"boxes": [[1, 2, 3, 4]], "box_format": "yx"}, "no box format 'yx'; choose one of xyxy"),
        ({"points": {1: [[0, 1, 2], [0, 3, 4]]}}, "points of object 1 must be rows of x, y"),
        ({"points": [[np.nan, 1]]}, "NaN"),
        ({"boxes": "nowhere.csv"}, "nowhere"),
    ],
)
def test_wrong_prompts_are_a_sentence(arguments, words: str) -> None:
    with pytest.raises((ValueError, OSError), match=words):
        segment(np.zeros((9, 9)), **arguments, predictor=FakePredictor())


@pytest.mark.parametrize("image", [np.zeros((4, 5, 6)), np.array([["a"]]), np.zeros((0, 3))])
def test_wrong_images_are_a_sentence(image) -> None:
    with pytest.raises(ValueError, match="image"):
        segment(image, boxes=[[0, 0, 1, 1]], predictor=FakePredictor())


# --- records ---


@pytest.mark.parametrize("kind", ["uint8", "uint16", "bool", "float32", "rgb", "rgba"])
def test_the_saved_prompts_of_a_script_give_its_labels_again(kind: str, tmp_path) -> None:
    """Bit for bit, also where masks lie over each other."""
    grey = coins()[0][0]
    image = {
        "bool": grey > 120, "rgb": np.stack([grey, grey // 2, grey], -1),
        "rgba": np.stack([grey, grey // 2, grey, np.roll(grey, 9, 0)], -1),
    }.get(kind)  # fmt: skip
    image = grey.astype(kind) if image is None else image
    boxes = [*COIN_BOXES[:4], *np.add(COIN_BOXES[:4], (-30, -20, 25, 30))]
    prompts = prompts_of(grey.shape, boxes, {3: [[200, 200]]})
    record = record_of("coins", grey.shape, image.dtype, prompts, ModelChoice("nano"))
    write_record(tmp_path / "p.json", record)
    labels = segment(image, prompts=prompts, device="cpu")
    assert len(np.unique(labels)) > 6
    np.testing.assert_array_equal(replay(image, tmp_path / "p.json", device="cpu"), labels)


@pytest.mark.parametrize(
    "shape", [(40, 60), (1, 40, 60), (1, 1, 40, 60), (40, 60, 1), (1, 40, 60, 3)]
)
def test_axes_of_one_place_are_left_out_of_saved_prompts_as_of_the_image(shape, fake) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    prompts = prompts_of((40, 60), [[5, 6, 20, 22]])
    record = record_of("cells", (40, 60), image.dtype, prompts, ModelChoice("nano"))
    np.testing.assert_array_equal(
        replay(image, record), segment(image, prompts=prompts, predictor=fake)
    )


def test_steps_are_done_as_they_were(fake) -> None:
    def asked(*clicks: tuple[int, list[tuple[float, float]]]) -> PromptBatch:
        return PromptBatch(tuple(Prompt.of(number, points) for number, points in clicks))

    steps = (
        Predict(FLAT, asked((1, [(10, 10)]), (2, [(40, 20)]))),
        Choose(FLAT, 1, 2),
        Predict(FLAT, asked((3, [(25, 30)]))),
        Accept((1,)),
        Predict(FLAT, asked((2, [(40, 20), (44, 20)]))),
        Remove((3,), FLAT),
    )
    labels = replay(np.zeros((40, 60)), Record("x", (40, 60), steps))
    assert set(np.unique(labels)) == {0, 1, 2}
    assert (labels == 1).sum() > 500  # three radii: the third candidate
    assert fake.batches[-1].objects == (2,)
    assert fake.batches[-1][0].mask is not None  # refined from its last mask
    assert len(fake.batches) == 3


def test_a_stack_has_each_plane_predicted_in_its_place(fake) -> None:
    planes = [Plane((1, 2), (z, None, None), (40, 60)) for z in range(3)]
    asks = [PromptBatch((Prompt.of(z + 1, [[20, 20 + z]]),)) for z in range(3)]
    steps = tuple(Predict(planes[z], asks[z]) for z in (2, 0))
    labels = replay(np.zeros((3, 40, 60), np.uint16), Record("x", (3, 40, 60), steps))
    assert [set(np.unique(plane)) for plane in labels] == [{0, 1}, {0}, {0, 3}]


def test_of_labels_that_may_be_others_than_then_there_is_a_warning(fake, monkeypatch) -> None:
    class Shorter(Replay):
        def start(self) -> None:
            self.differs = "Less was there to follow than then."
            super().start()

    monkeypatch.setattr("napari_samv2_prompts.scripting.Replay", Shorter)
    with pytest.warns(UserWarning, match="Less was there to follow"):
        replay(np.zeros((40, 60)), Record("x", (40, 60), ()))


def test_a_record_of_another_image_is_refused(fake) -> None:
    record = Record("x", (40, 60), ())
    with pytest.raises(ValueError, match="40 x 60"):
        replay(np.zeros((41, 60)), record)


def test_weights_that_a_record_names_are_opened_only_when_they_are_given(
    tmp_path, monkeypatch
) -> None:
    asked = []

    def make(device: str, choice: ModelChoice, task: object) -> FakePredictor:
        asked.append(choice.checkpoint)
        return FakePredictor()

    monkeypatch.setattr(scripting, "_make_predictor", make)
    named, mine = tmp_path / "named.pt", tmp_path / "mine.pt"
    named.touch()
    prompts = prompts_of((40, 60), points=[[10, 10]])
    record = record_of("x", (40, 60), np.dtype("u1"), prompts, ModelChoice(None, named))
    write_record(tmp_path / "p.json", record)
    assert str(tmp_path) not in (tmp_path / "p.json").read_text()
    for source in (tmp_path / "p.json", record):
        with pytest.raises(ValueError, match=r"named\.pt.*checkpoint"):
            replay(np.zeros((40, 60)), source)
    assert asked == []
    for checkpoint, opened in ((mine, mine), (tmp_path, named)):
        labels = replay(np.zeros((40, 60)), tmp_path / "p.json", checkpoint=checkpoint)
        assert set(np.unique(labels)) == {0, 1}
        assert asked.pop() == opened


@pytest.mark.parametrize(
    "path", ["/home/me/w.pt", "C:\\\\mine\\\\w.pt", "../../w.pt", "w.pt", "//share/x/w.pt"]
)
def test_of_a_path_in_a_record_only_the_last_part_is_read(tmp_path, path: str) -> None:
    prompts = prompts_of((40, 60), points=[[10, 10]])
    record = record_of("x", (40, 60), np.dtype("u1"), prompts, ModelChoice(None, Path("NAME")))
    write_record(tmp_path / "p.json", record)
    text = (tmp_path / "p.json").read_text()
    (tmp_path / "p.json").write_text(text.replace("NAME", path))
    record = read_record(tmp_path / "p.json")
    assert own_weights(record) == ("w.pt",)
    assert record.model == ModelChoice(None, Path("w.pt"))
    (tmp_path / "p.json").write_text(text.replace("NAME", "/"))
    with pytest.raises(ValueError, match="damaged"):
        read_record(tmp_path / "p.json")


def test_several_weights_are_found_in_the_folder_that_is_given(tmp_path) -> None:
    asks = PromptBatch((Prompt.of(1, [[10, 10]]),))
    models = [ModelChoice(None, Path(f"/a/{name}.pt")) for name in "xyx"]
    steps = (*(Predict(FLAT, asks, model=model) for model in models), Predict(FLAT, asks))
    record = Record("x", (40, 60), steps)
    (tmp_path / "x.pt").touch()
    with pytest.raises(ValueError, match=r"own, y\.pt,"):
        with_weights(record, tmp_path)
    with pytest.raises(ValueError, match=r"own, x\.pt, y\.pt,"):
        with_weights(record, tmp_path / "x.pt")  # which of the two would it be?
    (tmp_path / "y.pt").touch()
    found = [step.model for step in with_weights(record, tmp_path).steps]
    assert found == [*(ModelChoice(None, tmp_path / f"{n}.pt") for n in "xyx"), ModelChoice()]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON"),
        ("[]", "not a file of prompts"),
        ('{"format": "geojson"}', "not a file of prompts"),
        ('{"format": "napari-samv2-prompts", "version": 9}', "update"),
        ('{"format": "napari-samv2-prompts", "version": 1}', "damaged"),
    ],
)
def test_other_files_are_refused_in_a_sentence(tmp_path, content: str, words: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_record(path)
    assert "p.json" in str(caught.value)


@pytest.mark.parametrize(
    "plane",
    [Plane((0, 1), (None, None), (9, 9)), Plane((1, 2), (0, None, None), (40, 60))],
)
def test_planes_that_the_image_does_not_have_are_refused(tmp_path, plane: Plane) -> None:
    step = Predict(plane, PromptBatch((Prompt.of(1, [[1, 1]]),)))
    write_record(tmp_path / "p.json", Record("x", (40, 60), (step,)))
    with pytest.raises(ValueError, match="plane"):
        read_record(tmp_path / "p.json")


def test_prompts_that_are_none_are_refused(tmp_path) -> None:
    step = Predict(FLAT, PromptBatch((Prompt.of(1, [[1, 1]]),)))
    write_record(tmp_path / "p.json", Record("x", (40, 60), (step,)))
    text = (tmp_path / "p.json").read_text()
    assert '"labels":[1]' in text
    (tmp_path / "p.json").write_text(text.replace('"labels":[1]', '"labels":[7]'))
    with pytest.raises(ValueError, match="damaged"):
        read_record(tmp_path / "p.json")


numbers = st.floats(-50, 500)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(numbers, numbers, st.integers(0, 1)), max_size=4),
    st.none() | st.tuples(numbers, numbers).map(lambda xy: (*xy, xy[0] + 3, xy[1] + 7)),
    st.booleans(),
)
def test_a_prompt_is_the_same_after_its_file(tmp_path_factory, clicks, box, masked) -> None:
    mask = np.random.default_rng(0).normal(size=(16, 16)).astype(np.float32) if masked else None
    prompt = Prompt.of(3, [c[:2] for c in clicks], [c[2] for c in clicks], box, mask)
    path = tmp_path_factory.getbasetemp() / "prompt.json"
    step = Predict(FLAT, PromptBatch((prompt,)))
    write_record(path, Record("x", (40, 60), (step,)))
    (back,) = read_record(path).steps[0].prompts
    assert back.points.tobytes() == prompt.points.tobytes()
    assert back.labels.tobytes() == prompt.labels.tobytes()
    assert (back.object, back.box) == (prompt.object, prompt.box)
    assert (back.mask is None) == (mask is None)
    if mask is not None:
        assert back.mask.tobytes() == mask.tobytes()


def test_a_file_that_was_changed_by_hand_says_where(tmp_path) -> None:
    path = tmp_path / "p.json"
    step = Predict(FLAT, PromptBatch((Prompt.of(1, [[2, 2]]),)))
    write_record(path, replace(Record("x", (40, 60), (step,)), image="y"))
    content = json.loads(path.read_text())
    content["steps"][0]["prompts"][0]["points"][0][1] = "three"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"steps\[0\].prompts\[0\].points\[0\]\[1\] .*'three'"):
        read_record(path)


def test_lists_of_numbers_are_pictures(tmp_path) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (20, 30))
    boxes = [[5, 5, 15, 15]]
    predictor = BoxPredictor()
    expected = segment(grey, boxes=boxes, predictor=predictor)
    np.testing.assert_array_equal(
        segment(grey.tolist(), boxes=boxes, predictor=predictor), expected
    )
    stack = [grey.astype(np.uint8).tolist()] * 2
    through = segment_stack(stack, boxes={1: (0, 5, 5, 15, 15)}, last=0, device="cpu")
    assert through.shape == (2, 20, 30)
    for wrong in ([[1, 2], [3]], ["abc"]):
        with pytest.raises(ValueError, match=r"The image (can't be made an array|has values)"):
            segment(wrong, boxes=boxes, predictor=predictor)
    with pytest.raises(ValueError, match="boxes can't be made an array"):
        segment(grey, boxes=[[1, 2, 3, 4], [5]], predictor=predictor)
    with pytest.raises(ValueError, match="points of object 3 can't be made an array"):
        segment(grey, points={3: [[1, 2], [5]]}, predictor=predictor)


def test_what_lies_beside_the_image_is_refused_as_in_tables() -> None:
    grey = np.zeros((20, 30), np.uint8)
    predictor = BoxPredictor()
    words = r"outside the image, which is 30 pixels wide and 20 high"
    for boxes in ([[100, 5, 120, 15]], {1: [5, -9, 9, -2]}, [[29.5, 5, 40, 9]]):
        with pytest.raises(ValueError, match=f"The box of object 1 lies {words}"):
            segment(grey, boxes=boxes, predictor=predictor)
    for points in ([[100, 5]], {1: [[5, 5], [5, 20]]}):
        with pytest.raises(ValueError, match=f"A point of object 1 lies {words}"):
            segment(grey, points=points, predictor=predictor)
    with pytest.raises(ValueError, match=f"The box of object 7 lies {words}"):
        segment_stack(grey[None], boxes={7: (0, 100, 5, 120, 15)}, predictor=predictor)
    with pytest.raises(ValueError, match=f"A point of object 7 lies {words}"):
        segment_stack(grey[None], points={7: (0, 5, 20)}, predictor=predictor)


def test_prompts_are_a_batch_or_a_list_and_nothing_beside_them() -> None:
    grey = np.zeros((20, 30), np.uint8)
    prompt = Prompt.of(4, box=[5, 5, 15, 15])
    for prompts in ([prompt], PromptBatch((prompt,))):
        assert segment(grey, prompts=prompts, predictor=BoxPredictor()).max() == 4
    with pytest.raises(ValueError, match="not both"):
        segment(grey, prompts=[prompt], boxes=[[1, 2, 3, 4]], predictor=BoxPredictor())
