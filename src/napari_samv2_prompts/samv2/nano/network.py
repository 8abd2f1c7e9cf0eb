"""The small model put together: the published network's parts, and its own between them.

Every image is stretched to its full contrast first, and its cells get descriptors, in which prompts
find what looks alike.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_samv2_prompts.samv2.modeling.hiera import Progress
from napari_samv2_prompts.samv2.modeling.layers import Linear, as_linear
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded
from napari_samv2_prompts.samv2.modeling.network import ImageFeatures, PreparedImage, SAMV2Network
from napari_samv2_prompts.samv2.modeling.pixels import to_unit

from .box_blend import BoxBlend
from .config import NanoVariant
from .contrast import stretch_contrast
from .features import NanoFeatures
from .mask_decoder import NanoMaskDecoder
from .prompt_encoder import DrawnPrompts, NanoPromptEncoder
from .scale_scores import ScaleScores


class PromptDecoder(Protocol):
    """What decodes prompts in windows and on levels: the network, or a faster way to run it."""

    @property
    def variant(self) -> NanoVariant:
        """The shape of the network."""
        ...

    @property
    def scale_scores(self) -> ScaleScores:
        """What judges masks across scales."""
        ...

    @property
    def box_blend(self) -> BoxBlend:
        """What judges the masks of a box."""
        ...

    def encode_stretched(self, pixels: Tensor) -> NanoFeatures:
        """Encode parts of a picture; see :meth:`.NanoNetwork.encode_stretched`."""
        ...

    def decode_prompts(
        self, image: NanoFeatures, coords: Tensor, labels: Tensor, mask_input: Tensor | None
    ) -> Decoded:
        """Predict all four masks of each prompt; see :meth:`.NanoNetwork.decode_prompts`."""
        ...


class NanoNetwork(SAMV2Network):
    """The published image path with drawn prompts, descriptors and a decoder of its own."""

    variant: NanoVariant
    sam_prompt_encoder: NanoPromptEncoder
    sam_mask_decoder: NanoMaskDecoder

    def __init__(self, variant: NanoVariant) -> None:
        super().__init__(variant)
        self.sam_prompt_encoder = NanoPromptEncoder(variant)
        self.sam_mask_decoder = NanoMaskDecoder(variant)
        self.describe = nn.Conv2d(variant.width, variant.descriptors, kernel_size=1)
        self.scale_scores = ScaleScores(variant.scale_scores)
        self.box_blend = BoxBlend(variant.box_blend)

    def encode_image(self, pixels: Tensor, progress: Progress | None = None) -> NanoFeatures:
        """Encode images; see :meth:`.SAMV2Network.encode_image`."""
        return self.encode_stretched(stretch_contrast(pixels), progress)

    def encode_stretched(self, pixels: Tensor, progress: Progress | None = None) -> NanoFeatures:
        """Encode images, or parts of them, whose contrast was stretched."""
        narrowing = self._finest(), as_linear(self.sam_mask_decoder.conv_s1)
        finest, middle, coarse = self.image_encoder(pixels, narrowing, progress)
        fine, learnt = finest.split((self.variant.width // 8, self.variant.descriptors), -1)
        published = self.features(fine, middle, coarse)
        descriptors = torch.cat([_cell_colours(pixels), learnt], dim=-1).permute(0, 3, 1, 2)
        return NanoFeatures(**published.tensors(), descriptors=descriptors)

    def _finest(self) -> Linear:
        """What upscaling and comparing need of the finest map, as one matrix and bias."""
        both = as_linear(self.sam_mask_decoder.conv_s0), as_linear(self.describe)
        weight, bias = (torch.cat(parts) for parts in zip(*both, strict=True))
        return weight, bias

    def prepare(self, features: ImageFeatures) -> PreparedImage:
        """Do once for an image what is the same for all prompts; no two share a dense part."""
        return self.unshared(features.channels_last())

    def decode_prompts(
        self,
        image: ImageFeatures | PreparedImage,
        coords: Tensor,
        labels: Tensor,
        mask_input: Tensor | None = None,
    ) -> Decoded:
        """Predict all four masks of each prompt; see :meth:`.SAMV2Network.decode_prompts`."""
        features = image if isinstance(image, ImageFeatures) else image.features
        assert isinstance(features, NanoFeatures)
        return self.read(features, self.draw(features, coords, labels, mask_input))

    def draw(
        self, features: NanoFeatures, coords: Tensor, labels: Tensor, mask_input: Tensor | None
    ) -> DrawnPrompts:
        """Draw prompts on an image, or on windows of it; it looks at what is prompted."""
        grid = (features.embedding.shape[-2], features.embedding.shape[-1])
        return self.sam_prompt_encoder.draw(coords, labels, mask_input, grid, features.descriptors)

    def read(self, features: NanoFeatures, drawn: DrawnPrompts) -> Decoded:
        """Predict all four masks of drawn prompts; it looks at no value of a tensor in Python."""
        _, finer, position, _ = self.unshared(features)
        decoded: Decoded = self.sam_mask_decoder(features.embedding, position, *finer, drawn)
        return decoded


def _cell_colours(pixels: Tensor) -> Tensor:
    """Mean colour in [0, 1] of cells of 4 x 4 pixels, ``(B, S/4, S/4, 3)``."""
    return F.avg_pool2d(to_unit(pixels.float()), 4).permute(0, 2, 3, 1)
