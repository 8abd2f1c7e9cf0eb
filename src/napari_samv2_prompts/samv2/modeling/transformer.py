"""The two-way transformer of the mask decoder: tokens look at the image, the image at tokens.

Kirillov et al., *Segment Anything* (2023), figure 14.  Tokens are few (some ten) and image cells
many (thousands), so what is spent goes into the cells.  Three things keep that small, and none of
them changes the result:

* As long as the image is the same for all prompts, it stays a single row, and what the first block
  projects it to (:class:`SharedImage`) can be kept with the image.
* A projection of the cells that only meets a few tokens is moved to the tokens' side:
  ``q . (W k) = (W' q) . k``.  It pays while heads x tokens is less than the inner width.
* Cells are worked on in tiles, see :mod:`.tiling`.

Cells have the number type that the image comes in, tokens are float32: tokens decide which mask is
chosen, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_samv2_prompts.samv2.ops.kernels import attend
from napari_samv2_prompts.samv2.ops.tiling import in_tiles

from .layers import Mlp

CELLS_AT_ONCE = 2048  # image cells of all prompts in a tile


class SharedImage(NamedTuple):
    """What the first block makes of an image before it meets a prompt."""

    # Shape (1, M, C): the image itself, with the part of the prompts that is the same for all.
    image: Tensor
    # Shape (1, M, C / 2): for tokens that look at the image.
    keys: Tensor
    values: Tensor
    queries: Tensor  # shape (1, M, C / 2): for the image that looks at tokens


class Attention(nn.Module):
    """Multi-head attention whose inner width may be narrower than its input.

    - `downsample`: the inner width is ``width // downsample``
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


def tokens_to_image(attention: Attention, tokens: Tensor, image: Tensor, pe: Tensor) -> Tensor:
    """Let tokens ``(P, N, C)`` read their image ``(P, M, C)`` with positions ``(1, M, C)``."""
    if not attention.moves_projection(tokens.shape[1]):
        return attention(tokens, (image + pe).to(tokens.dtype), image.to(tokens.dtype))
    q = attention.split(attention.q_proj(tokens)) * attention.head_width**-0.5
    # The bias of the keys adds the same to all scores of a query: softmax does not see it.
    key_weight = attention.k_proj.weight.unflatten(0, (attention.heads, -1))
    moved = (q @ key_weight).flatten(1, 2).to(image.dtype)
    tile = CELLS_AT_ONCE // len(image)
    scores = in_tiles(lambda x, at: moved @ (x + at).transpose(1, 2), (image, pe), tile, axis=2)
    read = (scores.softmax(dim=-1) @ image).to(q.dtype).unflatten(1, (attention.heads, -1))
    value_weight = attention.v_proj.weight.unflatten(0, (attention.heads, -1))
    x = (read @ value_weight.transpose(1, 2)).transpose(1, 2).flatten(2) + attention.v_proj.bias
    out: Tensor = attention.out_proj(x)
    return out


def tokens_to_shared(attention: Attention, tokens: Tensor, shared: SharedImage) -> Tensor:
    """Let tokens ``(P, N, C)`` of all prompts read the same image, as one list of queries."""
    q = attention.split(attention.q_proj(tokens.flatten(0, 1)[None]))
    k, v = attention.split(shared.keys), attention.split(shared.values)
    x = attend(q.to(k.dtype), k, v).to(q.dtype).transpose(1, 2).flatten(2)
    out: Tensor = attention.out_proj(x).reshape(tokens.shape)
    return out


def _scores_of_cells(
    attention: Attention, k: Tensor, dtype: torch.dtype, *, projected: bool
) -> Callable[..., Tensor]:
    """Return what turns a tile of the image into its scores ``(P, heads * N, m)``.

    ``k (P, heads, N, C / heads)`` are the tokens' keys.  The tile is given as its queries ``(1, m,
    inner)``, or as its cells ``(P, m, C)`` and their positions, in this number type.
    """
    if projected:
        k = k.to(dtype)
        # One product for each prompt, since a batch of them would copy the queries for each.
        return lambda q: torch.stack(
            [(row @ attention.split(q)[0].transpose(1, 2)).flatten(0, 1) for row in k]
        )
    if attention.moves_projection(k.shape[2]):
        weight = attention.q_proj.weight.unflatten(0, (attention.heads, -1))
        bias = attention.q_proj.bias.unflatten(0, (attention.heads, -1))
        moved, offset = (t.flatten(1, 2).to(dtype) for t in (k @ weight, k @ bias[:, :, None]))
        return lambda x, pe: torch.baddbmm(offset, moved, (x + pe).transpose(1, 2))

    def scores(x: Tensor, pe: Tensor) -> Tensor:
        q = attention.split(attention.q_proj((x + pe).to(k.dtype)))
        return (k @ q.transpose(2, 3)).flatten(1, 2).to(dtype)

    return scores


class TwoWayBlock(nn.Module):
    """Self-attention of tokens, tokens to image, MLP on tokens, image to tokens.

    - `first`: the first block has no positions and no residual in its self-attention
    """

    def __init__(self, width: int, heads: int, mlp: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = Attention(width, heads, downsample=2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp, width, activation="relu")
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, heads, downsample=2)

    def forward(
        self,
        tokens: Tensor,
        image: Tensor,
        token_pe: Tensor,
        image_pe: Tensor,
        shared: SharedImage | None,
    ) -> tuple[Tensor, Tensor]:
        """Update tokens ``(P, N, C)`` and image ``(P, M, C)``.

        With ``shared``, the image is ``(1, M, C)``.
        """
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            q = tokens + token_pe
            tokens = tokens + self.self_attn(q, q, tokens)
        tokens = self.norm1(tokens)
        attention = self.cross_attn_token_to_image
        if shared is None:
            read = tokens_to_image(attention, tokens + token_pe, image, image_pe)
        else:
            read = tokens_to_shared(attention, tokens + token_pe, shared)
        tokens = self.norm2(tokens + read)
        tokens = self.norm3(tokens + self.mlp(tokens))
        return tokens, self._update_image(tokens, image, token_pe, image_pe, shared)

    def _update_image(
        self,
        tokens: Tensor,
        image: Tensor,
        token_pe: Tensor,
        image_pe: Tensor,
        shared: SharedImage | None,
    ) -> Tensor:
        """Let the image look at the tokens."""
        attention = self.cross_attn_image_to_token
        k = attention.split(attention.k_proj(tokens + token_pe)) * attention.head_width**-0.5
        v = attention.split(attention.v_proj(tokens))
        scores_of = _scores_of_cells(attention, k, image.dtype, projected=shared is not None)
        out_weight = attention.out_proj.weight.unflatten(1, (attention.heads, -1)).permute(1, 2, 0)
        # Weights add up to one in each head, so each head can bring its part of the bias.
        read = (v @ out_weight + attention.out_proj.bias / attention.heads).flatten(1, 2)
        read = read.to(image.dtype)
        scale, shift = (t.to(image.dtype) for t in (self.norm4.weight, self.norm4.bias))

        def work(x: Tensor, *parts: Tensor) -> Tensor:
            scores = scores_of(*parts).unflatten(1, (attention.heads, -1))
            weights = scores.softmax(dim=2).flatten(1, 2)  # each cell's weights of the tokens
            updated = torch.baddbmm(x, weights.transpose(1, 2), read)
            return F.layer_norm(updated, scale.shape, scale, shift, self.norm4.eps)

        tile = CELLS_AT_ONCE // len(tokens)
        if shared is not None:
            return in_tiles(work, (image, shared.queries), tile)
        # What the block before made for these prompts alone is not needed any more.
        return in_tiles(work, (image, image, image_pe), tile, into=image)


class TwoWayTransformer(nn.Module):
    """A few two-way blocks and a last look of the tokens at the image."""

    def __init__(self, width: int, heads: int, mlp: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(width, heads, mlp, first=index == 0) for index in range(depth)
        )
        self.final_attn_token_to_image = Attention(width, heads, downsample=2)
        self.norm_final_attn = nn.LayerNorm(width)

    def share(self, image: Tensor, image_pe: Tensor) -> SharedImage:
        """Project an image ``(1, M, C)`` to what the first block needs of it for any prompt."""
        first = self.layers[0]
        assert isinstance(first, TwoWayBlock)
        keys, to_image = image + image_pe, first.cross_attn_token_to_image

        def project(x: Tensor, layer: nn.Linear) -> Tensor:
            return F.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))

        return SharedImage(
            image,
            project(keys, to_image.k_proj),
            project(image, to_image.v_proj),
            project(keys, first.cross_attn_image_to_token.q_proj),
        )

    def forward(
        self,
        image: Tensor,
        image_pe: Tensor,
        tokens: Tensor,
        n_results: int,
        shared: SharedImage | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Let tokens and image exchange what they know.

        Without gradients the image may be written over, unless it is shared.

        - `image`: Tensor of shape (P or 1, M, C)
        - `image_pe`: Tensor of shape (1, M, C)
        - `tokens`: Tensor of shape (P, N, C); also their own positional encoding
        - `n_results`: how many tokens, from the first, are wanted in the end
        - `shared`: of :meth:`share`, if the image is the same for all prompts
        - returns `tokens`: Tensor of shape (P, n_results, C)
        - returns `image`: Tensor of shape (P, M, C)
        """
        if shared is None and len(image) < len(tokens):
            shared = self.share(image, image_pe)
        token_pe = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pe, image_pe, shared)
            shared = None
        tokens, token_pe = tokens[:, :n_results], token_pe[:, :n_results]
        attention = self.final_attn_token_to_image
        final = tokens_to_image(attention, tokens + token_pe, image, image_pe)
        return self.norm_final_attn(tokens + final), image
