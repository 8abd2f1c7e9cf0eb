"""SAMV2's image path put together: encode an image once, decode prompts many times.

The module tree and with it the parameter names are those of the published checkpoints.  The parts
of the video memory are in it too; what is done with them is in :mod:`.video_memory`.

Not here: reading files (``weights``), numpy in and out (``image_predictor.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from .cells import to_cells
from .config import Variant
from .hiera import Hiera, Progress
from .layers import Linear, Mlp, as_linear
from .mask_decoder import Decoded, MaskDecoder
from .memory_attention import MemoryAttention
from .memory_encoder import MemoryEncoder
from .memory_parts import add_memory
from .neck import FpnNeck
from .prompt_encoder import PromptEncoder
from .transformer import SharedImage


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """What the decoder needs of an image."""

    embedding: Tensor  # shape (B, C, S/16, S/16)
    # Shape (B, M, 16, C/8): the finer maps, at strides 4 and 8, grouped by the M cells of the
    # embedding's grid, see :func:`.to_cells`.
    high_res_4: Tensor
    high_res_8: Tensor  # shape (B, M, 4, C/4)

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors by their names."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def select(self, index: Tensor | slice) -> Self:
        """Return the features of some of the images, in any order and any number of times."""
        return type(self)(**{name: tensor[index] for name, tensor in self.tensors().items()})

    def to(self, *, device: torch.device | None = None, dtype: torch.dtype) -> Self:
        """Return the features on another device or as another number type."""
        moved = {n: tensor.to(device=device, dtype=dtype) for n, tensor in self.tensors().items()}
        return type(self)(**moved)

    def channels_last(self) -> Self:
        """Return the features with the embedding's channels last in memory, as they are read."""
        embedding = self.embedding.contiguous(memory_format=torch.channels_last)
        return replace(self, embedding=embedding)


class PreparedImage(NamedTuple):
    """What the decoder makes of an image once, for all prompts to come."""

    features: ImageFeatures
    # The features' ``high_res_4`` and ``high_res_8``, see :meth:`.MaskDecoder.with_biases`.
    finer: tuple[Tensor, Tensor]
    position: Tensor  # shape (M, C): encoding of the embedding's grid
    shared: SharedImage | None  # for prompts without a dense part of their own


class ImageEncoder(nn.Module):
    """Trunk and neck."""

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

    - `variant`: says every size.  The network follows the size of the pixels it is given; the
      variant's ``input_size`` is what it was made for.
    """

    memory_attention: MemoryAttention
    memory_encoder: MemoryEncoder
    mask_downsample: nn.Conv2d
    maskmem_tpos_enc: nn.Parameter
    obj_ptr_proj: Mlp
    no_obj_ptr: nn.Parameter
    no_mem_pos_enc: nn.Parameter
    obj_ptr_tpos_proj: nn.Linear  # version 2.1
    no_obj_embed_spatial: nn.Parameter  # version 2.1

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        self.image_encoder = ImageEncoder(variant)
        self.sam_prompt_encoder = PromptEncoder(variant)
        self.sam_mask_decoder = MaskDecoder(variant)
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, variant.width))
        if variant.has_memory:
            add_memory(self, variant)
        for position in (
            self.image_encoder.trunk.pos_embed,
            self.image_encoder.trunk.pos_embed_window,
        ):
            nn.init.trunc_normal_(position, std=0.02)
        nn.init.trunc_normal_(self.no_mem_embed, std=0.02)

    @property
    def has_memory(self) -> bool:
        """Whether the parts for films are there; they are not after weights without them."""
        return hasattr(self, "memory_attention")

    def encode_in(self, dtype: torch.dtype) -> None:
        """Let the trunk's blocks compute in a number type.

        They are nearly all of the work.  What comes before and after them stays as it is: it is
        little, and half precision there alone makes up to a third of the error.
        """
        self.image_encoder.trunk.blocks.to(dtype)

    def encode_image(self, pixels: Tensor, progress: Progress | None = None) -> ImageFeatures:
        """Encode images.

        - `pixels`: Tensor of shape (B, 3, S, S); RGB in [0, 1], normalised with ImageNet's mean and
          deviation
        - `progress`: told the share done, in (0, 1], after each block.  What it raises ends the
          work.
        """
        decoder = self.sam_mask_decoder
        narrowing = as_linear(decoder.conv_s0), as_linear(decoder.conv_s1)
        return self.features(*self.image_encoder(pixels, narrowing, progress))

    def features(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> ImageFeatures:
        """Put together what the neck made of images: channels-last maps of strides 4, 8 and 16."""
        # An image alone has no memory to attend to; training marked that by adding this vector.
        embedding = (coarse + self.no_mem_embed).permute(0, 3, 1, 2)
        return ImageFeatures(embedding, to_cells(fine, 2), to_cells(middle, 1))

    def prepare(self, features: ImageFeatures) -> PreparedImage:
        """Do once for an image what is the same for all prompts; it takes a tenth of a click.

        - `features`: of one image (B = 1)
        """
        image = self.unshared(features.channels_last())
        embedding = image.features.embedding
        no_mask = self.sam_prompt_encoder.no_mask_embed.weight.to(embedding.dtype)
        cells = embedding.flatten(2).transpose(1, 2) + no_mask
        shared = self.sam_mask_decoder.transformer.share(cells, image.position[None])
        return image._replace(shared=shared)

    def unshared(self, features: ImageFeatures) -> PreparedImage:
        """Prepare images without what only prompts without a dense part can share."""
        embedding = features.embedding
        height, width = embedding.shape[-2:]
        position = self.sam_prompt_encoder.pe_layer.grid(height, width)
        finer = self.sam_mask_decoder.with_biases(features.high_res_4, features.high_res_8)
        return PreparedImage(features, finer, position.to(embedding.dtype), None)

    def decode_prompts(
        self,
        image: ImageFeatures | PreparedImage,
        coords: Tensor,
        labels: Tensor,
        mask_input: Tensor | None = None,
    ) -> Decoded:
        """Predict all four masks of each prompt.

        - `image`: one image for all prompts (B = 1), or features with one row per prompt (B = P)
        - `coords`: Tensor of shape (P, N, 2), float32; ``(x, y)`` in pixels of the network's input
        - `labels`: Tensor of shape (P, N), int64; -1 padding, 0 negative, 1 positive, 2 and 3 box
          corners (these first)
        - `mask_input`: Tensor of shape (P, 1, S/4, S/4); previous low-res logits
        """
        if isinstance(image, ImageFeatures):
            image = self.unshared(image)
        features, finer, position, shared = image
        grid = (features.embedding.shape[-2], features.embedding.shape[-1])
        prompts = self.sam_prompt_encoder(coords, labels, mask_input, grid)
        if mask_input is not None:
            shared = None  # what is shared holds for prompts without a mask
        decoded: Decoded = self.sam_mask_decoder(
            features.embedding, position, *finer, prompts, shared
        )
        return decoded
