"""An object on one frame: prompted, given as a mask, or followed from what is remembered of it.

Values in, values out; what comes first and what next is up to the caller.  Semantics of the
published video predictor: a lone click and a followed object take the best of three masks, more
points and boxes the single one; an object whose score says it is absent has no mask and a pointer
of its own.

Not here: which frames are looked at (``memory.py``), films and corrections
(``video_predictor.py``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from napari_samv2_prompts.samv2.device import DeviceChoice, in_chunks
from napari_samv2_prompts.samv2.inference.cuda_graphs import GraphedCallable
from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.samv2.modeling import video_memory
from napari_samv2_prompts.samv2.modeling.network import ImageFeatures, SAMV2Network
from napari_samv2_prompts.samv2.modeling.point_labels import PAD
from napari_samv2_prompts.samv2.modeling.video_memory import MASK_LOGIT

from .memory import Memories, Memory
from .tracked import NO_OBJECT, Answers, Tracked, best_of_three, single

_OBJECTS_AT_ONCE = 4
_OBJECTS_AT_ONCE_GPU = 16
_KEEP = 24  # recordings on a GPU: memories and pointers grow in number through the first frames


class Tracker:
    """Follows objects with a network that has a memory.

    - `choice`: where the network is, and the number type of products
    """

    def __init__(self, network: SAMV2Network, choice: DeviceChoice) -> None:
        self._network = network
        self._choice = choice
        network.memory_attention.compute_in(choice.dtype)
        on_gpu = choice.device.type == "cuda"
        self._at_once = _OBJECTS_AT_ONCE_GPU if on_gpu else _OBJECTS_AT_ONCE
        self._step: Callable[..., Answers] = self._follow
        if on_gpu:
            self._step = GraphedCallable[Answers](self._follow, keep=_KEEP)

    # --- one frame ---

    def prompt(
        self,
        embedding: Embedding,
        coords: Tensor,
        labels: Tensor,
        previous: Tensor | None = None,
        memories: Memories | None = None,
    ) -> Tracked:
        """Answer the prompts of one object on one frame.

        - `coords`: Tensor of shape (N, 2), float32; ``(x, y)`` in pixels of the network's input;
          corners of a box first
        - `labels`: Tensor of shape (N,), int64; 0 negative, 1 positive, 2 and 3 box corners
        - `previous`: Tensor of shape (S/4, S/4); logits that the object has on this frame already
        - `memories`: what is remembered of it on other frames; without, the frame is taken as an
          image
        """
        image = self._features(embedding)
        mask = None if previous is None else previous[None, None].to(self._choice.device)
        points = coords[None].to(self._choice.device), labels[None].to(self._choice.device)
        ambiguous = len(labels) <= 1
        if memories is None:
            answers = self._decoded(image, *points, mask, ambiguous=ambiguous)
        else:
            answers = self._step(*self._stacked(embedding, [memories]), *points, mask)
        return answers.each()[0]

    def track(self, embedding: Embedding, memories: Sequence[Memories]) -> list[Tracked]:
        """Follow objects to a frame on which nothing was prompted.

        Objects that look at the same slots and ages run through the network together, half as many
        where memory is scarce.

        - `embedding`: of the frame
        - `memories`: one for each object
        - raises ValueError if an object has no map to look at
        - raises OutOfMemoryError if the device's memory does not hold the work for one object
        """
        if not all(item.maps for item in memories):
            raise ValueError("There is nothing to follow: remember the object on a frame first.")
        groups: dict[object, list[int]] = defaultdict(list)
        for row, item in enumerate(memories):
            groups[item.shape].append(row)
        results: dict[int, Tracked] = {}
        for rows in groups.values():

            def work(part: slice, rows: list[int] = rows) -> list[Tracked]:
                chosen = [memories[row] for row in rows[part]]
                coords = torch.zeros(len(chosen), 1, 2, device=self._choice.device)
                labels = torch.full((len(chosen), 1), PAD, device=self._choice.device)
                stacked = self._stacked(embedding, chosen)
                return self._step(*stacked, coords, labels, None).each()

            parts = in_chunks(work, len(rows), self._at_once, self._choice.device)
            results.update(zip(rows, (answer for part in parts for answer in part), strict=True))
        return [results[row] for row in range(len(memories))]

    def take_mask(self, embedding: Embedding, mask: NDArray[np.bool_]) -> Tracked:
        """Take a mask as the answer on a frame, and find the pointer that goes with it.

        - `mask`: array of shape (H, W), bool; of any size: it is stretched to the input
        """
        network, side = self._network, embedding.input_size
        whole = torch.from_numpy(np.ascontiguousarray(mask)).to(self._choice.device)
        whole = whole.float()[None, None]
        if whole.shape[-2:] != (side, side):
            whole = (_shrunk(whole, side) >= 0.5).float()
        logits = _shrunk(whole * (2 * MASK_LOGIT) - MASK_LOGIT, embedding.logits_size)
        image = replace(self._features(embedding), embedding=self._raw(embedding))
        nowhere = torch.zeros(1, 1, 2, device=whole.device)
        label = torch.full((1, 1), PAD, device=whole.device)
        drawn = network.mask_downsample(whole)
        answers = self._decoded(image, nowhere, label, drawn, ambiguous=False)
        there = whole.flatten(1).any(dim=1)
        pointer = torch.where(there[:, None], answers.pointers, network.no_obj_ptr)
        score = MASK_LOGIT if bool(there) else -MASK_LOGIT
        return Tracked(logits[0, 0], 1.0, score, pointer[0])

    def remember(
        self, embedding: Embedding, answers: Sequence[Tracked], *, hard: bool
    ) -> list[Memory]:
        """Make memories of objects on a frame.

        - `embedding`: of the frame
        - `hard`: for masks that somebody prompted, see :func:`.encoded`
        """

        def work(part: slice) -> list[Memory]:
            chosen = answers[part]
            logits = torch.stack([answer.logits for answer in chosen])[:, None]
            present = torch.tensor([answer.object_score > 0 for answer in chosen])
            device = self._choice.device
            features = video_memory.encoded(
                self._network,
                self._raw(embedding),
                logits.to(device),
                present.to(device),
                hard=hard,
            )
            return [
                Memory(answer.pointer, row, answer.object_score)
                for answer, row in zip(chosen, features, strict=True)
            ]

        parts = in_chunks(work, len(answers), self._at_once, self._choice.device)
        return [memory for part in parts for memory in part]

    # --- tensors ---

    def _features(self, embedding: Embedding) -> ImageFeatures:
        return embedding.features.to(device=self._choice.device, dtype=torch.float32)

    def _raw(self, embedding: Embedding) -> Tensor:
        """Return the map as the neck gave it: what marks an image without memory is taken off."""
        return self._features(embedding).embedding - self._network.no_mem_embed[0, 0, :, None, None]

    def _stacked(self, embedding: Embedding, memories: Sequence[Memories]) -> tuple[Tensor, ...]:
        """Return the first arguments of :meth:`_follow`."""
        device = self._choice.device
        slots, ages = memories[0].shape

        def stack(parts: Sequence[Sequence[Tensor]]) -> Tensor:
            rows = [torch.stack([part.to(device) for part in row]) for row in parts]
            return torch.stack(rows)

        maps = [[m.features for _, m in item.maps if m.features is not None] for item in memories]
        past = [[m.pointer for _, m in item.pointers] for item in memories]
        width = self._network.variant.width
        none = torch.zeros(len(memories), 0, width, device=device)
        features = self._features(embedding)
        return (
            features.high_res_4,
            features.high_res_8,
            self._raw(embedding),
            stack(maps),
            torch.tensor(slots, device=device),
            stack(past) if ages else none,
            torch.tensor(ages, device=device, dtype=torch.float32),
        )

    def _follow(
        self,
        high_res_4: Tensor,
        high_res_8: Tensor,
        raw: Tensor,
        maps: Tensor,
        slots: Tensor,
        past_pointers: Tensor,
        ages: Tensor,
        coords: Tensor,
        labels: Tensor,
        mask: Tensor | None,
    ) -> Answers:
        """Condition a map on memories, and decode it."""
        read = video_memory.conditioned(self._network, raw, maps, slots, past_pointers, ages)
        image = ImageFeatures(read, high_res_4, high_res_8)
        return self._decoded(image, coords, labels, mask, ambiguous=labels.shape[1] <= 1)

    def _decoded(
        self,
        image: ImageFeatures,
        coords: Tensor,
        labels: Tensor,
        mask: Tensor | None,
        *,
        ambiguous: bool,
    ) -> Answers:
        if self._choice.dtype == torch.bfloat16:
            image = replace(image, embedding=image.embedding.to(torch.bfloat16))
        decoded = self._network.decode_prompts(image, coords, labels, mask)
        logits, scores, tokens = best_of_three(decoded) if ambiguous else single(decoded)
        present = decoded.object_logits > 0
        pointers = video_memory.pointers(self._network, tokens, present)
        logits = torch.where(present[:, None, None], logits, NO_OBJECT)
        return Answers(logits, scores, decoded.object_logits, pointers)


def _shrunk(maps: Tensor, side: int) -> Tensor:
    size = (side, side)
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=True)
