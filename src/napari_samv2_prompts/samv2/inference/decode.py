"""Decode a ragged batch of prompts against one embedding.

Prompts with the same number of points and the same kind of dense prompt run through the network
together: padding them to one length would change the answer, since padding tokens are attended to
like any other.  Here arrays become tensors and tensors arrays; what they mean is in
``image_predictor.py``.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from napari_samv2_prompts.prompts import Prompt
from napari_samv2_prompts.samv2.device import DeviceChoice, in_chunks
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded, choose_single
from napari_samv2_prompts.samv2.modeling.network import ImageFeatures, PreparedImage, SAMV2Network
from napari_samv2_prompts.samv2.modeling.point_labels import BOX_END, BOX_START
from napari_samv2_prompts.samv2.nano.decode import Asked, decode_on_levels
from napari_samv2_prompts.samv2.nano.features import NanoFeatures
from napari_samv2_prompts.samv2.nano.network import NanoNetwork, PromptDecoder

from .cuda_graphs import GraphedCallable
from .embedding import Embedding
from .low_res import LOGIT_LIMIT, LowResMasks
from .played_nano import PlayedNano

if TYPE_CHECKING:
    from numpy.typing import NDArray

Decode = Callable[[PreparedImage, Tensor, Tensor, Tensor | None], Decoded]
"""As :meth:`.SAMV2Network.decode_prompts`."""

# Low-res cells decoded at a time.  A CPU is fastest while what it works on stays in its cache and
# in memory it has already: 4 prompts at the published input size.  A GPU wants as many as fit.
_CELLS_AT_ONCE = 2**18
_CELLS_AT_ONCE_GPU = 2**22
_FEW = 4  # prompts of which a GPU takes less time than Python


class _Prepared(NamedTuple):
    """An image as the decoder takes it, its smaller copies and its pixels."""

    image: PreparedImage
    coarser: tuple[ImageFeatures, ...]
    pixels: Tensor | None


class Decoder:
    """Decodes prompts with one network, as its device does it fastest.

    - `choice`: where the network is
    """

    def __init__(self, network: SAMV2Network, choice: DeviceChoice) -> None:
        self._network = network
        self._choice = choice
        self._graphed: Decode | None = None
        self._nano: PromptDecoder | None = None
        if isinstance(network, NanoNetwork):
            self._nano = PlayedNano(network) if choice.device.type == "cuda" else network
        elif choice.device.type == "cuda":
            self._graphed = GraphedCallable[Decoded](network.decode_prompts, keep=8)
        self._last: tuple[Embedding, _Prepared] | None = None

    def forget(self) -> None:
        """Give up what is kept of the image that was decoded last."""
        self._last = None

    def __call__(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        multimask: Sequence[bool],
        threshold: float = 0.0,
        *,
        clip_boxes: bool = False,
    ) -> list[LowResMasks]:
        """Decode prompts, each with three candidates or one.

        - `prompts`: checked by :func:`.check_masks`
        - `multimask`: per prompt: three candidates, or the single best mask
        - `threshold`: logit above which a cell is in the mask
        - `clip_boxes`: whether the parts of boxes that lie beside the image are left out
        """
        prepared = self._prepared(embedding)
        groups: dict[tuple[int, bool], list[int]] = defaultdict(list)
        for row, prompt in enumerate(prompts):
            groups[prompt.n_tokens, prompt.mask is not None].append(row)
        results: list[LowResMasks | None] = [None] * len(prompts)
        for rows in groups.values():

            def work(part: slice, rows: list[int] = rows) -> None:
                chosen = rows[part]
                arrays = _Arrays.of([prompts[r] for r in chosen], embedding, clip_boxes)
                multi = [multimask[r] for r in chosen]
                masks = self._decode_alike(prepared, arrays, multi, threshold)
                for row, mask in zip(chosen, masks, strict=True):
                    results[row] = mask

            in_chunks(work, len(rows), self._at_once(embedding), self._choice.device)
        return [result for result in results if result is not None]

    def _prepared(self, embedding: Embedding) -> _Prepared:
        """Bring an embedding to the decoder's device and number type; the last one is kept.

        Where the encoder computes in bfloat16, so do the decoder's products of image cells.
        float16 would not hold every sum, and the small model's decoder is quick anyway.
        """
        last = self._last  # another thread may decode another embedding meanwhile
        if last is None or not _same(last[0], embedding):
            self._last = last = None  # never two of them in memory
            dtype = self._network.no_mem_embed.dtype
            features, *coarser = (
                level.to(device=self._choice.device, dtype=dtype) for level in embedding.levels
            )
            if self._choice.dtype == torch.bfloat16 and self._nano is None:
                half = features.embedding.to(self._choice.dtype)
                features = replace(features, embedding=half)
            pixels = embedding.pixels
            if pixels is not None:
                pixels = pixels.to(self._choice.device)
            ready = _Prepared(self._network.prepare(features), tuple(coarser), pixels)
            last = embedding, ready
            self._last = last
        return last[1]

    def _at_once(self, embedding: Embedding) -> int:
        """Return how many prompts are decoded at a time."""
        side = embedding.logits_size
        if self._nano is not None:
            side = self._nano.variant.window // 4
        cells = _CELLS_AT_ONCE if self._choice.device.type == "cpu" else _CELLS_AT_ONCE_GPU
        return max(1, cells // side**2)

    def _decode_alike(
        self, prepared: _Prepared, arrays: _Arrays, multimask: Sequence[bool], threshold: float
    ) -> list[LowResMasks]:
        """Decode prompts of one kind: the same number of points, all with a mask or none."""
        image = prepared.image
        tensors = arrays.on(image.position.device)
        if self._nano is None:
            work: Decode = self._network.decode_prompts
            if self._graphed is not None and len(multimask) <= _FEW:
                work = self._graphed
            return _to_arrays(work(image, *tensors), multimask)
        levels = [
            level
            for level in (image.features, *prepared.coarser)
            if isinstance(level, NanoFeatures)
        ]
        asked = Asked(*tensors, multimask, threshold, -LOGIT_LIMIT)
        offered = decode_on_levels(self._nano, levels, asked, prepared.pixels)
        return [
            LowResMasks(
                one.logits.float().cpu().numpy(),
                one.scores.float().cpu().numpy(),
                float(one.object_logit),
                one.logits.float() if one.logits.is_cuda else None,
                None if one.finer is None else one.finer.float().cpu().numpy(),
            )
            for one in offered
        ]


def _same(one: Embedding, other: Embedding) -> bool:
    """Tell whether these have the same features, as many levels of them, and the same pixels."""
    alike = len(one.levels) == len(other.levels) and one.pixels is other.pixels
    return alike and all(map(operator.is_, one.levels, other.levels))


class _Arrays(NamedTuple):
    """Prompts of one kind as the network takes them, in pixels of its input."""

    coords: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.float32] | None

    @classmethod
    def of(cls, prompts: Sequence[Prompt], embedding: Embedding, clip_boxes: bool) -> _Arrays:
        count = prompts[0].n_tokens  # the same for all
        coords = np.empty((len(prompts), count, 2), np.float32)
        labels = np.empty((len(prompts), count), np.int64)
        for row, prompt in enumerate(prompts):
            first = count - len(prompt.points)  # the corners of the box lie before the clicks
            if prompt.box is not None:
                coords[row, :first] = np.reshape(prompt.box, (2, 2))
                labels[row, :first] = BOX_START, BOX_END
            coords[row, first:] = prompt.points
            labels[row, first:] = prompt.labels
        height, width = embedding.image_size
        size = np.array((width, height), dtype=np.float32)
        if clip_boxes:
            is_corner = (labels >= BOX_START)[..., None]
            coords = np.where(is_corner, np.clip(coords, 0, size), coords)
        masks = [prompt.mask for prompt in prompts if prompt.mask is not None]
        return cls(
            (coords * (embedding.input_size / size)).astype(np.float32),
            labels,
            np.stack(masks)[:, None] if masks else None,
        )

    def on(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor | None]:
        coords, labels = (torch.from_numpy(part).to(device) for part in (self.coords, self.labels))
        return (
            coords,
            labels,
            None if self.masks is None else torch.from_numpy(self.masks).to(device),
        )


def _to_arrays(decoded: Decoded, multimask: Sequence[bool]) -> list[LowResMasks]:
    """Choose each prompt's candidates and bring them to the CPU."""
    kinds = {}
    if any(multimask):
        kinds[True] = Decoded(decoded.logits[:, 1:], decoded.scores[:, 1:], decoded.object_logits)
    if not all(multimask):
        kinds[False] = choose_single(decoded)
    there = {multi: part.logits.float() for multi, part in kinds.items()}
    # Whole tensors: each time that a GPU is waited for takes as long as a prompt.
    here = {multi: [t.float().cpu().numpy() for t in part[:3]] for multi, part in kinds.items()}
    return [
        LowResMasks(
            here[multi][0][row],
            here[multi][1][row],
            float(here[multi][2][row]),
            there[multi][row] if decoded.logits.is_cuda else None,
        )
        for row, multi in enumerate(multimask)
    ]
