"""Decode a ragged batch of prompts against one embedding.

Prompts with the same number of points and the same kind of dense prompt run through the network
together: padding them to one length would change the answer, since padding tokens are attended to
like any other.  Here arrays become tensors and tensors arrays; what they mean is in
``image_predictor.py``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_samv2_prompts.prompts import MaskCrop, Prompt, PromptBatch
from napari_samv2_prompts.samv2.device import DeviceChoice, in_chunks
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded, choose_single
from napari_samv2_prompts.samv2.modeling.network import PreparedImage, SAMV2Network
from napari_samv2_prompts.samv2.nano.network import NanoFeatures, NanoNetwork
from napari_samv2_prompts.samv2.nano.windows import Window, decode_in_windows

from .cuda_graphs import GraphedCallable
from .embedding import Embedding
from .enlarge import crop_mask
from .gpu_crops import crop_mask_there

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "LOGIT_LIMIT",
    "Decode",
    "LowResMasks",
    "check_masks",
    "check_places",
    "decode_low_res",
    "decoder",
    "prepare",
]

Decode = Callable[[PreparedImage, Tensor, Tensor, Tensor | None], Decoded]
"""As :meth:`.SAMV2Network.decode_prompts`."""

LOGIT_LIMIT = 32.0
"""Low-res logits are clamped to this before they are given away, as published."""

# Low-res cells decoded at a time.  A CPU is fastest while what it works on stays in its cache and
# in memory it has already: 4 prompts at the published input size.  A GPU wants as many as fit.
_CELLS_AT_ONCE = 2**18
_CELLS_AT_ONCE_GPU = 2**22
_FEW = 4  # prompts of which a GPU takes less time than Python


@dataclass(frozen=True, slots=True, eq=False)
class LowResMasks:
    """The candidates of one prompt before they are enlarged.

    Attributes
    ----------
    logits : array of shape (C, S/4, S/4), float32
        As they come, not clamped.
    scores : array of shape (C,), float32
    object_score : float
    on_gpu : Tensor of shape (C, S/4, S/4), optional
        The same logits on the GPU that made them.
    cleaned : array of shape (C, S/4, S/4), float32, optional
        What masks are made of in place of the logits, where holes and sprinkles are removed.
    """

    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    object_score: float
    on_gpu: Tensor | None = None
    cleaned: NDArray[np.float32] | None = None

    @property
    def for_masks(self) -> NDArray[np.float32]:
        """The logits that masks are made of, ``(C, S/4, S/4)``."""
        return self.logits if self.cleaned is None else self.cleaned

    def crop(self, candidate: int, size: tuple[int, int], threshold: float) -> MaskCrop:
        """Enlarge a candidate to ``(height, width)`` and threshold it, where it is."""
        if self.on_gpu is None or self.cleaned is not None:
            return crop_mask(self.for_masks[candidate], size, threshold)
        return crop_mask_there(self.on_gpu[candidate], size, threshold)


def check_masks(prompts: Sequence[Prompt], side: int) -> None:
    """Refuse mask prompts that the network cannot take.

    Raises
    ------
    ValueError
        If a mask prompt is not of the size of the low-res logits, or covers a part of the image
        only.
    """
    for prompt in prompts:
        if prompt.mask_box is not None:
            raise ValueError("A mask prompt must cover the whole image that was embedded.")
        if prompt.mask is not None and prompt.mask.shape != (side, side):
            raise ValueError(
                f"A mask prompt must have the size of this model's low-res logits, {side} x "
                f"{side}, not {prompt.mask.shape}: pass logits that predict returned."
            )


def check_places(prompts: Sequence[Prompt], image_size: tuple[int, int]) -> None:
    """Refuse prompts that lie beside the image.

    The published predictor does neither: a prompt beside the image gets some answer.  A person who
    draws is better served by a sentence.

    Raises
    ------
    ValueError
        If a click lies outside the image, or a box has no part in it.
    """
    height, width = image_size
    for prompt in prompts:
        # Half a pixel beyond the last centre is still on the image; one more for rounding.
        x, y = prompt.points[:, 0], prompt.points[:, 1]
        outside = (x < -1) | (y < -1) | (x > width) | (y > height)
        if outside.any():
            x0, y0 = prompt.points[np.flatnonzero(outside)[0]]
            raise ValueError(
                f"The point ({x0:g}, {y0:g}) lies outside the image of {width} x {height} pixels; "
                "points are (x, y), with x counting columns."
            )
        if prompt.box is not None:
            left, top, right, bottom = prompt.box
            if right <= -0.5 or bottom <= -0.5 or left >= width or top >= height:
                raise ValueError(
                    f"The box {prompt.box} lies outside the image of {width} x {height} pixels; "
                    "boxes are x0, y0, x1, y1."
                )


def prepare(network: SAMV2Network, choice: DeviceChoice, embedding: Embedding) -> PreparedImage:
    """Bring an embedding to the device and number type of the decoder, ready for any prompt.

    Where the encoder computes in bfloat16, so do the decoder's products of image cells.  float16
    would not hold every sum, and the small model's decoder is quick anyway.
    """
    features = embedding.features.to(device=choice.device, dtype=network.no_mem_embed.dtype)
    if choice.dtype == torch.bfloat16 and not isinstance(network, NanoNetwork):
        features = replace(features, embedding=features.embedding.to(choice.dtype))
    return network.prepare(features)


def decoder(network: SAMV2Network, choice: DeviceChoice) -> Decode:
    """Return the network's decoder as its device does it fastest."""
    if choice.device.type != "cuda":
        return network.decode_prompts
    replayed = GraphedCallable[Decoded](network.decode_prompts, keep=8)

    def decode(
        image: PreparedImage, coords: Tensor, labels: Tensor, mask: Tensor | None
    ) -> Decoded:
        work = replayed if len(coords) <= _FEW else network.decode_prompts
        return work(image, coords, labels, mask)

    return decode


def decode_low_res(
    network: SAMV2Network,
    decode: Decode,
    choice: DeviceChoice,
    embedding: Embedding,
    image: PreparedImage,
    prompts: Sequence[Prompt],
    multimask: Sequence[bool],
    threshold: float = 0.0,
    *,
    clip_boxes: bool = False,
) -> list[LowResMasks]:
    """Decode prompts, each with three candidates or one.

    Parameters
    ----------
    network : SAMV2Network
    decode : callable
        Of :func:`decoder`.
    choice : DeviceChoice
        Where the network is.
    embedding : Embedding
    image : PreparedImage
        The same embedding as :func:`prepare` gave it.
    prompts : sequence of Prompt
        Checked by :func:`check_masks`.
    multimask : sequence of bool
        Per prompt: three candidates, or the single best mask.
    threshold : float
        Logit above which a cell is in the mask.
    clip_boxes : bool
        Whether the parts of boxes that lie beside the image are left out.
    """
    groups: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for row, prompt in enumerate(prompts):
        groups[prompt.n_tokens, prompt.mask is not None].append(row)
    cells = _CELLS_AT_ONCE if choice.device.type == "cpu" else _CELLS_AT_ONCE_GPU
    side = embedding.logits_size
    if isinstance(network, NanoNetwork):
        side = network.variant.window // 4
    chunk = max(1, cells // side**2)
    results: list[LowResMasks | None] = [None] * len(prompts)
    for rows in groups.values():

        def work(part: slice, rows: list[int] = rows) -> None:
            chosen = rows[part]
            items, multi = [prompts[r] for r in chosen], [multimask[r] for r in chosen]
            answers = _decode_group(
                network, decode, image, embedding, items, multi, threshold, clip_boxes
            )
            for row, answer in zip(chosen, answers, strict=True):
                results[row] = answer

        in_chunks(work, len(rows), chunk, choice.device)
    return [result for result in results if result is not None]


def _decode_group(
    network: SAMV2Network,
    decode: Decode,
    image: PreparedImage,
    embedding: Embedding,
    prompts: Sequence[Prompt],
    multimask: Sequence[bool],
    threshold: float,
    clip_boxes: bool,
) -> list[LowResMasks]:
    """Decode prompts of one kind: the same number of points, all with a mask or none."""
    device = image.position.device
    pixel_coords, point_labels = PromptBatch.padded(prompts, prompts[0].n_tokens)
    height, width = embedding.image_size
    size = np.array((width, height), dtype=np.float32)
    if clip_boxes:
        is_corner = (point_labels >= 2)[..., None]
        pixel_coords = np.where(is_corner, np.clip(pixel_coords, 0, size), pixel_coords)
    coords = torch.from_numpy((pixel_coords * (embedding.input_size / size)).astype(np.float32))
    coords, labels = coords.to(device), torch.from_numpy(point_labels).to(device)
    mask_input: Tensor | None = None
    if prompts[0].mask is not None:
        stacked = np.stack([prompt.mask for prompt in prompts if prompt.mask is not None])
        mask_input = torch.from_numpy(stacked)[:, None].to(device)
    if not isinstance(network, NanoNetwork):
        return _to_arrays(decode(image, coords, labels, mask_input), multimask)
    assert isinstance(image.features, NanoFeatures)
    answers = decode_in_windows(
        network, image.features, coords, labels, mask_input, multimask, threshold
    )
    results = []
    for (decoded, window), multi in zip(answers, multimask, strict=True):
        (part,) = _to_arrays(decoded, [multi])
        logits = _pasted(part.logits, window, embedding.logits_size)
        results.append(LowResMasks(logits, part.scores, part.object_score))
    return results


def _pasted(logits: NDArray[np.float32], window: Window, size: int) -> NDArray[np.float32]:
    """Put the logits ``(C, h, w)`` of a window in their place; surely nothing around them."""
    whole = np.full((len(logits), size, size), -LOGIT_LIMIT, np.float32)
    top, left, side = (4 * number for number in window)
    whole[:, top : top + side, left : left + side] = logits
    return whole


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
