"""SAMV2's image path put together: encode an image once, decode prompts many times.

The module tree and with it the parameter names are those of the published checkpoints.  The video
memory of a published file is not built; its tensors are kept aside in ``memory_state``, come back
in ``state_dict()``, and wait there for volumes and time series.

Not here: reading files (``checkpoints.py``), numpy in and out (``image_predictor.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_samv2_prompts.samv2.inference.preprocess import stretched, to_unit
from napari_samv2_prompts.samv2.weights.unfilled import without_weights
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_VERSION, Variant, find_variant

from .hiera import Hiera, Progress
from .mask_decoder import Decoded, MaskDecoder, to_cells
from .neck import FpnNeck, Linear, as_linear
from .prompt_encoder import PromptEncoder
from .transformer import SharedImage

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["ImageFeatures", "PreparedImage", "SAMV2Network", "build_samv2"]

MEMORY_PREFIXES = (
    "maskmem_tpos_enc",
    "no_mem_pos_enc",
    "no_obj_ptr",
    "no_obj_embed_spatial",
    "mask_downsample.",
    "memory_attention.",
    "memory_encoder.",
    "obj_ptr_proj.",
    "obj_ptr_tpos_proj.",
)
"""What the names of the video memory's tensors begin with."""


class ImageFeatures(NamedTuple):
    """What the decoder needs of an image.

    Attributes
    ----------
    embedding : Tensor of shape (B, C, S/16, S/16)
    high_res_4 : Tensor of shape (B, M, 16, C/8)
        The finer maps, at strides 4 and 8, grouped by the M cells of the embedding's grid, see
        :func:`.mask_decoder.to_cells`.
    high_res_8 : Tensor of shape (B, M, 4, C/4)
    descriptors : Tensor of shape (B, D, S/4, S/4)
        What cells are compared with prompted places in; D is 0 for the published variants.
    """

    embedding: Tensor
    high_res_4: Tensor
    high_res_8: Tensor
    descriptors: Tensor

    def select(self, index: Tensor | slice) -> ImageFeatures:
        """Return the features of some of the images, in any order and any number of times."""
        return ImageFeatures(*(tensor[index] for tensor in self))

    def to(self, *, device: torch.device | None = None, dtype: torch.dtype) -> ImageFeatures:
        """Return the features on another device or as another number type."""
        return ImageFeatures(*(tensor.to(device=device, dtype=dtype) for tensor in self))


class PreparedImage(NamedTuple):
    """What the decoder makes of an image once, for all prompts to come.

    Attributes
    ----------
    features : ImageFeatures
    finer : tuple of Tensor
        The features' ``high_res_4`` and ``high_res_8``, see :meth:`.MaskDecoder.with_biases`.
    position : Tensor of shape (M, C)
        Encoding of the embedding's grid.
    shared : SharedImage or None
        For prompts without a dense part of their own.
    """

    features: ImageFeatures
    finer: tuple[Tensor, Tensor]
    position: Tensor
    shared: SharedImage | None


class ImageEncoder(nn.Module):
    """Trunk and neck.

    Parameters
    ----------
    variant : Variant
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.trunk = Hiera(variant)
        self.neck = FpnNeck(variant.stage_widths, variant.width, variant.top_down_levels)

    def forward(
        self, pixels: Tensor, narrowing: Sequence[Linear], progress: Progress | None = None
    ) -> list[Tensor]:
        """Map ``(B, 3, S, S)`` to channels-last maps of strides 4, 8 and 16, see the neck."""
        levels: list[Tensor] = self.neck(self.trunk(pixels, progress), narrowing)
        return levels


class SAMV2Network(nn.Module):
    """The image path of SAM 2.

    Parameters
    ----------
    variant : Variant
        Says every size.  The network follows the size of the pixels it is given; the variant's
        ``input_size`` is what it was made for.

    Attributes
    ----------
    memory_state : dict of str to Tensor
        Video-memory tensors of the loaded checkpoint, as they came.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.image_encoder = ImageEncoder(variant)
        self.sam_prompt_encoder = PromptEncoder(variant)
        self.sam_mask_decoder = MaskDecoder(variant)
        if variant.descriptors:
            self.describe = nn.Conv2d(variant.width, variant.descriptors, kernel_size=1)
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, variant.width))
        self.memory_state: dict[str, Tensor] = {}
        for position in (
            self.image_encoder.trunk.pos_embed,
            self.image_encoder.trunk.pos_embed_window,
        ):
            nn.init.trunc_normal_(position, std=0.02)
        nn.init.trunc_normal_(self.no_mem_embed, std=0.02)
        self.register_load_state_dict_pre_hook(_keep_memory_aside)
        self.register_state_dict_post_hook(_give_memory_back)

    def encode_in(self, dtype: torch.dtype) -> None:
        """Let the trunk's blocks compute in a number type.

        They are nearly all of the work.  What comes before and after them stays as it is: it is
        little, and half precision there alone makes up to a third of the error.
        """
        self.image_encoder.trunk.blocks.to(dtype)

    def encode_image(self, pixels: Tensor, progress: Progress | None = None) -> ImageFeatures:
        """Encode images.

        Parameters
        ----------
        pixels : Tensor of shape (B, 3, S, S)
            RGB in [0, 1], normalised with ImageNet's mean and deviation.
        progress : callable, optional
            Told the share done, in (0, 1], after each block.  What it raises ends the work.
        """
        if self.variant.stretch:
            pixels = stretched(pixels)
        decoder = self.sam_mask_decoder
        narrowing = self._finest(), as_linear(decoder.conv_s1)
        levels = self.image_encoder(pixels, narrowing, progress)
        finest, learnt = levels[0].split((self.variant.width // 8, self.variant.descriptors), -1)
        # An image alone has no memory to attend to; training marked that by adding this vector.
        embedding = (levels[2] + self.no_mem_embed).permute(0, 3, 1, 2)
        if self.variant.descriptors:
            learnt = torch.cat([_cell_colours(pixels), learnt], dim=-1)
        return ImageFeatures(
            embedding, to_cells(finest, 2), to_cells(levels[1], 1), learnt.permute(0, 3, 1, 2)
        )

    def _finest(self) -> Linear:
        """What upscaling and likeness need of the finest map, as one matrix and bias."""
        weight, bias = as_linear(self.sam_mask_decoder.conv_s0)
        if not self.variant.descriptors:
            return weight, bias
        described = as_linear(self.describe)
        return torch.cat([weight, described[0]]), torch.cat([bias, described[1]])

    def prepare(self, features: ImageFeatures) -> PreparedImage:
        """Do once for an image what is the same for all prompts; it takes a tenth of a click.

        Parameters
        ----------
        features : ImageFeatures
            Of one image (B = 1).
        """
        embedding = features.embedding.contiguous(memory_format=torch.channels_last)
        features = features._replace(embedding=embedding)
        image = self._unshared(features)
        if self.variant.dense_channels == 1:
            nothing = self.sam_prompt_encoder.no_mask_embed.weight.to(embedding.dtype)
            plain = embedding.flatten(2).transpose(1, 2) + nothing
            shared = self.sam_mask_decoder.transformer.share(plain, image.position[None])
            image = image._replace(shared=shared)
        return image

    def _unshared(self, features: ImageFeatures) -> PreparedImage:
        height, width = features.embedding.shape[-2:]
        position = self.sam_prompt_encoder.pe_layer.grid(height, width)
        finer = self.sam_mask_decoder.with_biases(features.high_res_4, features.high_res_8)
        return PreparedImage(features, finer, position.to(features.embedding.dtype), None)

    def decode_prompts(
        self,
        image: ImageFeatures | PreparedImage,
        coords: Tensor,
        labels: Tensor,
        mask_input: Tensor | None = None,
    ) -> Decoded:
        """Predict all four masks of each prompt.

        Parameters
        ----------
        image : ImageFeatures or PreparedImage
            One image for all prompts (B = 1), or features with one row per prompt (B = P).
        coords : Tensor of shape (P, N, 2), float32
            ``(x, y)`` in pixels of the network's input.
        labels : Tensor of shape (P, N), int64
            -1 padding, 0 negative, 1 positive, 2 and 3 box corners (these first).
        mask_input : Tensor of shape (P, 1, S/4, S/4), optional
            Previous low-res logits.
        """
        if isinstance(image, ImageFeatures):
            image = self._unshared(image)
        features, finer, position, shared = image
        grid = (features.embedding.shape[-2], features.embedding.shape[-1])
        prompts = self.sam_prompt_encoder(coords, labels, mask_input, grid, features.descriptors)
        decoded: Decoded = self.sam_mask_decoder(
            features.embedding,
            position,
            *finer,
            prompts,
            shared if mask_input is None else None,
        )
        return decoded


def _cell_colours(pixels: Tensor) -> Tensor:
    """Mean colour in [0, 1] of cells of 4 x 4 pixels, ``(B, S/4, S/4, 3)``."""
    return F.avg_pool2d(to_unit(pixels.float()), 4).permute(0, 2, 3, 1)


def _keep_memory_aside(
    module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: object
) -> None:
    """Move the video memory's tensors out of the state, so that strict loading accepts them."""
    names = [n for n in state_dict if n.removeprefix(prefix).startswith(MEMORY_PREFIXES)]
    memory = {name.removeprefix(prefix): state_dict.pop(name) for name in names}
    assert isinstance(module, SAMV2Network)
    module.memory_state = memory


def _give_memory_back(
    module: nn.Module, state_dict: dict[str, Any], prefix: str, _metadata: object
) -> None:
    """Put the tensors kept aside into the state, so that saving loses nothing."""
    assert isinstance(module, SAMV2Network)
    state_dict.update({prefix + name: tensor for name, tensor in module.memory_state.items()})


def build_samv2(
    model: str | Variant,
    *,
    version: str = DEFAULT_VERSION,
    checkpoint: str | PathLike[str] | None = None,
) -> SAMV2Network:
    """Build a network in evaluation mode.

    Parameters
    ----------
    model : str or Variant
        A name of :func:`.available_models`, or a row of one's own.
    version : str
        "2.0" or "2.1", for short names of published sizes.
    checkpoint : path, optional
        Weights to load.  Without it the weights are random, which only tests want.

    Raises
    ------
    ValueError
        If the model does not exist.
    CheckpointError
        If the file does not hold weights of this model.
    """
    variant = model if isinstance(model, Variant) else find_variant(model, version)
    if checkpoint is None:
        return SAMV2Network(variant).eval()
    from napari_samv2_prompts.samv2.weights.checkpoints import load

    with without_weights():  # random ones would only be replaced
        network = SAMV2Network(variant).eval()
    load(network, checkpoint)
    return network
