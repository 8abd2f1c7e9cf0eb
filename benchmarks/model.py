"""The model: embedding, one click, 64 boxes to masks, against ``transformers``' Sam2Model.

The peer has the same random weights, in float32, eager, as a script written to its documentation
would call it: the image becomes float pixels, masks are enlarged to the image and thresholded.
Its end product are masks as large as the image; ours are crops (``decode``, what the plugin works
with), and in a row of its own masks as large as the image (``predict``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from tests.samv2.modeling.transformers_twin import build_twin
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import Pair, pairs, wait
from benchmarks.pictures import N_BOXES, SIZE, boxes, picture
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, build_samv2
from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network

__all__ = [
    "against_compiled",
    "agreement",
    "compare",
    "nano_against_tiny",
    "random_network",
    "share_of_rate",
]


def random_network(name: str | Variant) -> SAMV2Network:
    """Build a network with the same random weights each time."""
    torch.manual_seed(0)
    return build_samv2(name)


@dataclass
class Ours:
    """What is measured of this package, by its values."""

    predictor: SAMV2ImagePredictor
    image: np.ndarray

    def embed(self) -> object:
        embedding = self.predictor.embed(self.image)
        wait(self.predictor.device)
        return embedding

    def click(self) -> Callable[[], object]:
        embedding = self.predictor.embed(self.image)
        batch = PromptBatch((Prompt.of(1, [[500, 375]]),))
        return lambda: self.predictor.decode(embedding, batch)

    def eight_clicks(self) -> Callable[[], object]:
        embedding = self.predictor.embed(self.image)
        places = boxes()[::8, :2] + np.array([60, 40])
        batches = [PromptBatch((Prompt.of(1, [place]),)) for place in places]
        return lambda: [self.predictor.decode(embedding, batch) for batch in batches]

    def boxes(self, count: int = N_BOXES) -> Callable[[], object]:
        embedding = self.predictor.embed(self.image)
        some = enumerate(boxes()[:count])
        batch = PromptBatch(tuple(Prompt.of(i, box=box) for i, box in some))
        return lambda: self.predictor.decode(embedding, batch)

    def full_masks(self) -> Callable[[], np.ndarray]:
        self.predictor.setimage(self.image)
        return lambda: self.predictor.predict(box=boxes(), multimask_output=False)[0]


class Theirs:
    """The same of the peer.

    Parameters
    ----------
    network, image, device
    compiled_by : str, optional
        What compiles it, as somebody would who wants it fast; it then computes in bfloat16.
    """

    def __init__(
        self,
        network: SAMV2Network,
        image: np.ndarray,
        device: torch.device,
        compiled_by: str | None = None,
    ) -> None:
        self.side = network.variant.input_size
        self.twin = build_twin(network, self.side)
        nn.Module.to(self.twin, device)
        self.half = compiled_by is not None
        if compiled_by is not None:
            self.twin.vision_encoder.compile(backend=compiled_by)
            self.twin.mask_decoder.compile(backend=compiled_by)
        self.image = image
        self.device = device
        self.scale = torch.tensor([self.side / SIZE[1], self.side / SIZE[0]], device=device)

    @torch.inference_mode()
    def embed(self) -> list[Tensor]:
        pixels = to_pixels(self.image, self.side, self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            embeddings = list(self.twin.get_image_embeddings(pixels))
        wait(self.device)
        return embeddings

    def on_device(self, numbers: ArrayLike) -> Tensor:
        return torch.as_tensor(np.asarray(numbers, np.float32), device=self.device)

    @torch.inference_mode()
    def _masks(self, embeddings: list[Tensor], multimask: bool, **prompts: Tensor) -> np.ndarray:
        given = {"image_embeddings": list(embeddings), "multimask_output": multimask, **prompts}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            output = self.twin(**given)
        full = F.interpolate(output.pred_masks[0], SIZE, mode="bilinear", align_corners=False)
        return (full > 0).cpu().numpy()

    def click(self) -> Callable[[], object]:
        embeddings = self.embed()
        points = (self.on_device([[500.0, 375.0]]) * self.scale)[None, None]
        labels = torch.ones(1, 1, 1, dtype=torch.long, device=self.device)
        return lambda: self._masks(embeddings, True, input_points=points, input_labels=labels)

    def boxes(self, count: int = N_BOXES) -> Callable[[], np.ndarray]:
        embeddings = self.embed()
        given = self.on_device(boxes()[:count]) * self.scale.repeat(2)
        return lambda: self._masks(embeddings, False, input_boxes=given[None])


def both(
    name: str | Variant, device: str, dtype: str = "auto", compiled_by: str | None = None
) -> tuple[Ours, Theirs]:
    """Make a published size and its twin, with the same weights on the same device."""
    image = picture()
    ours = Ours(SAMV2ImagePredictor(random_network(name), device=device, dtype=dtype), image)
    return ours, Theirs(random_network(name), image, ours.predictor.device, compiled_by)


def against_compiled(name: str | Variant, repeat: int, device: str, backend: str) -> list[Pair]:
    """Compare with the peer in bfloat16, compiled."""
    ours, theirs = both(name, device, compiled_by=backend)
    name = name if isinstance(name, str) else name.size
    how = "the peer in bfloat16, compiled"
    return [
        pairs(f"{name}, {how}: embed", ours.embed, theirs.embed, repeat),
        pairs(f"{name}, {how}: one click", ours.click(), theirs.click(), repeat),
        pairs(f"{name}, {how}: {N_BOXES} boxes", ours.boxes(), theirs.boxes(), repeat),
    ]


def compare(
    name: str | Variant, repeat: int, device: str = "cpu", dtype: str = "auto"
) -> list[Pair]:
    """Compare one published size with the peer."""
    ours, theirs = both(name, device, dtype)
    name = name if isinstance(name, str) else name.size
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


def agreement(name: str | Variant, device: str = "cpu", dtype: str = "auto") -> tuple[float, float]:
    """Return worst and median IoU of our masks of the boxes with the peer's.

    Candidate by candidate: random weights score them alike, so that which is best is chance.
    """
    mine, theirs = both(name, device, dtype)
    ours = mine.predictor
    ours.setimage(mine.image)
    embeddings = theirs.embed()
    ious = []
    for box in boxes()[::4]:
        masks = ours.predict(box=box)[0]
        given = theirs.on_device(box) * theirs.scale.repeat(2)
        peer = theirs._masks(embeddings, True, input_boxes=given[None, None])[0]
        ious += list((masks & peer).sum(axis=(1, 2)) / (masks | peer).sum(axis=(1, 2)))
    return float(np.min(ious)), float(np.median(ious))


def nano_against_tiny(
    repeat: int, device: str = "cpu", dtype: str = "auto", tiny_is: str | Variant = "tiny"
) -> list[Pair]:
    """Compare the bundled model with this package's own smallest published size."""
    image = picture()
    # Its own weights: with random ones a click's mask has no end, and its window grows for nothing.
    nano, tiny = (
        Ours(SAMV2ImagePredictor(network, device=device, dtype=dtype), image)
        for network in ("nano", random_network(tiny_is))
    )
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


def share_of_rate(name: str | Variant, device: str, side: int = 8192) -> float:
    """Return how much of a GPU's rate of bfloat16 products an encoder reaches, all in all.

    The rate is that of a product of two square matrices; what is counted of the encoder are its
    products.
    """
    predictor = SAMV2ImagePredictor(random_network(name), device=device)
    pixels = torch.rand(1, 3, *[predictor.variant.input_size] * 2, device=predictor.device)
    predictor._network.requires_grad_(False)  # counting looks for gradients
    with FlopCounterMode(display=False) as counter:
        predictor._network.encode_image(pixels)
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))

    def rate(work: Callable[[], object], products: float) -> float:
        times = []
        for _ in range(20):
            wait(predictor.device)
            start = time.perf_counter()
            work()
            wait(predictor.device)
            times.append(time.perf_counter() - start)
        return products / float(np.median(times))

    with torch.inference_mode():
        ours = rate(lambda: predictor._encoder(pixels, None), counter.get_total_flops())
        return ours / rate(lambda: a @ b, 2 * side**3)
