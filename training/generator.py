"""A procedural generator of images of objects with exact instance masks.

Here belongs how an artificial scene is composed: which shapes, where, and what they look like. How
scenes are cropped, stretched and turned into training samples is in ``data.py``; the outlines of
single shapes are in ``shapes.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from training.shapes import SHAPES, paint

Float = NDArray[np.float32]
Labels = NDArray[np.int32]

KINDS = (
    "discs",
    "ellipses",
    "blobs",
    "polygons",
    "rods",
    "filaments",
    "rings",
    "crowded",
    "nested",
    "mixed",
)
"""The kinds of scene; ``mixed`` draws every object's shape anew."""

_FREE_OVERLAP = 0.25
"""Largest part of a new object that may lie under objects painted before it."""


@dataclass(frozen=True)
class Scene:
    """An image with its objects at two levels.

    Attributes
    ----------
    image : (H, W, 3) uint8
        RGB; the three channels are equal for grey scenes.
    wholes : (H, W) int32
        Whole objects numbered from 1 without gaps, 0 is background.
    parts : (H, W) int32
        Parts of whole objects (the nucleus in a cell, the bore of a ring), numbered likewise; 0
        where there is no part. A part's whole is the value of ``wholes`` below it.
    """

    image: NDArray[np.uint8]
    wholes: Labels
    parts: Labels


def generate(rng: np.random.Generator, size: int = 256, kind: str | None = None) -> Scene:
    """Draw one scene of ``size`` x ``size`` pixels.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance: the same state gives the same scene.
    size : int
        Side of the image in pixels, at least 32.
    kind : str or None
        One of `KINDS`; None picks one.

    Raises
    ------
    ValueError
        If the kind does not exist or the size is too small.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"No kind of scene is called {kind!r}; there are {', '.join(KINDS)}.")
    if size < 32:
        raise ValueError(f"A scene needs at least 32 pixels a side, got {size}.")
    kind = kind or str(rng.choice(KINDS))
    wholes, parts = _arrange(rng, size, kind)
    return Scene(render(rng, wholes, parts, crowded=kind == "crowded"), wholes, parts)


def _arrange(rng: np.random.Generator, size: int, kind: str) -> tuple[Labels, Labels]:
    """Place the objects: label images of wholes and of parts."""
    wholes = np.zeros((size, size), np.int32)
    parts = np.zeros((size, size), np.int32)
    radius = float(np.exp(rng.uniform(np.log(5), np.log(size / 5))))
    room = (size / (2.2 * radius)) ** 2
    crowded = kind == "crowded"
    count = int(np.clip(room * (2.5 if crowded else rng.uniform(0.1, 0.8)), 1, 120))
    names = {
        "discs": ["disc"],
        "crowded": [str(rng.choice(["blob", "ellipse", "polygon", "disc"]))],
    }
    names |= {"nested": [str(rng.choice(["blob", "ellipse"]))], "mixed": list(SHAPES)}
    choices = names.get(kind, [kind.removesuffix("s")])
    spread = rng.uniform(0.05, 0.4)
    n_wholes = n_parts = 0
    for _ in range(count):
        own = float(np.clip(radius * np.exp(spread * rng.standard_normal()), 4, size / 4))
        centre = rng.uniform(-0.1 * own, size + 0.1 * own, 2)
        shape = str(rng.choice(choices))
        outline, inner = SHAPES[shape](rng, own)
        if kind == "nested" or (kind == "mixed" and inner is None and rng.random() < 0.2):
            inner = _nucleus(rng, own)
        if paint(wholes, outline, centre, n_wholes + 1, free_overlap=_FREE_OVERLAP):
            n_wholes += 1
            inside = wholes == n_wholes if inner is not None else None
            if inner is not None and paint(parts, inner, centre, n_parts + 1, within=inside):
                n_parts += 1
    return wholes, parts


def _nucleus(rng: np.random.Generator, radius: float) -> NDArray[np.bool_]:
    """An ellipse small enough to lie in an object of that radius."""
    return SHAPES["ellipse"](rng, max(radius * rng.uniform(0.3, 0.5), 3.0))[0]


def render(
    rng: np.random.Generator, wholes: Labels, parts: Labels, *, crowded: bool = False
) -> NDArray[np.uint8]:
    """Give the objects their looks and the image its faults.

    Parameters
    ----------
    wholes, parts : (H, W) int32
        The objects, as in `Scene`.
    crowded : bool
        Whether objects touch: then they always get rims or shading that tell them apart.

    Returns
    -------
    (H, W, 3) uint8
    """
    size = wholes.shape[0]
    colour = rng.random() < 0.35
    tones = rng.uniform(0, 1, (3, 3)) if colour else np.repeat(rng.uniform(0, 1, (3, 1)), 3, 1)
    tones[1] = apart(rng, tones[0], tones[1], rng.uniform(0.12, 0.6))
    tones[2] = apart(rng, tones[1], tones[2], rng.uniform(0.1, 0.4))
    tones = tones.astype(np.float32)
    canvas = tones[0] + _background(rng, size)[..., None]
    canvas = _lay(rng, canvas, wholes, tones[1], rims=crowded or rng.random() < 0.3)
    if parts.any():
        canvas = _lay(rng, canvas, parts, tones[2], rims=rng.random() < 0.2)
    return add_faults(rng, canvas.astype(np.float32))


def apart(rng: np.random.Generator, base: Float, tone: Float, distance: float) -> Float:
    """Move a tone along its own direction until it differs from the base by the distance."""
    step = tone - base
    norm = float(np.abs(step).max())
    if norm < 1e-3:
        step, norm = np.full_like(step, rng.choice([-1.0, 1.0])), 1.0
    moved = base + step / norm * distance
    flipped = base - step / norm * distance
    outside = (
        np.abs(moved - np.clip(moved, 0, 1)).max() > np.abs(flipped - np.clip(flipped, 0, 1)).max()
    )
    return np.clip(flipped if outside else moved, 0, 1)


def smooth_noise(rng: np.random.Generator, size: int, cell: float) -> Float:
    """Noise (size, size) of zero mean and unit spread, its features ``cell`` pixels wide."""
    grid = max(int(np.ceil(size / max(cell, 1.0))) + 3, 4)
    coarse = rng.standard_normal((grid, grid)).astype(np.float32)
    if grid >= size:
        return coarse[:size, :size]
    field = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    return (field - field.mean()) / (field.std() + 1e-6)


def _background(rng: np.random.Generator, size: int) -> Float:
    """Gradient, clouds, stripes and specks that belong to no object."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    field = rng.uniform(0, 0.25) * rng.random() * (x * np.cos(angle) + y * np.sin(angle))
    if rng.random() < 0.5:
        field += rng.uniform(0, 0.08) * smooth_noise(rng, size, rng.uniform(4, size / 3))
    if rng.random() < 0.1:
        field += rng.uniform(0, 0.06) * np.sin(
            (x * np.sin(angle) + y * np.cos(angle)) * rng.uniform(20, 200)
        )
    if rng.random() < 0.25:
        specks = ndimage.gaussian_filter(
            (rng.random((size, size)) < 0.002).astype(np.float32), rng.uniform(0.7, 1.5)
        )
        field += rng.uniform(-0.5, 0.5) * specks / (specks.max() + 1e-6)
    return field.astype(np.float32)


def _lay(
    rng: np.random.Generator, canvas: Float, labels: Labels, tone: Float, *, rims: bool
) -> Float:
    """Paint labelled objects over the canvas: tone, shading from the edge inwards, rim, texture."""
    size, count = labels.shape[0], int(labels.max()) + 1
    edges = np.zeros(labels.shape, bool)
    edges[1:] |= labels[1:] != labels[:-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    depth = ndimage.distance_transform_edt(~edges & (labels > 0)).astype(np.float32)
    reach = np.ones(count, np.float32)
    np.maximum.at(reach, labels.ravel(), depth.ravel() + 1)
    own = np.clip(1 + rng.uniform(0, 0.35) * rng.standard_normal(count), 0.35, 1.8).astype(
        np.float32
    )
    strength = own[labels]
    if rng.random() < 0.5:
        strength = strength * (
            1 - rng.uniform(0.1, 0.6) * (1 - np.sqrt(np.clip(depth / reach[labels], 0, 1)))
        )
    texture = (
        rng.uniform(0, 0.35) * smooth_noise(rng, size, rng.uniform(1, 14)) * (rng.random() < 0.7)
    )
    alpha = ndimage.gaussian_filter((labels > 0).astype(np.float32), rng.uniform(0.3, 0.8))
    under = canvas.mean((0, 1))
    paint_over = under + (tone - under) * (strength + texture)[..., None]
    if rims:
        width = rng.uniform(1.0, 3.0)
        rim = (
            np.exp(-0.5 * (np.maximum(depth - 0.5, 0) / width) ** 2)
            * rng.choice([-1, 1])
            * rng.uniform(0.1, 0.5)
        )
        paint_over = paint_over + (rim * (labels > 0))[..., None]
        if rng.random() < 0.3:
            alpha = alpha * np.clip(np.abs(rim) * 3 + rng.uniform(0, 0.4), 0, 1)
    return canvas + (paint_over - canvas) * alpha[..., None]


def add_faults(rng: np.random.Generator, canvas: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Uneven light, blur, noise, gamma, dim exposure: what a microscope adds to a scene."""
    size = canvas.shape[0]
    if rng.random() < 0.3:
        canvas = (
            canvas
            * (1 + rng.uniform(0.05, 0.25) * np.tanh(smooth_noise(rng, size, size / 2)))[..., None]
        )
    if rng.random() < 0.6:
        sigma = rng.uniform(0.3, 2.0)
        canvas = ndimage.gaussian_filter(canvas, (sigma, sigma, 0))
    canvas = np.clip(canvas, 0, 1)
    if rng.random() < 0.3:
        canvas = canvas ** np.exp(rng.uniform(-0.7, 0.7))
    grey = bool(np.allclose(canvas[..., 0], canvas[..., 2], atol=1e-3))
    shape = (size, size, 1) if grey or rng.random() < 0.3 else canvas.shape
    noise = rng.choice(
        ["none", "gaussian", "shot", "speckle", "salt"], p=[0.2, 0.4, 0.2, 0.15, 0.05]
    )
    amount = rng.uniform(0.005, 0.08)
    if noise == "gaussian":
        canvas = canvas + amount * rng.standard_normal(shape, np.float32)
    elif noise == "shot":
        canvas = canvas + np.sqrt(canvas + 0.01) * amount * rng.standard_normal(shape, np.float32)
    elif noise == "speckle":
        canvas = canvas * (1 + 2 * amount * rng.standard_normal(shape, np.float32))
    elif noise == "salt":
        canvas = np.where(rng.random(shape) < amount / 4, rng.integers(0, 2, shape), canvas)
    return (np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8)
