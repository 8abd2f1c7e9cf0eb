"""The two-way transformer of the mask decoder: tokens look at the image, the image at tokens.

Kirillov et al., *Segment Anything* (2023), figure 14.  The image side may come as a single row
shared by all prompts; it stays one row for as long as it is the same for all of them.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .hiera import Mlp

__all__ = ["TwoWayTransformer"]


class Attention(nn.Module):
    """Multi-head attention whose inner width may be narrower than its input.

    Parameters
    ----------
    width : int
    heads : int
    downsample : int
        The inner width is ``width // downsample``.
    """

    def __init__(self, width: int, heads: int, downsample: int = 1) -> None:
        super().__init__()
        inner = width // downsample
        self.heads = heads
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(width, inner)
        self.v_proj = nn.Linear(width, inner)
        self.out_proj = nn.Linear(inner, width)

    def _split(self, x: Tensor) -> Tensor:
        """Turn ``(B, N, C)`` into ``(B, heads, N, C / heads)``."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from ``q (P, N, C)`` to ``k, v (P, M, C)``; either may have one row for all."""
        rows, length = q.shape[:2]
        if k.shape[0] == 1 and rows > 1:
            # All prompts read the same image: one long list of queries reads it just once.
            q = q.reshape(1, rows * length, -1)
        q, k, v = (
            self._split(self.q_proj(q)),
            self._split(self.k_proj(k)),
            self._split(self.v_proj(v)),
        )
        if q.shape[0] < k.shape[0]:
            q = q.expand(k.shape[0], -1, -1, -1)
        x = F.scaled_dot_product_attention(q, k, v)
        x = x.transpose(1, 2).flatten(2)
        if rows > 1:
            x = x.reshape(rows, length, -1)
        out: Tensor = self.out_proj(x)
        return out


class TwoWayBlock(nn.Module):
    """Self-attention of tokens, tokens to image, MLP on tokens, image to tokens.

    Parameters
    ----------
    width, heads, mlp : int
    first : bool
        The first block has no positions and no residual in its self-attention.
    """

    def __init__(self, width: int, heads: int, mlp: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = Attention(width, heads, downsample=2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp, width, activation=nn.ReLU)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, heads, downsample=2)

    def forward(
        self, tokens: Tensor, image: Tensor, token_pe: Tensor, image_pe: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update tokens ``(P, N, C)`` and image ``(P or 1, HW, C)``."""
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            q = tokens + token_pe
            tokens = tokens + self.self_attn(q, q, tokens)
        tokens = self.norm1(tokens)
        k = image + image_pe
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_pe, k, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.cross_attn_image_to_token(k, tokens + token_pe, tokens))
        return tokens, image


class TwoWayTransformer(nn.Module):
    """A few two-way blocks and a last look of the tokens at the image.

    Parameters
    ----------
    width, heads, mlp, depth : int
    """

    def __init__(self, width: int, heads: int, mlp: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(width, heads, mlp, first=index == 0) for index in range(depth)
        )
        self.final_attn_token_to_image = Attention(width, heads, downsample=2)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(self, image: Tensor, image_pe: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Let tokens and image exchange what they know.

        Parameters
        ----------
        image : Tensor of shape (P or 1, HW, C)
        image_pe : Tensor of shape (1, HW, C)
        tokens : Tensor of shape (P, N, C)
            Also their own positional encoding.

        Returns
        -------
        tokens : Tensor of shape (P, N, C)
        image : Tensor of shape (P, HW, C)
        """
        token_pe = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pe, image_pe)
        final = self.final_attn_token_to_image(tokens + token_pe, image + image_pe, image)
        return self.norm_final_attn(tokens + final), image
