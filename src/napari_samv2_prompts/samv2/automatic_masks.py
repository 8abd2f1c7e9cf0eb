"""Automatic masks as published: a grid of clicks, three candidates each, filters, crops.

The arguments, filters, order and records are those of SAM 2's automatic mask generator; any model
can be used.  Work goes chunk by chunk, and a mask is enlarged only after its score has passed, one
at a time, so that memory does not grow with the number of clicks.

Not here: what the plugin uses by default for pictures of many like things (``find_all.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.candidates import Candidate, box_nms
from napari_samv2_prompts.prompts import ItemMasks, Prompt, PromptBatch
from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.samv2.inference.enlarge import crop_mask
from napari_samv2_prompts.samv2.inference.mask_forms import SEGMENTATIONS, OutputMode
from napari_samv2_prompts.samv2.inference.preprocess import check_image

from .image_predictor import SAMV2ImagePredictor

NEAR_EDGE = 20.0
"""Pixels from a crop's edge within which a box is taken for cut off there."""


class Crop(NamedTuple):
    """A part of the image that is embedded by itself, ``x0, y0, x1, y1`` in pixels."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """One mask that passed the filters, with the crop it was found in."""

    candidate: Candidate
    crop: Crop

    @property
    def box(self) -> tuple[int, int, int, int]:
        """``x0, y0, x1, y1`` of the first and last pixels: published boxes are inclusive."""
        top, left, bottom, right = self.candidate.crop.box
        return left, top, right - 1, bottom - 1


class SAMV2AutomaticMaskGenerator:
    """Find masks all over an image.

    Parameters
    ----------
    model : str, SAMV2Network or SAMV2ImagePredictor, optional
        As for :class:`.SAMV2ImagePredictor`, or a predictor that is there.
    points_per_side : int, optional
        Clicks along each side; None with ``point_grids``.
    points_per_batch : int
        Clicks answered at once.
    pred_iou_thresh : float
        Least predicted IoU; only masks above it are kept.
    stability_score_thresh : float
        Least stability.
    stability_score_offset : float
        Stability is the IoU of the masks above ``mask_threshold`` plus and minus this.
    mask_threshold : float
        Logit above which a pixel is in the mask.
    box_nms_thresh : float
        Largest IoU of two boxes that are both kept, within a crop.
    crop_n_layers : int
        Layers of crops besides the whole image; layer i has ``2**i`` of them a side.
    crop_nms_thresh : float
        Largest IoU of two boxes from different crops; smaller crops win.
    crop_overlap_ratio : float
        Overlap of crops in shares of the image's shorter side, less in further layers.
    crop_n_points_downscale_factor : int
        Layer i has ``points_per_side / factor**i`` clicks a side.
    point_grids : sequence of arrays of shape (N, 2), optional
        Clicks of each layer as shares ``(x, y)`` of width and height.
    min_mask_region_area : float
        Fill holes and remove specks up to this area, in cells of the low-res logits.
    output_mode : {"binary_mask", "uncompressed_rle", "coco_rle"}
    use_m2m : bool
        Refine each mask once more by its own logits.
    multimask_output : bool
        Three candidates a click, or one.
    **options
        As for :class:`.SAMV2ImagePredictor`.

    Raises
    ------
    ValueError
        If both or neither of ``points_per_side`` and ``point_grids`` are given, or the output mode
        does not exist.
    """

    def __init__(
        self,
        model: Any = None,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.8,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        mask_threshold: float = 0.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[ArrayLike] | None = None,
        min_mask_region_area: float = 0,
        output_mode: OutputMode = "binary_mask",
        use_m2m: bool = False,
        multimask_output: bool = True,
        **options: Any,
    ) -> None:
        if output_mode not in SEGMENTATIONS:
            raise ValueError(
                f"output_mode is one of {', '.join(SEGMENTATIONS)}, not {output_mode!r}."
            )
        factor, layers = crop_n_points_downscale_factor, crop_n_layers + 1
        self.point_grids = _grids(points_per_side, point_grids, layers, factor)
        if not isinstance(model, SAMV2ImagePredictor):
            model = SAMV2ImagePredictor(
                model,
                mask_threshold=mask_threshold,
                max_hole_area=min_mask_region_area,
                max_sprinkle_area=min_mask_region_area,
                **options,
            )
        self.predictor: SAMV2ImagePredictor = model
        self.points_per_batch = points_per_batch
        self.pred_iou_thresh = pred_iou_thresh
        self.stability_score_thresh = stability_score_thresh
        self.stability_score_offset = stability_score_offset
        self.mask_threshold = mask_threshold
        self.box_nms_thresh = box_nms_thresh
        self.crop_n_layers = crop_n_layers
        self.crop_nms_thresh = crop_nms_thresh
        self.crop_overlap_ratio = crop_overlap_ratio
        self.output_mode = output_mode
        self.use_m2m = use_m2m
        self.multimask_output = multimask_output

    def generate(self, image: ArrayLike) -> list[dict[str, Any]]:
        """Find masks.

        Parameters
        ----------
        image : array-like of shape (H, W, 3) or (H, W), uint8

        Returns
        -------
        list of dict
            In falling predicted IoU (within one crop).  Keys: ``segmentation`` (array (H, W) bool,
            or run lengths as ``output_mode`` says), ``area``, ``bbox`` (``x, y, width, height``),
            ``predicted_iou``, ``point_coords`` (one ``[x, y]``), ``stability_score``,
            ``crop_box`` (``x, y, width, height``).

        Raises
        ------
        ValueError
            If the image is of another shape or number type.
        """
        pixels = check_image(image)
        height, width = pixels.shape[:2]
        crops = crop_boxes((height, width), self.crop_n_layers, self.crop_overlap_ratio)
        found: list[_Found] = []
        for layer, crop in crops:
            found += self._in_crop(pixels, crop, self.point_grids[layer])
        if len(crops) > 1:
            small_first = [1 / _area(item.crop) for item in found]
            boxes = np.array([item.box for item in found], np.float32)
            found = [found[i] for i in box_nms(boxes, small_first, self.crop_nms_thresh)]
        return [self._record(item, (height, width)) for item in found]

    def _in_crop(
        self, image: NDArray[np.uint8], crop: Crop, grid: NDArray[np.float64]
    ) -> list[_Found]:
        part = image[crop.y0 : crop.y1, crop.x0 : crop.x1]
        size = np.array((crop.x1 - crop.x0, crop.y1 - crop.y0))
        embedding = self.predictor.embed(part).from_afar()
        found: list[_Found] = []
        for start in range(0, len(grid), self.points_per_batch):
            points = grid[start : start + self.points_per_batch] * size
            for candidate in self._answers(embedding, points):
                item = _Found(candidate.moved(crop.y0, crop.x0), crop)
                if not _is_cut(item.box, crop, image.shape[:2]):
                    found.append(item)
        boxes = np.array([item.box for item in found], np.float32)
        scores = [item.candidate.score for item in found]
        return [found[i] for i in box_nms(boxes, scores, self.box_nms_thresh)]

    def _answers(self, embedding: Embedding, points: NDArray[np.float64]) -> Iterator[Candidate]:
        """Yield what passes the filters, in order of clicks and candidates."""
        clicks = [Prompt.of(number, point[None]) for number, point in enumerate(points)]
        multimask = self.multimask_output
        answers = self.predictor.decode(embedding, PromptBatch(tuple(clicks)), multimask)
        if self.use_m2m:
            answers = self._refined(embedding, answers, points)
            points = np.repeat(points, 3 if multimask else 1, axis=0)
        for item, point in zip(answers, points, strict=True):
            for index in np.flatnonzero(item.scores > self.pred_iou_thresh):
                candidate = candidate_of(
                    item,
                    int(index),
                    point,
                    embedding.image_size,
                    self.mask_threshold,
                    self.stability_score_offset,
                )
                if candidate.area and candidate.stability >= self.stability_score_thresh:
                    yield candidate

    def _refined(self, embedding: Embedding, answers: Any, points: NDArray[np.float64]) -> Any:
        """Ask for each candidate again, as one mask, with its own logits as a mask prompt."""
        asked = [
            (point, logits)
            for item, point in zip(answers, points, strict=True)
            for logits in item.low_res_logits
        ]
        prompts = (Prompt.of(n, at[None], mask=logits) for n, (at, logits) in enumerate(asked))
        return self.predictor.decode(embedding, PromptBatch(tuple(prompts)), False)

    def _record(self, found: _Found, shape: tuple[int, int]) -> dict[str, Any]:
        candidate, crop = found.candidate, found.crop
        x0, y0, x1, y1 = found.box
        return {
            "segmentation": SEGMENTATIONS[self.output_mode](candidate.crop, shape),
            "area": candidate.area,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "predicted_iou": candidate.score,
            "point_coords": [list(candidate.point)],
            "stability_score": candidate.stability,
            "crop_box": [crop.x0, crop.y0, crop.x1 - crop.x0, crop.y1 - crop.y0],
        }


def candidate_of(
    item: ItemMasks,
    index: int,
    point: NDArray[np.float64],
    image_size: tuple[int, int],
    threshold: float = 0.0,
    offset: float = 1.0,
) -> Candidate:
    """Make a candidate of one mask of an answer.

    - `index`: which of its masks
    - `point`: array of shape (2,); the click, ``(x, y)`` in pixels
    - `image_size`: ``(height, width)``
    - `threshold`, `offset`: stability is ``|logits > threshold + offset| / |logits > threshold -
      offset|``, at the image's size
    """
    logits = item.low_res_logits[index]
    inner, outer = (
        crop_mask(logits, image_size, threshold + sign * offset).area for sign in (1, -1)
    )
    crop = item.crops[index]
    return Candidate(
        crop,
        (float(point[0]), float(point[1])),
        float(item.scores[index]),
        inner / outer if outer else 0.0,
        crop.area,
    )


def point_grid(per_side: int) -> NDArray[np.float64]:
    """Return the centres of ``per_side`` x ``per_side`` cells, ``(N, 2)`` shares ``(x, y)``."""
    along = (np.arange(per_side) + 0.5) / per_side
    x, y = np.meshgrid(along, along)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _grids(
    per_side: int | None, given: Sequence[ArrayLike] | None, layers: int, factor: int
) -> list[NDArray[np.float64]]:
    """Return the clicks of each layer, the whole image among them; either way of asking for them.

    Raises ValueError if both or neither are given, or too few grids.
    """
    if (per_side is None) == (given is None):
        raise ValueError("Give either points_per_side or point_grids, and not both.")
    if per_side is not None:
        return [point_grid(int(per_side / factor**layer)) for layer in range(layers)]
    grids = [np.asarray(grid, np.float64) for grid in given or ()]
    if len(grids) < layers:
        raise ValueError(
            f"{layers - 1} layers of crops need {layers} grids of points, not {len(grids)}."
        )
    return grids


def crop_boxes(shape: tuple[int, int], n_layers: int, overlap: float) -> list[tuple[int, Crop]]:
    """Return the crops of an image, each with its layer; the whole image is layer 0.

    - `shape`: ``(height, width)``
    - `n_layers`: further layers: layer i has ``2**i`` crops a side
    - `overlap`: overlap of layer 1 in shares of the shorter side; it halves from layer to layer
    """
    height, width = shape
    crops = [(0, Crop(0, 0, width, height))]
    for layer in range(1, n_layers + 1):
        n = 2**layer
        common = int(overlap * min(shape) * (2 / n))
        side_x, side_y = (-(-(common * (n - 1) + side) // n) for side in (width, height))
        for column, row in product(range(n), range(n)):
            x0, y0 = (side_x - common) * column, (side_y - common) * row
            crop = Crop(x0, y0, min(x0 + side_x, width), min(y0 + side_y, height))
            if x0 < crop.x1 and y0 < crop.y1:  # an image may have fewer pixels than crops a side
                crops.append((layer, crop))
    return crops


def _is_cut(box: tuple[int, int, int, int], crop: Crop, shape: tuple[int, ...]) -> bool:
    """Tell whether a box reaches a crop's edge that is not the image's."""
    edges = zip(box, crop, (0, 0, shape[1], shape[0]), strict=True)
    return any(abs(at - edge) <= NEAR_EDGE and abs(at - end) > NEAR_EDGE for at, edge, end in edges)


def _area(crop: Crop) -> float:
    return float((crop.x1 - crop.x0) * (crop.y1 - crop.y0))
