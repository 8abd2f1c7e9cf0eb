"""What the small model keeps of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_samv2_prompts.samv2.modeling.network import ImageFeatures

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class NanoFeatures(ImageFeatures):
    """What the decoder needs of an image.

    - `.descriptors`: Tensor of shape (B, D, S/4, S/4); what cells are compared with prompted places
      in: three colours, then what is learnt
    """

    descriptors: Tensor
