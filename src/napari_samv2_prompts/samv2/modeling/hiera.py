"""The image trunk: Hiera, a hierarchical vision transformer with windowed attention.

Ryali et al., *Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles* (2023), in
the form SAM 2 uses: plain scaled dot-product attention inside windows, a few blocks that attend
over the whole image, max-pooled queries at the start of stages 2 to 4, and a position map made of
an interpolated background plus a tiled window pattern.  Maps are channels-last inside the trunk.

Not here: the feature pyramid on top (``neck.py``), checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_samv2_prompts.samv2.ops.kernels import attend, linear
from napari_samv2_prompts.samv2.ops.tiling import in_tiles, join_tiles

from .config import Variant
from .layers import Mlp
from .window_order import Group, WindowOrder, WindowTables

Progress = Callable[[float], object]

MLP_RATIO = 4
NORM_EPS = 1e-6
_TOKENS_AT_ONCE = 2048  # in a tile; of 1024 to 4096 the fastest


def _pool(windows: Tensor) -> Tensor:
    """Halve windows ``(n, rows, columns, C)`` by taking the largest of each 2 x 2 tokens.

    Two element-wise maxima: reducing over axes that are not last is some twenty times slower.
    """
    rows = windows.unflatten(1, (-1, 2))
    columns = torch.maximum(rows[:, :, 0], rows[:, :, 1]).unflatten(2, (-1, 2))
    return torch.maximum(columns[:, :, :, 0], columns[:, :, :, 1])


def _bicubic_weights(source: int, target: int, like: Tensor) -> Tensor:
    """Return the matrix ``(target, source)`` that resizes one axis bicubically."""
    unit = torch.eye(source, device=like.device, dtype=torch.float32)[None, None]
    resized = F.interpolate(unit, size=(target, source), mode="bicubic")
    return resized[0, 0].to(like.dtype)


def _normed(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Normalise tokens, in the number type of the blocks."""
    weight = norm.weight
    return F.layer_norm(x.to(weight.dtype), weight.shape, weight, norm.bias, norm.eps)


class MultiScaleAttention(nn.Module):
    """Self-attention within windows, with the queries optionally pooled to half the side."""

    def __init__(self, dim: int, dim_out: int, heads: int, *, pool: bool) -> None:
        super().__init__()
        self.heads = heads
        self.pool = pool
        self.qkv = nn.Linear(dim, 3 * dim_out)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(self, x: Tensor, window: Group) -> Tensor:
        """Let the tokens ``(n, t, dim)`` of n windows look at each other: ``(n, t', dim_out)``.

        Not projected yet: :class:`MultiScaleBlock` does that.
        """
        q, k, v = linear(x, self.qkv).chunk(3, dim=-1)
        if self.pool:
            q = _pool(q.unflatten(1, (window.rows, window.columns))).flatten(1, 2)
        if window.missing:
            # The published network fills a window up with zeros, of which queries, keys and values
            # are the bias alone.
            k, v = (
                torch.cat([t, bias.expand(len(t), window.missing, -1)], dim=1)
                for t, bias in zip((k, v), self.qkv.bias.chunk(3)[1:], strict=True)
            )
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        return attend(q, k, v).transpose(1, 2).flatten(2)


class MultiScaleBlock(nn.Module):
    """A transformer block; the first of a stage doubles the width and halves the map.

    Tokens stay float32 from block to block, also where a block computes in half precision: in a
    sum that goes through all blocks roundings add up.

    - `dim`, `dim_out`: channels before and after
    - `window`: side of the attention windows in tokens of the *input* map; 0 attends over all of it
    - `pool`: whether the map is halved
    """

    def __init__(self, dim: int, dim_out: int, heads: int, window: int, *, pool: bool) -> None:
        super().__init__()
        assert window or not pool, "queries are pooled within windows"
        self.window = window
        self.pool = pool
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = MultiScaleAttention(dim, dim_out, heads, pool=pool)
        self.norm2 = nn.LayerNorm(dim_out, eps=NORM_EPS)
        self.mlp = Mlp(dim_out, MLP_RATIO * dim_out, dim_out, activation="gelu")
        self.proj = nn.Linear(dim, dim_out) if dim != dim_out else None

    def forward(self, x: Tensor, order: WindowOrder) -> Tensor:
        """Map tokens ``(B, T, dim)``, in window order, to ``(B, T', dim_out)``.

        Without gradients the tokens may be written over.
        """
        if self.window:
            parts = (part for group in order.groups() for part in self._in_windows(x, group))
            if self.proj is None:
                return join_tiles(parts, order.tokens, into=x)
            return join_tiles(parts, order.tokens // 4 if self.pool else order.tokens)
        whole = Group(0, 1, order.height, order.width, 0)
        return in_tiles(self._after, (x, self.attn(_normed(x, self.norm1), whole)), _TOKENS_AT_ONCE)

    def _in_windows(self, x: Tensor, group: Group) -> Iterator[Tensor]:
        """Work on some windows at a time: nothing in a block looks beyond them."""
        fitting = max(1, _TOKENS_AT_ONCE // (len(x) * group.tokens))
        if x.device.type != "cpu":
            fitting = group.windows
        for first in range(0, group.windows, fitting):
            count = min(fitting, group.windows - first)
            start = group.start + first * group.tokens
            tile = x[:, start : start + count * group.tokens]
            windows = tile.unflatten(1, (count, -1)).flatten(0, 1)
            shortcut, normed = windows, _normed(windows, self.norm1)
            if self.proj is not None:
                # The published shortcut of a stage's first block is taken after the norm.
                shortcut = linear(normed, self.proj)
                if self.pool:
                    shape = (group.rows, group.columns)
                    shortcut = _pool(shortcut.unflatten(1, shape)).flatten(1, 2)
                shortcut = shortcut.to(x.dtype)
            done = self._after(shortcut, self.attn(normed, group))
            yield done.reshape(len(x), -1, done.shape[-1])

    def _after(self, x: Tensor, attended: Tensor) -> Tensor:
        """Add what tokens have seen of each other, and let each token's channels mix."""
        x = x + linear(attended, self.attn.proj).to(x.dtype)
        mixed: Tensor = self.mlp(_normed(x, self.norm2))
        return x + mixed.to(x.dtype)


class PatchEmbed(nn.Module):
    """Cut the image into overlapping patches: a 7 x 7 convolution with stride 4."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=7, stride=4, padding=3)

    def forward(self, pixels: Tensor, rows: slice) -> Tensor:
        """Map ``(B, 3, S, S)`` to some rows of patches, ``(B, rows, S/4, dim)``."""
        # The first row looks three pixels beyond the image, the last one exactly to its end.
        seen = pixels[:, :, max(4 * rows.start - 3, 0) : 4 * rows.stop]
        if rows.start == 0:
            seen = F.pad(seen, (0, 0, 3, 0))
        weight, bias = self.proj.weight, self.proj.bias
        return F.conv2d(seen, weight, bias, stride=4, padding=(0, 3)).permute(0, 2, 3, 1)


class Hiera(nn.Module):
    """The trunk: four stages at strides 4, 8, 16 and 32.

    - `variant`: row of the table that says widths, depths and windows
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        dim, side = variant.embed_dim, variant.position_size
        self.patch_embed = PatchEmbed(dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, dim, side, side))
        self.pos_embed_window = nn.Parameter(
            torch.zeros(1, dim, variant.windows[0], variant.windows[0])
        )
        blocks: list[MultiScaleBlock] = []
        heads, ends = variant.heads, []
        for stage, (depth, width) in enumerate(
            zip(variant.blocks, variant.stage_widths, strict=True)
        ):
            for index in range(depth):
                starts = index == 0 and stage > 0
                if starts:
                    heads *= 2
                # A stage's first block still sees the map of the stage before, so it also keeps
                # that stage's window.
                window = variant.windows[stage - 1 if starts else stage]
                if len(blocks) in variant.global_blocks:
                    window = 0
                blocks.append(
                    MultiScaleBlock(
                        width // 2 if starts else width, width, heads, window, pool=starts
                    )
                )
            ends.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.stage_ends = frozenset(ends)
        self.tables = WindowTables()

    def _patches(self, pixels: Tensor, order: WindowOrder) -> Iterator[Tensor]:
        """Yield the first tokens with their positions, in window order: whole rows of windows.

        Each of these steps moves four times the memory of the image, and for all of it at once
        that would be memory that the system hands out anew, page by page.
        """
        height, width, side = order
        source = self.pos_embed[0].permute(1, 2, 0)
        # Resizing is linear and separable: two small products instead of one pass per channel.
        down, across = (
            _bicubic_weights(before, after, source)
            for before, after in zip(source.shape, (height, width), strict=False)
        )
        window = self.pos_embed_window[0].permute(1, 2, 0)
        tile = max(1, _TOKENS_AT_ONCE // (width * side)) * side
        if pixels.device.type != "cpu" or width % side or height % side:
            tile = height
        for start in range(0, height, tile):
            rows = slice(start, min(start + tile, height))
            background = across @ torch.tensordot(down[rows], source, dims=1)
            part = order._replace(height=len(background))
            repeats = (-(-part.height // len(window)), -(-width // len(window)), 1)
            position = background + window.tile(repeats)[: part.height, :width]
            yield self.tables.to_order(self.patch_embed(pixels, rows) + position, part)

    def forward(self, pixels: Tensor, progress: Progress | None = None) -> list[Tensor]:
        """Return the last map of each stage, finest first, channels last: ``(B, H, W, C)``.

        - `pixels`: Tensor of shape (B, 3, S, S); normalised image; S a multiple of 32
        - `progress`: told the share of blocks done, in (0, 1], after each.  What it raises ends the
          work.
        """
        blocks = [block for block in self.blocks if isinstance(block, MultiScaleBlock)]
        order = WindowOrder(pixels.shape[2] // 4, pixels.shape[3] // 4, blocks[0].window)
        tokens = join_tiles(self._patches(pixels, order), order.tokens)
        stages = []
        for index, block in enumerate(blocks):
            if block.window:
                wanted = order._replace(side=block.window)
                tokens, order = self.tables.reordered(tokens, order, wanted), wanted
            tokens = block(tokens, order)
            if block.pool:
                order = order.halved()
            if index in self.stage_ends:
                stages.append(self.tables.from_order(tokens, order))
            if progress is not None:
                progress((index + 1) / len(blocks))
        return stages
