"""The two-way transformer of the mask decoder: tokens look at the image, the image at tokens.

Kirillov et al., *Segment Anything* (2023), figure 14.  Tokens are few (some ten) and image cells
many (thousands), so what is spent goes into projecting the cells.  Two things keep that small, and
neither changes the result:

* The image side may come as a single row shared by all prompts, and stays one row for as long as
  it is the same for all of them.
* A projection of the cells that only meets a few tokens is moved to the tokens' side:
  ``q . (W k) = (W' q) . k``.  It pays while heads x tokens is less than the inner width.
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

    @property
    def head_width(self) -> int:
        """Inner channels of one head."""
        return self.q_proj.out_features // self.heads

    def split(self, x: Tensor) -> Tensor:
        """Turn ``(P, N, C)`` into ``(P, heads, N, C / heads)``."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def moves_projection(self, n_tokens: int) -> bool:
        """Whether projecting tokens to the cells' width costs less than projecting the cells."""
        return n_tokens < self.head_width

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from ``q (P, N, C)`` to ``k, v (P, M, C)``, all projected as they are."""
        q, k, v = self.split(self.q_proj(q)), self.split(self.k_proj(k)), self.split(self.v_proj(v))
        x = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.out_proj(x.transpose(1, 2).flatten(2))
        return out


def tokens_to_image(attention: Attention, tokens: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Let tokens ``(P, N, C)`` read image cells, keys and values ``(P or 1, M, C)``."""
    rows, length = tokens.shape[:2]
    if keys.shape[0] < rows:
        # All prompts read the same image: one long list of queries reads it just once.
        tokens = tokens.reshape(1, rows * length, -1)
    if not attention.moves_projection(tokens.shape[1]):
        return attention(tokens, keys, values).reshape(rows, length, -1)
    q = attention.split(attention.q_proj(tokens))
    # The bias of the keys adds the same to all scores of a query: softmax does not see it.
    key_weight = attention.k_proj.weight.unflatten(0, (attention.heads, -1))
    q = (q @ key_weight).flatten(1, 2) * attention.head_width**-0.5
    shares = (q @ keys.transpose(1, 2)).softmax(dim=-1)
    read = (shares @ values).unflatten(1, (attention.heads, -1))
    value_weight = attention.v_proj.weight.unflatten(0, (attention.heads, -1))
    x = (read @ value_weight.transpose(1, 2)).transpose(1, 2).flatten(2) + attention.v_proj.bias
    out: Tensor = attention.out_proj(x)
    return out


def image_to_tokens(attention: Attention, image: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Let image cells ``(P or 1, M, C)`` read tokens, keys and values ``(P, N, C)``."""
    k, v = attention.split(attention.k_proj(keys)), attention.split(attention.v_proj(values))
    scale = attention.head_width**-0.5
    if image.shape[0] == keys.shape[0] and attention.moves_projection(keys.shape[1]):
        query_weight = attention.q_proj.weight.unflatten(0, (attention.heads, -1))
        query_bias = attention.q_proj.bias.unflatten(0, (attention.heads, -1))
        moved = (k @ query_weight).flatten(1, 2)
        offset = (k @ query_bias[:, :, None]).flatten(1, 2)
        scores = (moved @ image.transpose(1, 2) + offset).unflatten(1, (attention.heads, -1))
    else:
        scores = k @ attention.split(attention.q_proj(image)).transpose(2, 3)
    shares = (scores * scale).softmax(dim=2)  # (P, heads, N, M): each cell's shares of the tokens
    out_weight = attention.out_proj.weight.unflatten(1, (attention.heads, -1)).permute(1, 2, 0)
    read = (v @ out_weight).flatten(1, 2)
    return shares.flatten(1, 2).transpose(1, 2) @ read + attention.out_proj.bias


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
        read = tokens_to_image(self.cross_attn_token_to_image, tokens + token_pe, k, image)
        tokens = self.norm2(tokens + read)
        tokens = self.norm3(tokens + self.mlp(tokens))
        read = image_to_tokens(self.cross_attn_image_to_token, k, tokens + token_pe, tokens)
        return tokens, self.norm4(image + read)


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
        attention = self.final_attn_token_to_image
        final = tokens_to_image(attention, tokens + token_pe, image + image_pe, image)
        return self.norm_final_attn(tokens + final), image
