"""Memory of a film put together: maps that remember, pointers to objects, masks as memories.

What is done, in tensors, with the parts that a network has for it (``memory_parts.py``).  Ravi et
al., *SAM 2* (2024), section 4 and appendix C.  Version 2.1 differs from 2.0 in two things: pointers
carry their age, and a memory says that its object was hidden.

Not here: which frames are remembered (``memory.py``), films and prompts (``video_predictor.py``).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .memory_attention import MEMORY_WIDTH, Remembered
from .network import SAMV2Network
from .position import sine_grid, sines
from .rotary import rotation

MASK_LOGIT = 10.0
"""How sure a mask is that it is given whole; what the memory encoder reads lies between these."""


def conditioned(
    network: SAMV2Network,
    image: Tensor,
    features: Tensor,
    slots: Tensor,
    past_pointers: Tensor,
    ages: Tensor,
) -> Tensor:
    """Let the map of a frame read what is remembered of objects on other frames.

    - `image`: Tensor of shape (1, C, H, W); as the neck gives it, without ``no_mem_embed``
    - `features`: Tensor of shape (B, K, H * W, 64); memories of K frames for each of B objects, see
      :func:`encoded`
    - `slots`: Tensor of shape (K,), int64; temporal slot of each: 0 to 5 for a distance of one to
      six frames, 6 for conditioning
    - `past_pointers`: Tensor of shape (B, P, C); see :func:`pointers`; P may be 0
    - `ages`: Tensor of shape (P,), float32; how far back each lies, as a share of the longest reach
    - returns a Tensor of shape (B, C, H, W), float32
    """
    width, rows, columns = image.shape[1:]
    device = image.device
    place = sine_grid(rows, columns, MEMORY_WIDTH, device)
    features = features.float()
    located = features + place + network.maskmem_tpos_enc[slots, 0]
    tokens = past_pointers.unflatten(-1, (-1, MEMORY_WIDTH))  # four tokens each
    aged = tokens + _age(network, ages)
    remembered = Remembered(
        torch.cat([features.flatten(1, 2), tokens.flatten(1, 2)], dim=1),
        torch.cat([located.flatten(1, 2), aged.flatten(1, 2)], dim=1),
        tokens.shape[1] * tokens.shape[2],
    )
    cells = network.memory_attention(
        image.flatten(2).transpose(1, 2),
        sine_grid(rows, columns, width, device),
        remembered,
        rotation(rows, columns, width, device),
    )
    result: Tensor = cells.transpose(1, 2).unflatten(2, (rows, columns))
    return result


def _age(network: SAMV2Network, ages: Tensor) -> Tensor:
    """Return what is added to pointers of these ages, ``(P, 1, 64)``: nothing in version 2.0."""
    if network.variant.version == "2.0":
        return ages.new_zeros((len(ages), 1, MEMORY_WIDTH))
    age: Tensor = network.obj_ptr_tpos_proj(sines(ages, network.variant.width))
    return age[:, None]


def pointers(network: SAMV2Network, tokens: Tensor, present: Tensor) -> Tensor:
    """Turn mask tokens ``(B, C)`` of the decoder into pointers; absent objects have a fixed one."""
    pointing: Tensor = network.obj_ptr_proj(tokens)
    return torch.where(present[:, None], pointing, network.no_obj_ptr)


def enlarged(logits: Tensor, side: int) -> Tensor:
    """Enlarge low-res logits ``(B, 1, S/4, S/4)`` to the input's size."""
    return F.interpolate(logits, size=(side, side), mode="bilinear", align_corners=False)


def encoded(
    network: SAMV2Network, image: Tensor, logits: Tensor, present: Tensor, *, hard: bool
) -> Tensor:
    """Encode what is remembered of objects on a frame.

    - `image`: Tensor of shape (1, C, H, W); as the neck gives it, without ``no_mem_embed``
    - `logits`: Tensor of shape (B, 1, 4 * H, 4 * W); low-res logits
    - `present`: Tensor of shape (B,), bool; whether the object is there
    - `hard`: take what is above 0 as surely inside and the rest as surely outside: for masks that
      somebody prompted
    - returns a Tensor of shape (B, H * W, 64), bfloat16
    """
    whole = enlarged(logits.float(), 16 * image.shape[-1])
    inside = (whole > 0).float() if hard else whole.sigmoid()
    masks = inside * (2 * MASK_LOGIT) - MASK_LOGIT
    features = network.memory_encoder(image.float(), masks)
    if network.variant.version != "2.0":
        absent = ~present[:, None, None]
        features = torch.where(absent, features + network.no_obj_embed_spatial, features)
    result: Tensor = features.to(torch.bfloat16)
    return result
