"""The model: embedding, one click, 64 boxes to masks, against ``transformers``' Sam2Model.

The peer has the same random weights, in float32, eager, as a script written to its documentation
would call it: the image becomes float pixels, masks are enlarged to the image and thresholded.
Its end product are masks as large as the image; ours are crops (``decode``, what the plugin works
with), and in a row of its own masks as large as the image (``predict``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from tests.samv2.transformers_twin import build_twin
from torch import Tensor

from benchmarks.measure import Pair, pairs
from benchmarks.pictures import N_BOXES, SIZE, boxes, picture
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, build_samv2
from napari_samv2_prompts.samv2.network import SAMV2Network
from napari_samv2_prompts.samv2.preprocess import to_pixels

__all__ = ["compare", "nano_against_tiny", "random_network"]


def random_network(name: str) -> SAMV2Network:
    """Build a network with the same random weights each time."""
    torch.manual_seed(0)
    return build_samv2(name)


@dataclass
class Ours:
    """What is measured of this package, by its values."""

    predictor: SAMV2ImagePredictor
    image: np.ndarray

    def embed(self) -> object:
        return self.predictor.embed(self.image)

    def click(self) -> Callable[[], object]:
        embedding = self.predictor.embed(self.image)
        batch = PromptBatch((Prompt.of(1, [[500, 375]]),))
        return lambda: self.predictor.decode(embedding, batch)

    def eight_clicks(self) -> Callable[[], object]:
        embedding = self.predictor.embed(self.image)
        places = boxes()[::8, :2] + np.array([60, 40])
        batches = [PromptBatch((Prompt.of(1, [place]),)) for place in places]
        return lambda: [self.predictor.decode(embedding, batch) for batch in batches]

    def boxes(self) -> Callable[[], object]:
        embedding = self.predictor.embed(self.image)
        batch = PromptBatch(tuple(Prompt.of(i, box=box) for i, box in enumerate(boxes())))
        return lambda: self.predictor.decode(embedding, batch)

    def full_masks(self) -> Callable[[], np.ndarray]:
        self.predictor.setimage(self.image)
        return lambda: self.predictor.predict(box=boxes(), multimask_output=False)[0]


class Theirs:
    """The same of the peer."""

    def __init__(self, network: SAMV2Network, image: np.ndarray) -> None:
        self.side = network.variant.input_size
        self.twin = build_twin(network, self.side)
        self.image = image
        self.scale = torch.tensor([self.side / SIZE[1], self.side / SIZE[0]])

    @torch.inference_mode()
    def embed(self) -> list[Tensor]:
        pixels = to_pixels(self.image, self.side, torch.device("cpu"))
        return list(self.twin.get_image_embeddings(pixels))

    @torch.inference_mode()
    def _masks(self, embeddings: list[Tensor], multimask: bool, **prompts: Tensor) -> np.ndarray:
        output = self.twin(image_embeddings=list(embeddings), multimask_output=multimask, **prompts)
        full = F.interpolate(output.pred_masks[0], SIZE, mode="bilinear", align_corners=False)
        return (full > 0).numpy()

    def click(self) -> Callable[[], object]:
        embeddings = self.embed()
        points = (torch.tensor([[500.0, 375.0]]) * self.scale)[None, None]
        labels = torch.ones(1, 1, 1, dtype=torch.long)
        return lambda: self._masks(embeddings, True, input_points=points, input_labels=labels)

    def boxes(self) -> Callable[[], np.ndarray]:
        embeddings = self.embed()
        given = torch.from_numpy(boxes()).float() * self.scale.repeat(2)
        return lambda: self._masks(embeddings, False, input_boxes=given[None])


def compare(name: str, repeat: int) -> list[Pair]:
    """Compare one published size with the peer."""
    network, image = random_network(name), picture()
    theirs = Theirs(network, image)
    ours = Ours(SAMV2ImagePredictor(network), image)
    few = max(1, repeat // 2)
    rows = [
        pairs(f"{name}: embed", ours.embed, theirs.embed, repeat),
        pairs(f"{name}: one click", ours.click(), theirs.click(), repeat),
    ]
    peer = theirs.boxes()
    rows.append(pairs(f"{name}: {N_BOXES} boxes to masks", ours.boxes(), peer, few))
    whole = f"{name}: {N_BOXES} boxes to masks as large as the image"
    rows.append(pairs(whole, ours.full_masks(), peer, few))
    return rows


def agreement(name: str) -> tuple[float, float]:
    """Return worst and median IoU of our masks of the boxes with the peer's.

    Candidate by candidate: random weights score them alike, so that which is best is chance.
    """
    image = picture()
    ours, theirs = SAMV2ImagePredictor(random_network(name)), Theirs(random_network(name), image)
    ours.setimage(image)
    embeddings = theirs.embed()
    ious = []
    for box in boxes()[::4]:
        mine = ours.predict(box=box)[0]
        given = torch.from_numpy(box).float() * theirs.scale.repeat(2)
        peer = theirs._masks(embeddings, True, input_boxes=given[None, None])[0]
        ious += list((mine & peer).sum(axis=(1, 2)) / (mine | peer).sum(axis=(1, 2)))
    return float(np.min(ious)), float(np.median(ious))


def nano_against_tiny(repeat: int) -> list[Pair]:
    """Compare the bundled model with this package's own smallest published size."""
    image = picture()
    # Its own weights: with random ones a click's mask has no end, and its window grows for nothing.
    nano = Ours(SAMV2ImagePredictor("nano"), image)
    tiny = Ours(SAMV2ImagePredictor(random_network("tiny")), image)
    small = image[:512, :512]
    few = Ours(nano.predictor, small), Ours(tiny.predictor, small)
    return [
        pairs("nano, peer is our tiny: embed 512 x 512", few[0].embed, few[1].embed, repeat),
        pairs("nano, peer is our tiny: embed", nano.embed, tiny.embed, repeat),
        # A window grows with some masks: several places, one after the other.
        pairs(
            "nano, peer is our tiny: eight clicks", nano.eight_clicks(), tiny.eight_clicks(), repeat
        ),
        pairs(f"nano, peer is our tiny: {N_BOXES} boxes", nano.boxes(), tiny.boxes(), repeat),
    ]
