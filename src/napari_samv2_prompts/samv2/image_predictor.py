"""The image predictor: numpy in, numpy out.

Two faces of one thing.  ``embed`` and ``decode`` work with values and are what the plugin uses;
``setimage`` and ``predict`` (and their batch forms) keep the current image for scripts, with the
published predictor's shapes and meaning, and stand on the other two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from napari_samv2_prompts.prompts import Masks, Prompt, PromptBatch
from napari_samv2_prompts.samv2.inference.decode import Decoder
from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.samv2.inference.encode import encode_images, encoder
from napari_samv2_prompts.samv2.inference.low_res import LowResMasks
from napari_samv2_prompts.samv2.inference.preprocess import check_image
from napari_samv2_prompts.samv2.inference.prompt_arrays import (
    Arrays,
    arrays_from_masks,
    prompts_from_arrays,
)
from napari_samv2_prompts.samv2.inference.prompt_checks import check_masks, check_places
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.weights.build import network_from_arguments
from napari_samv2_prompts.samv2.weights.checkpoints import CheckpointError
from napari_samv2_prompts.samv2.weights.packing import Packing, network_key, weights_digest
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_VERSION

from .device import choose_device, computing

if TYPE_CHECKING:
    from .video.recall import Recall
    from .video.track import Tracker

__all__ = ["SAMV2ImagePredictor"]


class SAMV2ImagePredictor:
    """Predict masks of objects in images from clicks, boxes and earlier masks.

    Attributes
    ----------
    packing : Packing
        Turns embeddings into bytes and back, to keep them in files.

    Parameters
    ----------
    model : str or SAMV2Network, optional
        A name of :func:`.available_models`, or a built network, of which a copy is used.  The
        bundled ``nano`` if no model is named here or by a flag.
    use_default_samv2_t, use_default_samv2_s, use_default_samv2_bplus, use_default_samv2_l : bool
        Another way to name tiny, small, base_plus and large.
    version : str
        "2.1" or "2.0", for the four published sizes.
    checkpoint : path, optional
        Fine-tuned weights in the published layout.  Without it the published file is used, and
        downloaded first if it is not on this machine.
    device : str
        "auto", "cuda", "mps" or "cpu".
    dtype : str
        "auto", "float32", "bfloat16" or "float16": numbers of the image encoder.
    mask_threshold : float
        Logit above which a pixel is in the mask.
    max_hole_area, max_sprinkle_area : float
        Fill holes and remove specks up to this area, in cells of the low-res logits; 0 is off.

    Raises
    ------
    ValueError
        If more than one model is named, or one that does not exist.
    CheckpointError
        If the weights cannot be had or do not fit.
    """

    def __init__(
        self,
        model: str | SAMV2Network | None = None,
        *,
        use_default_samv2_t: bool = False,
        use_default_samv2_s: bool = False,
        use_default_samv2_bplus: bool = False,
        use_default_samv2_l: bool = False,
        version: str = DEFAULT_VERSION,
        checkpoint: str | PathLike[str] | None = None,
        device: str | torch.device = "auto",
        dtype: str = "auto",
        mask_threshold: float = 0.0,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
    ) -> None:
        flags = {
            "tiny": use_default_samv2_t,
            "small": use_default_samv2_s,
            "base_plus": use_default_samv2_bplus,
            "large": use_default_samv2_l,
        }
        self._choice = choose_device(device, dtype)
        network = network_from_arguments(model, flags, version, checkpoint)
        digest = weights_digest(network)
        self._network = network.to(self._choice.device).eval()
        self._network.encode_in(self._choice.dtype)
        self._encoder = encoder(self._network, self._choice)
        self._decoder = Decoder(self._network, self._choice)
        self._key = network_key(self.variant, self._choice.dtype, digest)
        self.packing = Packing(self._network, self._choice, self._key, digest)
        self.mask_threshold = mask_threshold
        self.max_hole_area = max_hole_area
        self.max_sprinkle_area = max_sprinkle_area
        self._embeddings: tuple[Embedding, ...] = ()

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

    # --- values: what the plugin and everything below stand on ---

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
        array of shape (S/4, S/4), float32
            Low-res logits above the mask threshold: positive is object.

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
        self,
        images: Sequence[NDArray[np.uint8]],
        progress: Callable[[float], object] | None = None,
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

    # --- the published predictor's methods, which keep the current image ---

    def setimage(self, image: ArrayLike) -> None:
        """Embed an image and keep it for :meth:`predict`; see :meth:`embed`."""
        self.resetpredictor()
        self._embeddings = (self.embed(image),)

    def setimagebatch(self, image_list: Sequence[ArrayLike]) -> None:
        """Embed several images, of any sizes, and keep them for :meth:`predictbatch`."""
        self.resetpredictor()
        if not len(image_list):
            raise ValueError("The list of images is empty.")
        self._embeddings = tuple(self._embed_all([check_image(image) for image in image_list]))

    def predict(
        self,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: ArrayLike | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> Arrays:
        """Predict masks on the image that was set.

        Parameters
        ----------
        point_coords : array-like of shape (N, 2) or (B, N, 2), optional
            Clicks ``(x, y)``, which may lie beside the image.
        point_labels : array-like of shape (N,) or (B, N), optional
            1 on the object, 0 beside it.
        box : array-like of shape (4,) or (B, 4), optional
            ``x0, y0, x1, y1``; as published, what lies beside the image is not cut off.
        mask_input : array-like of shape (1, S/4, S/4) or (B, 1, S/4, S/4), optional
            Low-res logits of an earlier prediction.
        multimask_output : bool
            Three candidates (C = 3) or one (C = 1).
        return_logits : bool
            Return logits at image resolution in place of masks.
        normalize_coords : bool
            Coordinates are pixels; if False, they are shares of width and height in [0, 1].

        Returns
        -------
        masks : array of shape (C, H, W) or (B, C, H, W), bool; float32 with ``return_logits``
            A batch of one has no batch axis.
        scores : array of shape (C,) or (B, C), float32
            Predicted IoU.
        low_res_logits : array of shape (C, S/4, S/4) or (B, C, S/4, S/4), float32
            Clamped to [-32, 32].

        Raises
        ------
        RuntimeError
            If no image was set.
        ValueError
            If prompts do not fit the image or each other.
        """
        if len(self._embeddings) > 1:
            raise RuntimeError(
                f"{len(self._embeddings)} images are set: call predictbatch, or setimage first."
            )
        given = (point_coords, point_labels, box, mask_input)
        (embedding,) = self._current()
        return self._predict(embedding, given, multimask_output, return_logits, normalize_coords)

    def predictbatch(
        self,
        point_coords_batch: Sequence[ArrayLike | None] | None = None,
        point_labels_batch: Sequence[ArrayLike | None] | None = None,
        box_batch: Sequence[ArrayLike | None] | None = None,
        mask_input_batch: Sequence[ArrayLike | None] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> tuple[list[NDArray[np.generic]], list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """Predict masks on each of the images that were set; see :meth:`predict`.

        Every argument is a list with one entry per image.  Returns three lists.
        """
        embeddings = self._current()
        arguments = (point_coords_batch, point_labels_batch, box_batch, mask_input_batch)
        names = ("point_coords_batch", "point_labels_batch", "box_batch", "mask_input_batch")
        for name, argument in zip(names, arguments, strict=True):
            if argument is not None and len(argument) != len(embeddings):
                raise ValueError(
                    f"{name} has {len(argument)} entries, but {len(embeddings)} images are set."
                )
        results: list[Arrays] = []
        for index, embedding in enumerate(embeddings):
            given = [None if argument is None else argument[index] for argument in arguments]
            results.append(
                self._predict(embedding, given, multimask_output, return_logits, normalize_coords)
            )
        columns = zip(*results, strict=True)
        all_masks, all_scores, all_logits = (list(column) for column in columns)
        return all_masks, all_scores, all_logits

    def _predict(
        self,
        embedding: Embedding,
        given: Sequence[ArrayLike | None],
        multimask_output: bool,
        return_logits: bool,
        normalize_coords: bool,
    ) -> Arrays:
        points, labels, boxes, masks = given
        unit = None if normalize_coords else embedding.image_size[::-1]
        prompts = prompts_from_arrays(points, labels, boxes, masks, unit)
        decoded = self._decode(embedding, prompts, [multimask_output] * len(prompts))
        return arrays_from_masks(
            decoded, embedding.image_size, self.mask_threshold, return_logits=return_logits
        )

    def getimageembedding(self) -> Tensor:
        """Return the embedding of the images that were set, ``(B, C, S/16, S/16)``."""
        return torch.cat([embedding.features.embedding for embedding in self._current()])

    def resetpredictor(self) -> None:
        """Forget the images that were set."""
        self._embeddings = ()
        self._decoder.forget()

    def _current(self) -> tuple[Embedding, ...]:
        if not self._embeddings:
            raise RuntimeError("No image is set: call setimage or setimagebatch first.")
        return self._embeddings
