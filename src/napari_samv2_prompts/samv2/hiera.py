"""The image trunk: Hiera, a hierarchical vision transformer with windowed attention.

Ryali et al., *Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles* (2023), in
the form SAM 2 uses: plain scaled dot-product attention inside windows, a few blocks that attend
over the whole image, max-pooled queries at the start of stages 2 to 4, and a position map made of
an interpolated background plus a tiled window pattern.  Maps are channels-last inside the trunk.

Not here: the feature pyramid on top (``neck.py``), checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .bands import in_bands
from .variants import Variant

__all__ = ["Hiera", "Mlp", "Progress"]

Progress = Callable[[float], object]

MLP_RATIO = 4
NORM_EPS = 1e-6
_TOKENS_AT_ONCE = 2048  # in a band; of 1024 to 4096 the fastest


def _pool(x: Tensor) -> Tensor:
    """Halve a channels-last map ``(B, H, W, C)`` by taking the largest of each 2 x 2.

    Two element-wise maxima: reducing over axes that are not last is some twenty times slower.
    """
    rows = x.unflatten(1, (-1, 2))
    columns = torch.maximum(rows[:, :, 0], rows[:, :, 1]).unflatten(2, (-1, 2))
    return torch.maximum(columns[:, :, :, 0], columns[:, :, :, 1])


def _bicubic_weights(source: int, target: int, like: Tensor) -> Tensor:
    """Return the matrix ``(target, source)`` that resizes one axis bicubically."""
    unit = torch.eye(source, device=like.device, dtype=torch.float32)[None, None]
    resized = F.interpolate(unit, size=(target, source), mode="bicubic")
    return resized[0, 0].to(like.dtype)


def _to_windows(x: Tensor, side: int) -> Tensor:
    """Cut ``(B, H, W, C)`` into ``(B * windows, side, side, C)``, zero-padded at the far ends."""
    batch, height, width, channels = x.shape
    pad_y, pad_x = -height % side, -width % side
    if pad_y or pad_x:
        x = F.pad(x, (0, 0, 0, pad_x, 0, pad_y))
    rows, columns = (height + pad_y) // side, (width + pad_x) // side
    x = x.view(batch, rows, side, columns, side, channels)
    return x.transpose(2, 3).reshape(-1, side, side, channels)


def _from_windows(windows: Tensor, size: tuple[int, int]) -> Tensor:
    """Undo :func:`_to_windows`: put windows together and crop to ``size`` (height, width)."""
    height, width = size
    side, channels = windows.shape[1], windows.shape[-1]
    rows, columns = -(-height // side), -(-width // side)
    x = windows.view(-1, rows, columns, side, side, channels).transpose(2, 3)
    x = x.reshape(-1, rows * side, columns * side, channels)
    return x[:, :height, :width].contiguous()


def _in_row_bands(work: Callable[[Tensor], Tensor], x: Tensor, rows: int) -> Tensor:
    """Do ``work`` on bands of a map ``(B, H, W, C)``, each a multiple of ``rows`` high."""
    fitting = _TOKENS_AT_ONCE // (x.shape[0] * x.shape[2])
    return in_bands(work, (x,), max(1, fitting // rows) * rows)


class Mlp(nn.Module):
    """Linear layers with an activation between them; the keys are ``layers.0``, ``layers.1`` ...

    Parameters
    ----------
    widths : int
        Width of the input, of each hidden layer and of the output.
    activation : type of nn.Module
    """

    def __init__(self, *widths: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., widths[0])`` to ``(..., widths[-1])``."""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        last: Tensor = self.layers[-1](x)
        return last


class MultiScaleAttention(nn.Module):
    """Self-attention over a small map, with the queries optionally pooled to half its side."""

    def __init__(self, dim: int, dim_out: int, heads: int, *, pool: bool) -> None:
        super().__init__()
        self.heads = heads
        self.pool = pool
        self.qkv = nn.Linear(dim, 3 * dim_out)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, H, W, dim)`` to ``(B, H, W, dim_out)``, or half the side when pooling."""
        batch, height, width, _ = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        if self.pool:
            q = _pool(q)
            height, width = q.shape[1:3]
        q, k, v = (
            t.reshape(batch, -1, self.heads, t.shape[-1] // self.heads).transpose(1, 2)
            for t in (q, k, v)
        )
        x = F.scaled_dot_product_attention(q, k, v)
        x = x.transpose(1, 2).reshape(batch, height, width, -1)
        projected: Tensor = self.proj(x)
        return projected


class MultiScaleBlock(nn.Module):
    """A transformer block; the first of a stage doubles the width and halves the map.

    Parameters
    ----------
    dim, dim_out : int
        Channels before and after.
    heads : int
    window : int
        Side of the attention windows in tokens of the *input* map; 0 attends over all of it.
    pool : bool
        Whether the map is halved.
    """

    def __init__(self, dim: int, dim_out: int, heads: int, window: int, *, pool: bool) -> None:
        super().__init__()
        self.window = window
        self.pool = pool
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = MultiScaleAttention(dim, dim_out, heads, pool=pool)
        self.norm2 = nn.LayerNorm(dim_out, eps=NORM_EPS)
        self.mlp = Mlp(dim_out, MLP_RATIO * dim_out, dim_out, activation=nn.GELU)
        self.proj = nn.Linear(dim, dim_out) if dim != dim_out else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, H, W, dim)`` to ``(B, H', W', dim_out)``."""
        if self.window:
            # Nothing in a block looks beyond a window.
            return _in_row_bands(lambda band: self._mix(self._attend(band)), x, self.window)
        return _in_row_bands(self._mix, self._attend(x), rows=1)

    def _attend(self, x: Tensor) -> Tensor:
        """Let tokens look at each other, within windows if there are any."""
        shortcut = x
        x = self.norm1(x)
        if self.proj is not None:
            # The published shortcut of a stage's first block is taken after the norm.
            shortcut = self.proj(x)
            if self.pool:
                shortcut = _pool(shortcut)
        if self.window:
            windows = self.attn(_to_windows(x, self.window))
            x = _from_windows(windows, (shortcut.shape[1], shortcut.shape[2]))
        else:
            x = self.attn(x)
        return shortcut + x

    def _mix(self, x: Tensor) -> Tensor:
        """Let each token's channels mix."""
        mixed: Tensor = x + self.mlp(self.norm2(x))
        return mixed


class PatchEmbed(nn.Module):
    """Cut the image into overlapping patches: a 7 x 7 convolution with stride 4."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=7, stride=4, padding=3)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map ``(B, 3, S, S)`` to ``(B, S/4, S/4, dim)``."""
        x: Tensor = self.proj(pixels).permute(0, 2, 3, 1)
        return x


class Hiera(nn.Module):
    """The trunk: four stages at strides 4, 8, 16 and 32.

    Parameters
    ----------
    variant : Variant
        Row of the table that says widths, depths and windows.
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

    def _position(self, height: int, width: int) -> Tensor:
        """Return the position map ``(1, height, width, C)`` of the first stage's tokens."""
        window = self.pos_embed_window
        # Resizing is linear and separable: two small products instead of one pass per channel.
        down = _bicubic_weights(self.pos_embed.shape[2], height, self.pos_embed)
        across = _bicubic_weights(self.pos_embed.shape[3], width, self.pos_embed)
        rows = torch.tensordot(down, self.pos_embed[0].permute(1, 2, 0), dims=1)
        background = (across @ rows)[None]
        repeats = (-(-height // window.shape[2]), -(-width // window.shape[3]))
        tiled = window.permute(0, 2, 3, 1).tile((1, *repeats, 1))[:, :height, :width]
        return background + tiled

    def forward(self, pixels: Tensor, progress: Progress | None = None) -> list[Tensor]:
        """Return the last map of each stage, finest first, channels last: ``(B, H, W, C)``.

        Parameters
        ----------
        pixels : Tensor of shape (B, 3, S, S)
            Normalised image; S a multiple of 32.
        progress : callable, optional
            Told the share of blocks done, in (0, 1], after each.  What it raises ends the work.
        """
        x = self.patch_embed(pixels)
        x = x + self._position(x.shape[1], x.shape[2])
        stages = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.stage_ends:
                stages.append(x)
            if progress is not None:
                progress((index + 1) / len(self.blocks))
        return stages
