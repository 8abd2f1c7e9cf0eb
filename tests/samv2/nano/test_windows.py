"""A window holds what is prompted, grows until a mask has room, and changes no answer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.samv2 import build_samv2
from napari_samv2_prompts.samv2.modeling.cells import from_cells, to_cells
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded
from napari_samv2_prompts.samv2.nano.config import NanoVariant
from napari_samv2_prompts.samv2.nano.features import NanoFeatures
from napari_samv2_prompts.samv2.nano.mask_scores import with_agreement
from napari_samv2_prompts.samv2.nano.network import NanoNetwork
from napari_samv2_prompts.samv2.nano.window_decoding import decode_in_windows
from napari_samv2_prompts.samv2.weights.variants import find_variant

SIDE, CELLS = 512, 128
OWN = NanoVariant(
    "own", "own", 16, 1, (1, 1, 2, 1), (3,), (4, 4, 4, 2), input_size=SIDE,
    width=32, decoder_heads=2, decoder_mlp=32, score_width=32,
    descriptors=2, window=128, refine_8=(1,), refine_4=(1,),
)  # fmt: skip
places = st.tuples(st.floats(0, SIDE - 1), st.floats(0, SIDE - 1))


def features_of_places() -> NanoFeatures:
    """Features whose every cell says where it lies in the low-res grid of the whole image."""
    y, x = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
    where = torch.stack([y, x], -1)[None].float()
    grid = SIDE // 16
    return NanoFeatures(
        where[:, ::4, ::4].permute(0, 3, 1, 2),
        to_cells(where, 2),
        to_cells(where[:, ::2, ::2], 1),
        where.permute(0, 3, 1, 2)[:, :, : 4 * grid, : 4 * grid],
    )


class DiscNetwork:
    """Answers with the part of a disc that the window sees, wherever the prompt is."""

    variant = OWN

    def __init__(self, row: float, column: float, radius: float) -> None:
        self.disc, self.sides = (row, column, radius), []

    def decode_prompts(
        self, image: NanoFeatures, coords: torch.Tensor, labels: torch.Tensor, mask: Any
    ) -> Decoded:
        row, column, radius = self.disc
        assert ((coords >= -0.5) & (coords <= 16 * image.embedding.shape[-1])).all()
        self.sides += [image.embedding.shape[-1]] * len(coords)
        distance = (image.descriptors - torch.tensor([row, column])[:, None, None]).norm(dim=1)
        logits = (radius - distance)[:, None].expand(-1, 4, -1, -1)
        return Decoded(logits, torch.full((len(coords), 4), 0.9), torch.ones(len(coords)))


def click(x: float, y: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([[[x, y]]], dtype=torch.float32), torch.tensor([[1]])


def pasted(answer: Any) -> torch.Tensor:
    whole = torch.full((CELLS, CELLS), -32.0)
    top, left, side = (4 * number for number in answer.window)
    whole[top : top + side, left : left + side] = answer.decoded.logits[0, 0]
    return whole


@given(st.tuples(st.floats(0, CELLS - 1), st.floats(0, CELLS - 1)), st.floats(2, 90), st.booleans())
def test_the_mask_of_a_click_is_whole_however_large(
    centre: tuple[float, float], radius: float, multi: bool
) -> None:
    network: Any = DiscNetwork(*centre, radius)
    coords, labels = click(centre[1] * 4, centre[0] * 4)
    (answer,) = decode_in_windows(network, features_of_places(), coords, labels, None, [multi])
    where = features_of_places().descriptors[0]
    true = (where - torch.tensor(centre)[:, None, None]).norm(dim=0) < radius
    assert torch.equal(pasted(answer) > 0, true)


def test_a_small_mask_is_decoded_once_in_the_smallest_window() -> None:
    network: Any = DiscNetwork(64, 64, 9)
    decode_in_windows(network, features_of_places(), *click(256, 256), None, [True])
    assert network.sides == [OWN.window // 16]


@given(st.lists(places, min_size=1, max_size=4), st.booleans(), st.data())
def test_a_window_holds_all_that_is_prompted(
    points: list[tuple[float, float]], boxed: bool, data: st.DataObject
) -> None:
    network: Any = DiscNetwork(-99, -99, 1)  # nothing found: windows stay as they are
    coords, labels = torch.tensor([points]), torch.ones(1, len(points), dtype=torch.int64)
    if boxed:
        corners = torch.tensor([data.draw(places), data.draw(places)]).sort(0).values
        coords = torch.cat([corners[None], coords], 1)
        labels = torch.cat([torch.tensor([[2, 3]]), labels], 1)
    logits = torch.full((1, 1, CELLS, CELLS), -5.0)
    row, column = data.draw(st.integers(0, CELLS - 1)), data.draw(st.integers(0, CELLS - 1))
    logits[0, 0, row, column] = 5.0
    (answer,) = decode_in_windows(network, features_of_places(), coords, labels, logits, [False])
    top, left, side = (16 * number for number in answer.window)
    assert 0 <= top <= top + side <= SIDE
    assert 0 <= left <= left + side <= SIDE
    said = torch.cat([coords[0], torch.tensor([[column * 4.0, row * 4.0]])])
    assert (said >= torch.tensor([left, top]) - 0.5).all()
    assert (said <= torch.tensor([left, top]) + side).all()


def test_a_box_never_asks_for_a_larger_window() -> None:
    network: Any = DiscNetwork(64, 64, 500)
    coords, labels = torch.tensor([[[200.0, 200.0], [230.0, 230.0]]]), torch.tensor([[2, 3]])
    decode_in_windows(network, features_of_places(), coords, labels, None, [False])
    assert len(network.sides) == 1


@pytest.fixture(scope="module")
def network() -> NanoNetwork:
    torch.manual_seed(5)
    return build_samv2(OWN)


def test_an_answer_is_that_of_an_image_that_ends_where_the_window_does(
    network: NanoNetwork,
) -> None:
    with torch.inference_mode():
        features = network.encode_image(torch.randn(1, 3, SIDE, SIDE))
        coords, labels = torch.tensor([[[240.0, 250.0], [270.0, 270.0]]]), torch.tensor([[2, 3]])
        (answer,) = decode_in_windows(network, features, coords, labels, None, [False])
        top, left, side = answer.window
        rows, columns = slice(top, top + side), slice(left, left + side)
        grid = (SIDE // 16, SIDE // 16)
        fine = from_cells(features.high_res_4, grid, 2)
        middle = from_cells(features.high_res_8, grid, 1)

        def part(x: torch.Tensor, scale: int) -> torch.Tensor:
            return x[:, scale * top : scale * (top + side), scale * left : scale * (left + side)]

        cut = NanoFeatures(
            features.embedding[:, :, rows, columns],
            to_cells(part(fine, 4), 2),
            to_cells(part(middle, 2), 1),
            part(features.descriptors.permute(0, 2, 3, 1), 4).permute(0, 3, 1, 2),
        )
        alone = network.decode_prompts(cut, coords - 16 * torch.tensor([left, top]), labels)
    logits = answer.decoded.logits
    dropped = logits == -4  # of a component that does not belong to the prompt
    torch.testing.assert_close(logits[~dropped], alone.logits[~dropped])
    assert (alone.logits[dropped] > 0).all()
    torch.testing.assert_close(answer.decoded.scores, with_agreement(alone.scores, logits > 0))


def test_answers_come_in_the_order_of_the_prompts_and_do_not_depend_on_each_other(
    network: NanoNetwork,
) -> None:
    torch.manual_seed(1)
    coords = torch.rand(7, 2, 2) * SIDE
    coords, labels = coords.sort(1).values, torch.tensor([[2, 3]] * 7)
    with torch.inference_mode():
        features = network.encode_image(torch.randn(1, 3, SIDE, SIDE))
        together = decode_in_windows(network, features, coords, labels, None, [False] * 7)
        for row, answer in enumerate(together):
            one = slice(row, row + 1)
            (alone,) = decode_in_windows(network, features, coords[one], labels[one], None, [False])
            assert answer.window == alone.window
            torch.testing.assert_close(answer.decoded.logits, alone.decoded.logits)


@pytest.mark.parametrize(
    ("shape", "side"), [((100, 60), 512), ((512, 512), 512), ((520, 696), 704), ((3000, 9), 1024)]
)
def test_large_images_get_a_larger_square(shape: tuple[int, int], side: int) -> None:
    assert find_variant("nano").side_for(*shape) == side
    assert find_variant("tiny").side_for(*shape) == 1024


def test_only_the_clicked_piece_stays_and_others_ask_for_no_room() -> None:
    class TwoDiscs(DiscNetwork):
        variant = OWN

        def decode_prompts(self, image: NanoFeatures, *prompts: Any) -> Decoded:
            decoded = super().decode_prompts(image, *prompts)
            edge = torch.where(image.descriptors[:, 1:] > 74, 5.0, -5.0)  # a band at the border
            return decoded._replace(logits=torch.maximum(decoded.logits, edge))

    network: Any = TwoDiscs(64, 64, 5)
    (answer,) = decode_in_windows(
        network, features_of_places(), *click(256, 256), None, [True], threshold=0.0
    )
    assert len(network.sides) == 1
    where = features_of_places().descriptors[0]
    true = (where - torch.tensor([64.0, 64.0])[:, None, None]).norm(dim=0) < 5
    assert torch.equal(pasted(answer) > 0, true)
