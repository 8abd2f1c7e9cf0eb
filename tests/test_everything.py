"""All objects of a picture: from scripts and from the command line."""

from __future__ import annotations

import json
from itertools import islice

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage.data import coins
from tests.remembering import OnlyOnce
from tests.samv2.small_networks import DRAWN
from tifffile import imread
from training.unseen import coin_labels

from napari_samv2_prompts import segment_all
from napari_samv2_prompts.candidates import Candidate, Candidates, Selection
from napari_samv2_prompts.cli import main
from napari_samv2_prompts.everything import candidates_in, joined, labels_from
from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, build_samv2
from napari_samv2_prompts.samv2.find_all import Search, find_all, is_ground
from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.tiles import tiles_of


def discs(shape: tuple[int, int], step: int = 40, radius: int = 11, seed: int = 0) -> np.ndarray:
    """Bright discs on a dark, noisy ground, numbered."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, int)
    y, x = np.mgrid[: shape[0], : shape[1]]
    centres = [
        (cy + rng.integers(-4, 5), cx + rng.integers(-4, 5))
        for cy in range(step // 2, shape[0] - step // 2 + 1, step)
        for cx in range(step // 2, shape[1] - step // 2 + 1, step)
    ]
    for number, (cy, cx) in enumerate(centres, 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = number
    return labels


def picture_of(labels: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    smooth = ndimage.gaussian_filter(np.where(labels > 0, 170.0, 40.0), 1)
    return (smooth + rng.normal(0, 6, labels.shape)).clip(0, 255).astype(np.uint8)


def found_once(found: np.ndarray, true: np.ndarray) -> float:
    """Return the share of true objects that exactly one label covers well."""
    good = 0
    for number in np.unique(true[true > 0]):
        mask = true == number
        values, counts = np.unique(found[mask], return_counts=True)
        hits = [
            value
            for value, count in zip(values, counts, strict=True)
            if value and count / (mask | (found == value)).sum() > 0.5
        ]
        good += len(hits) == 1 and (counts[values > 0] > 5).sum() == 1
    return good / true.max()


@pytest.fixture(scope="module")
def predictor() -> OnlyOnce:
    return OnlyOnce(device="cpu")


@pytest.fixture(scope="module")
def embedded_coins(predictor: OnlyOnce) -> Embedding:
    return predictor.embed(coins())


def test_discs_are_found(predictor: OnlyOnce) -> None:
    true = discs((160, 200))
    found = segment_all(picture_of(true), predictor=predictor)
    assert found.shape == true.shape
    assert found_once(found, true) >= 0.9
    assert abs(int(found.max()) - true.max()) <= 2


def test_known_labels_stay_and_are_not_proposed_again(predictor: OnlyOnce) -> None:
    true = discs((160, 200))
    known = np.where(true <= 10, true, 0)
    found = segment_all(picture_of(true), labels=known, predictor=predictor)
    assert (found[known > 0] == known[known > 0]).all()
    assert set(np.unique(found[(true > 0) & (true <= 10)])) <= set(range(11))
    assert found.max() > 15


def test_labels_of_another_picture_are_refused(predictor: OnlyOnce) -> None:
    with pytest.raises(ValueError, match="give the labels of this picture"):
        segment_all(np.zeros((20, 30), np.uint8), labels=np.zeros((20, 31), int))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": np.full((20, 30), -1)}, "below 0"),
        ({"order": "largest"}, "no order 'largest'; choose one of best, wholes, parts"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments, words, predictor: OnlyOnce) -> None:
    with pytest.raises(ValueError, match=words):
        segment_all(np.zeros((20, 30), np.uint8), predictor=predictor, **arguments)


def test_most_clicks_are_saved(predictor: OnlyOnce) -> None:
    embedding = predictor.embed(picture_of(discs((160, 200))))
    asked = 0
    decode = predictor.decode

    def counting(embedding, batch, *args):
        nonlocal asked
        asked += len(batch)
        return decode(embedding, batch, *args)

    predictor.decode = counting
    try:
        list(find_all(predictor, embedding, Search()))
    finally:
        del predictor.decode
    assert 20 <= asked < 300


def test_an_example_leads_to_its_like(predictor: OnlyOnce) -> None:
    true = discs((160, 200))
    true[true == 3] = 0
    image = picture_of(true)
    image[:, :60] = 0  # nothing to be found there
    rows, columns = np.nonzero(true == 9)
    top, left = rows.min(), columns.min()
    crop = MaskCrop(top, left, (true == 9)[top : rows.max() + 1, left : columns.max() + 1])
    points = [
        candidate.point
        for chunk in find_all(predictor, predictor.embed(image), Search(), example=crop)
        for candidate in chunk
    ]
    on_objects = [true[round(y), round(x)] > 0 for x, y in points]
    assert len(points) > 8
    assert np.mean(on_objects) > 0.8


def test_each_object_of_a_large_picture_is_found_once(predictor: OnlyOnce) -> None:
    true = discs((160, 230), step=34, radius=9)
    image = picture_of(true)
    parts = [
        (
            t,
            candidates_in(
                predictor,
                image[t.region.top : t.region.bottom, t.region.left : t.region.right],
                t,
                Selection(),
            ),
        )
        for t in tiles_of(image.shape, 150, 40)
    ]
    assert len(parts) == 2
    kept = joined(parts, Selection().max_overlap)
    found = labels_from([item for part in kept for item in part], image.shape)
    assert found_once(found, true) >= 0.9
    assert abs(int(found.max()) - true.max()) <= 3


def test_smaller_objects_lie_over_larger_ones_and_known_ones_over_all() -> None:
    def item(top: int, side: int) -> Candidate:
        return Candidate(MaskCrop(top, top, np.ones((side, side), bool)), (0, 0), 0.9, 0.9, side**2)

    known = np.zeros((8, 8), int)
    known[3, 3] = 7
    labels = labels_from([item(2, 3), item(1, 6)], (8, 8), known)
    assert labels[3, 3] == 7
    assert labels[2, 2] == 8
    assert labels[5, 5] == 9


def test_a_folder_from_the_command_line(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("napari_samv2_prompts.samv2.SAMV2ImagePredictor", OnlyOnce)
    true = discs((120, 120))
    for name in ("a", "b"):
        Image.fromarray(picture_of(true)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    coco = tmp_path / "all.json"
    command = ["segment", str(tmp_path), "--all", "--coco", str(coco), "--device", "cpu"]
    assert main(command) == 1  # one is left out
    first = imread(tmp_path / "labels" / "a.labels.tif")
    assert found_once(first, true) >= 0.85
    listed = json.loads(coco.read_text())
    assert len(listed["annotations"]) >= 2 * first.max() - 2
    assert all(0.6 <= one["score"] <= 1.1 for one in listed["annotations"])
    capsys.readouterr()
    assert main(command) == 1
    assert "2 done before, 1 left out" in capsys.readouterr().out


def test_paths_are_told_as_they_were_typed(tmp_path, capsys, monkeypatch) -> None:
    small = SAMV2ImagePredictor(build_samv2(DRAWN), device="cpu")
    monkeypatch.setattr("napari_samv2_prompts.cli.segment_all.predictor", lambda options: small)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture_of(discs((40, 40)))).save("a.png")
    assert main(["segment", "a.png", "--all", "--device", "cpu"]) == 0
    assert "Labels: a.labels.tif" in capsys.readouterr().out.splitlines()
    assert main(["segment", "b.png", "--all", "--device", "cpu"]) == 1
    assert "There is no file b.png." in capsys.readouterr().err


def test_prompts_and_all_together_are_refused(tmp_path, capsys) -> None:
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(tmp_path / "a.png")
    table = tmp_path / "a.csv"
    table.write_text("object,x,y\n")
    assert main(["segment", str(tmp_path / "a.png"), "--all", "--points", str(table)]) == 1
    assert "--points is not for --all: leave it out" in capsys.readouterr().err


def test_what_lies_along_the_edge_is_the_ground_and_what_is_cut_by_it_an_object() -> None:
    y, x = np.mgrid[:200, :300]
    frame = (y < 20) | (y >= 180) | (x < 20) | (x >= 280)
    half_a_frame = (y < 20) | (x >= 280)
    cut = (y - 100) ** 2 + x**2 < 90**2  # along 180 of 1000 pixels of the edge
    seen = [is_ground(cropped(mask), (200, 300)) for mask in (frame, half_a_frame, cut)]
    assert seen == [True, True, False]


def test_one_large_thing_is_found_too(predictor: OnlyOnce) -> None:
    y, x = np.mgrid[:300, :300]
    true = ((y - 150) ** 2 + (x - 150) ** 2 < 120**2).astype(int)
    found = segment_all(picture_of(true), min_area=20_000, predictor=predictor)
    assert found_once(found, true) == 1


def test_things_of_half_a_window_are_found_whole(predictor: OnlyOnce) -> None:
    """The finest view alone finds half of these coins, and pieces of others."""
    found = segment_all(coins(), predictor=predictor)
    assert found_once(found, coin_labels()) >= 0.85


def test_a_search_that_was_interrupted_goes_on_with_the_copies_that_it_had_chosen(
    predictor: OnlyOnce, embedded_coins: Embedding
) -> None:
    embedding, search = embedded_coins, Search()
    chunks = find_all(predictor, embedding, search)
    known = [candidate for chunk in islice(chunks, 4) for candidate in chunk]
    candidates = Candidates(known)
    for chunk in find_all(predictor, embedding, search, known=known):
        candidates.extend(chunk)
    found = np.zeros(coins().shape, int)
    for number, index in enumerate(candidates.select(search.selection), 1):
        crop = candidates[index].crop
        top, left, bottom, right = crop.box
        found[top:bottom, left:right][crop.mask] = number
    assert found_once(found, coin_labels()) >= 0.85


def test_no_more_clicks_are_made_than_allowed(
    predictor: OnlyOnce, embedded_coins: Embedding
) -> None:
    search = Search(max_points=96)
    clicks: set[tuple[float, float]] = set()
    for chunk in find_all(predictor, embedded_coins, search):
        clicks |= {candidate.point for candidate in chunk}
    assert len(clicks) <= 96


def test_a_click_sees_all_copies_after_a_search_of_the_finest(
    predictor: OnlyOnce,
) -> None:
    y, x = np.mgrid[:300, :300]
    large = ((y - 150) ** 2 + (x - 150) ** 2 < 120**2).astype(int)
    predictor = predictor.real  # which remembers nothing
    embedding = predictor.embed(picture_of(large))
    click = PromptBatch((Prompt.of(1, [[150, 150]]),))
    before = predictor.decode(embedding, click)[0].low_res_logits
    fine = predictor.decode(embedding.finest(), click)[0].low_res_logits
    after = predictor.decode(embedding, click)[0].low_res_logits
    assert not np.array_equal(before, fine)
    np.testing.assert_array_equal(before, after)
