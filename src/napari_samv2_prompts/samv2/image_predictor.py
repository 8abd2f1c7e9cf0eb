"""The image predictor of scripts: how a model is named, and the published predictor's methods.

They keep the current image, with the published shapes and meaning; ``embed`` and ``decode``, which
they stand on, work with values (``image_model.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.samv2.inference.preprocess import check_image
from napari_samv2_prompts.samv2.inference.prompt_arrays import (
    Arrays,
    arrays_from_masks,
    prompts_from_arrays,
)
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.weights.build import network_from_arguments
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_VERSION

from .device import choose_device
from .image_model import ImageModel


class SAMV2ImagePredictor(ImageModel):
    """Predict masks of objects in images from clicks, boxes and earlier masks.

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
        choice = choose_device(device, dtype)  # before weights are looked for
        super().__init__(
            network_from_arguments(model, flags, version, checkpoint),
            choice,
            mask_threshold=mask_threshold,
            max_hole_area=max_hole_area,
            max_sprinkle_area=max_sprinkle_area,
        )
        self._embeddings: tuple[Embedding, ...] = ()

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
