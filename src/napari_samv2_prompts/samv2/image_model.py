"""A network on its device: images to embeddings, prompts to masks, all of them values.

What the plugin, stacks and films stand on.  Not here: how a model is named, and the current image
of scripts (``image_predictor.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.prompts import Masks, Prompt, PromptBatch
from napari_samv2_prompts.samv2.inference.decode import Decoder
from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.samv2.inference.encode import encode_images, encoder
from napari_samv2_prompts.samv2.inference.low_res import LowResMasks
from napari_samv2_prompts.samv2.inference.preprocess import check_image
from napari_samv2_prompts.samv2.inference.prompt_arrays import check_masks, check_places
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.weights.packing import Packing, network_key, weights_digest
from napari_samv2_prompts.samv2.weights.registry import CheckpointError

from .device import DeviceChoice, computing

if TYPE_CHECKING:
    import torch

    from .video.recall import Recall
    from .video.track import Tracker


class ImageModel:
    """Embed images, and predict the masks of prompts on them.

    Attributes
    ----------
    packing : Packing
        Turns embeddings into bytes and back, to keep them in files.

    Parameters
    ----------
    network : SAMV2Network
        It is moved to the device, and its encoder given the number type.
    choice : DeviceChoice
    mask_threshold, max_hole_area, max_sprinkle_area : float
        As of :class:`.SAMV2ImagePredictor`.
    """

    def __init__(
        self,
        network: SAMV2Network,
        choice: DeviceChoice,
        *,
        mask_threshold: float = 0.0,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
    ) -> None:
        digest = weights_digest(network)
        self._choice = choice
        self._network = network.to(choice.device).eval()
        self._network.encode_in(choice.dtype)
        self._encoder = encoder(self._network, choice)
        self._decoder = Decoder(self._network, choice)
        self._key = network_key(self.variant, choice.dtype, digest)
        self.packing = Packing(self._network, choice, self._key, digest)
        self.mask_threshold = mask_threshold
        self.max_hole_area = max_hole_area
        self.max_sprinkle_area = max_sprinkle_area

    @property
    def device(self) -> torch.device:
        """The device that computes."""
        return self._choice.device

    @property
    def device_reason(self) -> str:
        """Why this device and number type, in words."""
        return self._choice.reason

    @property
    def variant(self) -> Variant:
        """The shape of the network."""
        return self._network.variant

    @property
    def key(self) -> str:
        """The name that this predictor's embeddings carry, and only its own."""
        return self._key

    @property
    def remembers(self) -> bool:
        """Whether model and weights have a memory, see :meth:`tracker`."""
        return self.variant.has_memory and self._network.has_memory

    def tracker(self) -> Tracker:
        """Return what follows objects from plane to plane with this predictor's embeddings.

        Raises
        ------
        ValueError
            If the model has no memory.
        CheckpointError
            If its weights were trained for images alone.
        """
        if not self.variant.has_memory:
            raise ValueError(
                f"The model {self.variant.size!r} has no memory to follow objects with: choose "
                "'tiny', 'small', 'base_plus' or 'large'."
            )
        if not self._network.has_memory:
            raise CheckpointError(
                "These weights have no memory to follow objects with: they were saved for images "
                "alone. Use a published file, or one with all of its tensors."
            )
        from .video.track import Tracker

        return Tracker(self._network, self._choice)

    def recall(self) -> Recall:
        """Return memory for stacks, from masks to masks; see :meth:`tracker`."""
        from .video.recall import Recall

        return Recall(self.tracker(), self.computing)

    def computing(self) -> AbstractContextManager[None]:
        """Return the context in which this predictor computes, see :func:`.device.computing`."""
        return computing(self._choice)

    def embed(
        self,
        image: ArrayLike,
        progress: Callable[[float], object] | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> Embedding:
        """Embed an image.

        Parameters
        ----------
        image : array-like of shape (H, W, 3) or (H, W), uint8
        progress : callable, optional
            Told the share done, in (0, 1], many times.  What it raises ends the work.
        image_size : tuple of int, optional
            ``(height, width)`` in which prompts are given and masks returned, where the image was
            read in fewer pixels than it has.

        Raises
        ------
        ValueError
            If the image is of another shape or number type.
        OutOfMemoryError
            If the device's memory does not hold the work.
        """
        embedding = self._embed_all([check_image(image)], progress)[0]
        return embedding if image_size is None else replace(embedding, image_size=image_size)

    def decode(
        self, embedding: Embedding, batch: PromptBatch, multimask_output: bool | None = None
    ) -> Masks:
        """Predict the masks of any number of objects.

        Parameters
        ----------
        embedding : Embedding
            Of this predictor's :meth:`embed`.
        batch : PromptBatch
            Items may differ in their number of points and in having a box or a mask.
        multimask_output : bool, optional
            Three candidates or one for all items.  By default three for a lone click, which can
            mean several things, and one for the rest.

        Raises
        ------
        ValueError
            If a prompt does not fit the image, or the embedding is another model's.
        OutOfMemoryError
            If the device's memory does not hold even one prompt.
        """
        items = batch.items
        multimask = [
            item.is_ambiguous if multimask_output is None else multimask_output for item in items
        ]
        check_places(items, embedding.image_size)
        decoded = self._decode(embedding, items, multimask, clip_boxes=True)
        size = embedding.image_size
        masks = tuple(
            masks.as_item(item.object, size, self.mask_threshold)
            for item, masks in zip(items, decoded, strict=True)
        )
        return Masks(masks, size)

    def preview(self, embedding: Embedding, prompt: Prompt) -> NDArray[np.float32]:
        """Return the mask that :meth:`decode` would call best, without enlarging it: a preview.

        Parameters
        ----------
        embedding : Embedding
        prompt : Prompt

        Returns
        -------
        array of shape (n, n), float32
            Low-res logits above the mask threshold: positive is object.  `n` is S/4, or S/2 where
            the network looked closer.

        Raises
        ------
        ValueError
            As :meth:`decode`.
        """
        check_places([prompt], embedding.image_size)
        (decoded,) = self._decode(embedding, [prompt], [prompt.is_ambiguous], clip_boxes=True)
        best: NDArray[np.float32] = decoded.for_masks[int(np.argmax(decoded.scores))]
        return best - np.float32(self.mask_threshold)

    def _embed_all(
        self, images: Sequence[NDArray[np.uint8]], progress: Callable[[float], object] | None = None
    ) -> list[Embedding]:
        with computing(self._choice):
            return encode_images(
                self._encoder, self.variant, self._choice, self._key, images, progress
            )

    def _decode(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompt],
        multimask: Sequence[bool],
        *,
        clip_boxes: bool = False,
    ) -> list[LowResMasks]:
        if embedding.model != self._key:
            raise ValueError(
                f"The embedding was made by {embedding.model}, and this predictor is {self._key}: "
                "embed the image again."
            )
        check_masks(prompts, embedding.logits_size)
        threshold, areas = self.mask_threshold, (self.max_hole_area, self.max_sprinkle_area)
        with computing(self._choice):
            found = self._decoder(embedding, prompts, multimask, threshold, clip_boxes=clip_boxes)
        return [masks.without_small_areas(threshold, *areas) for masks in found]
