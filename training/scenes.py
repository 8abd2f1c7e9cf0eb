"""Generated scenes of kinds that no open data covers: how instruments show what they show.

Large textured things, phase contrast with its halos, relief (differential interference contrast),
membranes (electron microscopy), walls (plant tissue), stained tissue, budding yeast, chains of
bacteria, grains and pores, hollow things. Here belongs what such a picture looks like; plain scenes
of flat shapes, and the faults that any instrument adds, are in ``generator.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from training.generator import Float, Labels, Scene, add_faults, apart, smooth_noise
from training.shapes import SHAPES, paint

Bool = NDArray[np.bool_]
RNG = np.random.Generator


def texture(rng: RNG, size: int) -> Float:
    """A field (size, size) of zero mean and unit spread: grain, clouds, stripes, dots or cells."""
    kind = rng.choice(["grain", "clouds", "mixed", "stripes", "dots", "cells"])
    if kind == "stripes":
        y, x = np.mgrid[0:size, 0:size].astype(np.float32)
        angle, width = rng.uniform(0, np.pi), rng.uniform(4, size / 10)
        phase = (x * np.cos(angle) + y * np.sin(angle)) / width
        phase = phase + rng.uniform(0, 0.3) * smooth_noise(rng, size, size / 4)
        return np.sin(2 * np.pi * phase).astype(np.float32) * np.float32(1.4)
    if kind == "dots":
        dots = (rng.random((size, size)) < rng.uniform(0.003, 0.02)).astype(np.float32)
        field = ndimage.gaussian_filter(dots, rng.uniform(1.0, 4.0))
    elif kind == "cells":
        cells, depth = tessellation(rng, size, rng.uniform(6, max(8, size / 12)))
        field = rng.normal(0, 0.5, cells.max() + 1).astype(np.float32)[cells]
        field = field + np.minimum(depth, 2)
    else:
        field = smooth_noise(rng, size, 1.0 if kind == "grain" else rng.uniform(4, size / 6))
        if kind == "mixed":
            field = field + rng.uniform(0.3, 1) * smooth_noise(rng, size, 1.5)
    return ((field - field.mean()) / (field.std() + 1e-6)).astype(np.float32)


def tessellation(rng: RNG, size: int, cell: float, bent: float = 0.25) -> tuple[Labels, Float]:
    """Cells around random seeds, and how far each pixel is from its cell's edge.

    Outlines are bent by noise of up to ``bent`` cells.
    """
    count = max(3, round((size / cell) ** 2 * 1.2))
    seeds = rng.uniform(-0.1 * size, 1.1 * size, (count, 2))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    bend = rng.uniform(0, bent) * cell
    places = [
        field + bend * smooth_noise(rng, size, cell * rng.uniform(0.4, 1)) for field in (y, x)
    ]
    places[1] = places[1] * rng.uniform(0.5, 1)
    stacked = np.stack(places, -1)
    distances, nearest = cKDTree(seeds).query(stacked.reshape(-1, 2), k=2, workers=1)
    depth = (distances[:, 1] - distances[:, 0]).reshape(size, size).astype(np.float32) / 2
    _, labels = np.unique(nearest[:, 0], return_inverse=True)
    return (labels.reshape(size, size) + 1).astype(np.int32), depth


def depth_of(labels: Labels) -> tuple[Float, Float]:
    """How deep pixels lie in their objects, and how far the others lie from any object."""
    edges = np.zeros(labels.shape, bool)
    edges[1:] |= labels[1:] != labels[:-1]
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    inside = ndimage.distance_transform_edt(~edges & (labels > 0)).astype(np.float32)
    outside = np.zeros_like(inside)
    if (labels > 0).any() and (labels == 0).any():
        outside = ndimage.distance_transform_edt(labels == 0).astype(np.float32)
    return inside, outside


def scattered(rng: RNG, size: int, names: list[str], low: float, high: float, count: int) -> Labels:
    """Shapes of radii between two bounds at random places, apart from each other."""
    labels = np.zeros((size, size), np.int32)
    for _ in range(count):
        radius = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        outline, _part = SHAPES[str(rng.choice(names))](rng, radius)
        centre = rng.uniform(-0.2 * radius, size + 0.2 * radius, 2)
        paint(labels, outline, centre, int(labels.max()) + 1, free_overlap=0.25)
    return labels


def _none(labels: Labels) -> Labels:
    return np.zeros_like(labels)


def _tones(rng: RNG, distance: float) -> tuple[Float, Float]:
    """Two tones that far apart: grey, or now and then coloured."""
    tones = rng.uniform(0.05, 0.95, (2, 3))
    if rng.random() < 0.6:
        tones = np.repeat(tones[:, :1], 3, 1)
    return tones[0].astype(np.float32), apart(rng, tones[0], tones[1], distance).astype(np.float32)


def _light(rng: RNG, size: int, amount: float) -> Float:
    """Uneven light, about 1."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    slope = x * np.cos(angle) + y * np.sin(angle)
    return (1 + rng.uniform(0, amount) * 2 * slope).astype(np.float32)


def large(rng: RNG, size: int) -> Scene:
    """One to four things of up to the whole picture, each with its own texture and shading."""
    names = ["disc", "ellipse", "blob", "blob", "polygon", "rod", "filament"]
    wholes = scattered(rng, size, names, size / 9, size * 0.6, int(rng.integers(1, 6)))
    ground, tone = _tones(rng, rng.uniform(0.15, 0.6))
    canvas = (
        ground * (1 + rng.uniform(0, 0.3) * texture(rng, size) * (rng.random() < 0.6))[..., None]
    )
    for value in range(1, int(wholes.max()) + 1):
        own = tone * np.float32(np.exp(rng.normal(0, 0.12)))
        looks = own * _light(rng, size, 0.5)[..., None]
        if rng.random() < 0.75:
            looks = looks * (1 + rng.uniform(0.03, 0.3) * texture(rng, size))[..., None]
        canvas = np.where((wholes == value)[..., None], looks, canvas)
    if rng.random() < 0.3:
        inside, _ = depth_of(wholes)
        rim = np.exp(-inside / rng.uniform(1, size / 40)) * rng.uniform(-0.4, 0.4)
        canvas = canvas + (rim * (wholes > 0))[..., None]
    if rng.random() < 0.3:
        _, outside = depth_of(wholes)
        canvas = (
            canvas
            * (1 - rng.uniform(0, 0.5) * np.exp(-outside / (size / 20)) * (wholes == 0))[..., None]
        )
    return Scene(add_faults(rng, canvas.astype(np.float32)), wholes, _none(wholes))


def halos(rng: RNG, size: int) -> Scene:
    """Adherent cells in phase contrast: about as grey as the ground, a bright halo around them."""
    radius = float(np.exp(rng.uniform(np.log(size / 20), np.log(size / 4))))
    names = ["blob", "blob", "ellipse", "rod", "filament"]
    count = int(np.clip((size / radius) ** 2 / 9, 2, 40))
    wholes = scattered(rng, size, names, radius * 0.6, radius * 1.5, count)
    inside, outside = depth_of(wholes)
    width = rng.uniform(0.04, 0.2) * radius + 1
    canvas = 0.45 + 0.03 * smooth_noise(rng, size, size / 3)
    canvas = canvas + (wholes == 0) * rng.uniform(0.1, 0.5) * np.exp(-outside / width)
    canvas = canvas - (wholes > 0) * (
        rng.uniform(0.02, 0.2) * (1 - np.exp(-inside / width))
        + rng.uniform(-0.1, 0.1) * np.exp(-inside / (width / 2))
    )
    grain = smooth_noise(rng, size, rng.uniform(1.5, 5))
    canvas = canvas + (wholes > 0) * grain * rng.uniform(0.01, 0.07)
    return Scene(
        add_faults(rng, np.repeat(canvas[..., None], 3, 2).astype(np.float32)),
        wholes,
        _none(wholes),
    )


def relief(rng: RNG, size: int) -> Scene:
    """Differential interference contrast: light from one side, shadow on the other."""
    radius = float(np.exp(rng.uniform(np.log(size / 24), np.log(size / 3))))
    count = int(np.clip((size / radius) ** 2 / 8, 1, 60))
    names = ["disc", "ellipse", "blob", "rod"]
    wholes = scattered(rng, size, names, radius * 0.7, radius * 1.3, count)
    inside, _ = depth_of(wholes)
    height = np.sqrt(np.minimum(inside, radius * rng.uniform(0.2, 1)))
    height = ndimage.gaussian_filter(height, rng.uniform(0.7, 2))
    height = height + rng.uniform(0, 0.2) * smooth_noise(rng, size, rng.uniform(2, 8)) * (
        wholes > 0
    )
    down, across = np.gradient(height)
    angle = rng.uniform(0, 2 * np.pi)
    slope = down * np.sin(angle) + across * np.cos(angle)
    canvas = 0.5 + rng.uniform(0.1, 0.3) * slope / (np.abs(slope).max() + 1e-6) * 2
    canvas = canvas + 0.03 * smooth_noise(rng, size, size / 3)
    return Scene(
        add_faults(rng, np.repeat(canvas[..., None], 3, 2).astype(np.float32)),
        wholes,
        _none(wholes),
    )


def membranes(rng: RNG, size: int) -> Scene:
    """Cells side by side, parted by dark or bright walls, with organelles in some of them."""
    cell = float(np.exp(rng.uniform(np.log(size / 14), np.log(size / 2.2))))
    wholes, depth = tessellation(rng, size, cell)
    bright = rng.random() < 0.35
    width = rng.uniform(0.8, 0.06 * cell + 1.5)
    wall = np.exp(-((depth / width) ** 2))
    tones = rng.normal(0, 0.05, wholes.max() + 1).astype(np.float32)[wholes]
    base, contrast = (0.25, 0.5) if bright else (0.65, -0.5)
    canvas = base + tones * rng.uniform(0.2, 1.2) + contrast * rng.uniform(0.5, 1.0) * wall
    canvas = canvas + rng.uniform(0.01, 0.08) * smooth_noise(rng, size, rng.uniform(1.5, 5))
    parts = np.zeros_like(wholes)
    if not bright and rng.random() < 0.7:
        for _ in range(int(rng.integers(2, 12))):
            outline = SHAPES["ellipse"](rng, cell * rng.uniform(0.08, 0.22) + 3)[0]
            middle = rng.integers(0, size, 2)
            inside = (wholes == wholes[tuple(middle)]) & (depth > 2 * width)
            value = int(parts.max()) + 1
            paint(parts, outline, middle.astype(float), value, free_overlap=0.3, within=inside)
        organ, _ = depth_of(parts)
        canvas = canvas - (parts > 0) * (0.12 + 0.15 * np.exp(-organ / 1.5))
    return Scene(
        add_faults(rng, np.repeat(canvas[..., None], 3, 2).astype(np.float32)), wholes, parts
    )


def walls(rng: RNG, size: int) -> Scene:
    """Plant tissue: cells up to the middle of thick, blurred walls, some of them cut at an end."""
    cell = float(np.exp(rng.uniform(np.log(size / 8), np.log(size / 1.8))))
    wholes, depth = tessellation(rng, size, cell, bent=0.06)
    count = wholes.max() + 1
    cut = np.where(rng.random(count) < 0.2, rng.uniform(0.2, 0.7, count), 0)
    tones = (rng.uniform(0.02, 0.2, count) + cut).astype(np.float32)[wholes]
    width = cell * rng.uniform(0.05, 0.22)
    strength = 1 + rng.uniform(0, 0.25) * smooth_noise(rng, size, cell)
    wall = np.clip(strength * np.exp(-((depth / width) ** rng.choice([1.0, 2.0]))), 0, 1.2)
    if rng.random() < 0.25:  # the tissue ends
        y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
        angle = rng.uniform(0, 2 * np.pi)
        side = x * np.cos(angle) + y * np.sin(angle) - rng.uniform(0.0, 0.3)
        outer = ndimage.mean(side, wholes, np.arange(1, count)) > 0
        wholes = np.where(outer[wholes - 1], 0, wholes)
        ground = ndimage.binary_erosion(
            wholes == 0, iterations=max(1, round(width)), border_value=1
        )
        tones, wall = np.where(wholes == 0, 0.03, tones), np.where(ground, 0, wall)
    nuclei = (depth > 0.3 * cell) & (rng.random(count) < 0.3)[wholes]
    canvas = tones + (1 - tones) * wall + rng.uniform(0.05, 0.3) * nuclei
    canvas = ndimage.gaussian_filter(canvas, rng.uniform(0.02, 0.06) * cell)
    if rng.random() < 0.2:
        canvas = 1 - canvas
    return Scene(
        add_faults(rng, np.repeat(canvas[..., None], 3, 2).astype(np.float32)),
        wholes.astype(np.int32),
        _none(wholes),
    )


def tissue(rng: RNG, size: int) -> Scene:
    """Stained tissue: glands around a lumen, nuclei along them and scattered between."""
    pink = np.array([0.88, 0.62, 0.76]) + rng.normal(0, 0.05, 3)
    purple = np.array([0.42, 0.25, 0.55]) + rng.normal(0, 0.06, 3)
    brown = rng.random() < 0.25
    if brown:
        pink, purple = np.array([0.85, 0.84, 0.88]), np.array([0.45, 0.28, 0.15])
    wholes = scattered(rng, size, ["blob", "ellipse"], size / 10, size / 3, int(rng.integers(0, 5)))
    inside, _ = depth_of(wholes)
    wall = float(rng.uniform(size / 40, size / 14)) + 3
    lumen = (inside > wall) & (wholes > 0)
    canvas = np.broadcast_to(pink, (size, size, 3)) * np.ones((1, 1, 1))
    canvas = canvas * (1 + rng.uniform(0.02, 0.1) * texture(rng, size))[..., None]
    gland = (pink + purple) / 2 + rng.normal(0, 0.05, 3)
    canvas = np.where((wholes > 0)[..., None], 0.6 * canvas + 0.4 * gland, canvas)
    canvas = np.where(lumen[..., None], rng.uniform(0.85, 0.97), canvas)
    radius = float(np.clip(wall * rng.uniform(0.25, 0.45), 3.5, size / 16))
    parts = np.zeros_like(wholes)
    for _ in range(int(np.clip((size / radius) ** 2 / rng.uniform(12, 60), 5, 120))):
        outline = SHAPES["ellipse"](rng, radius * np.exp(rng.normal(0, 0.2)))[0]
        place = rng.integers(0, size, 2)
        free = wholes == 0 if wholes[tuple(place)] == 0 else (wholes > 0) & ~lumen
        value = int(parts.max()) + 1
        paint(parts, outline, place.astype(float), value, free_overlap=0.2, within=free)
    own = np.exp(rng.normal(0, 0.15, int(parts.max()) + 1))[parts]
    cover = ndimage.gaussian_filter((parts > 0).astype(np.float32), rng.uniform(0.4, 1.0))
    grain = 1 + rng.uniform(0.02, 0.15) * smooth_noise(rng, size, rng.uniform(1.5, 4))
    nuclei = purple * (own * grain)[..., None]
    canvas = canvas + (nuclei - canvas) * (cover * rng.uniform(0.7, 1.0))[..., None]
    loose = np.where(wholes == 0, parts, 0)
    merged = np.where(loose > 0, loose + int(wholes.max()), wholes)
    _, merged = np.unique(merged, return_inverse=True)
    inner = np.where(wholes > 0, parts, 0)
    return Scene(
        add_faults(rng, canvas.astype(np.float32)),
        merged.reshape(size, size).astype(np.int32),
        inner.astype(np.int32),
    )


def yeast(rng: RNG, size: int) -> Scene:
    """Round cells with buds: the pair is the whole, mother and bud are its parts."""
    radius = float(np.exp(rng.uniform(np.log(size / 24), np.log(size / 6))))
    wholes, parts = (np.zeros((size, size), np.int32) for _ in range(2))
    for _ in range(int(np.clip((size / radius) ** 2 / 9, 2, 50))):
        own = radius * np.exp(rng.normal(0, 0.12))
        place = rng.uniform(0, size, 2)
        mother = (
            SHAPES["ellipse"](rng, own)[0] if rng.random() < 0.4 else SHAPES["disc"](rng, own)[0]
        )
        value = int(wholes.max()) + 1
        if not paint(wholes, mother, place, value, free_overlap=0.1):
            continue
        parts[(wholes == value)] = int(parts.max()) + 1
        if rng.random() < 0.5:
            small = own * rng.uniform(0.4, 0.8)
            angle = rng.uniform(0, 2 * np.pi)
            beside = place + 0.95 * (own + small) * np.array([np.sin(angle), np.cos(angle)])
            bud = SHAPES["disc"](rng, max(small, 3))[0]
            before = wholes == value
            if paint(wholes, bud, beside, value, free_overlap=0.5):
                parts[(wholes == value) & ~before] = int(parts.max()) + 1
    inside, outside = depth_of(parts)
    width = rng.uniform(0.06, 0.2) * radius + 0.8
    canvas = 0.5 + 0.02 * smooth_noise(rng, size, size / 3)
    within = parts > 0
    canvas = canvas + within * rng.uniform(-0.25, 0.35) * (1 - np.exp(-inside / width))
    canvas = canvas - within * rng.uniform(0.05, 0.4) * np.exp(-((inside / width) ** 2))
    canvas = canvas + ~within * rng.uniform(0, 0.3) * np.exp(-outside / width)
    canvas = canvas + within * rng.uniform(0, 0.06) * smooth_noise(rng, size, radius / 3)
    return Scene(
        add_faults(rng, np.repeat(canvas[..., None], 3, 2).astype(np.float32)), wholes, parts
    )


def chains(rng: RNG, size: int) -> Scene:
    """Bacteria: rods end to end in bending rows, dark with a halo or bright."""
    wholes = np.zeros((size, size), np.int32)
    half = float(np.exp(rng.uniform(np.log(2.5), np.log(max(size / 24, 3)))))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    for _ in range(int(rng.integers(2, 10))):
        place, angle = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi)
        for _ in range(int(rng.integers(1, 7))):
            long = half * rng.uniform(1.2, 4)
            step = np.array([np.sin(angle), np.cos(angle)]) * (long + half)
            middle = place + step
            along = (y - middle[0]) * np.sin(angle) + (x - middle[1]) * np.cos(angle)
            aside = (x - middle[1]) * np.sin(angle) - (y - middle[0]) * np.cos(angle)
            rod = np.hypot(np.maximum(np.abs(along) - long, 0), aside) <= half
            free = rod & (wholes == 0)
            if free.sum() > max(12, 0.8 * rod.sum()):
                wholes[free] = int(wholes.max()) + 1
            place = middle + step + np.array([np.sin(angle), np.cos(angle)])
            angle += rng.normal(0, 0.25)
    inside, outside = depth_of(wholes)
    sign = -1 if rng.random() < 0.6 else 1
    canvas = (0.6 if sign < 0 else 0.15) + 0.02 * smooth_noise(rng, size, size / 3)
    body = np.clip(inside / half, 0, 1) ** 0.5
    own = np.exp(rng.normal(0, 0.15, int(wholes.max()) + 1))[wholes]
    canvas = canvas + sign * (wholes > 0) * own * (0.1 + rng.uniform(0.1, 0.5) * body)
    if sign < 0:
        canvas = canvas + (wholes == 0) * rng.uniform(0, 0.3) * np.exp(-outside / (half * 0.6))
    return Scene(
        add_faults(rng, np.repeat(canvas[..., None], 3, 2).astype(np.float32)),
        wholes,
        _none(wholes),
    )


def grains(rng: RNG, size: int) -> Scene:
    """A cut material: grains of different tones, thin seams, some of them pores."""
    cell = float(np.exp(rng.uniform(np.log(size / 16), np.log(size / 2))))
    wholes, depth = tessellation(rng, size, cell)
    tones = rng.uniform(0.35, 0.8, wholes.max() + 1).astype(np.float32)
    pores = rng.random(wholes.max() + 1) < 0.15
    tones[pores] *= 0.3
    spread = rng.uniform(0.4, 1)
    canvas = tones[wholes] * spread + 0.55 * (1 - spread)
    canvas = canvas * (1 + rng.uniform(0, 0.15) * texture(rng, size))
    seam = np.exp(-((depth / rng.uniform(0.6, 2)) ** 2))
    canvas = canvas + rng.choice([-1.0, 1.0]) * rng.uniform(0.1, 0.4) * seam
    if rng.random() < 0.3:
        parts = scattered(rng, size, ["disc", "blob"], size / 60 + 2, size / 14 + 2, 10)
        parts[depth < 2] = 0
        canvas = np.where(parts > 0, canvas * rng.uniform(0.2, 0.6), canvas)
    else:
        parts = _none(wholes)
    return Scene(
        add_faults(rng, np.repeat(canvas[..., None], 3, 2).astype(np.float32)), wholes, parts
    )


def hollow(rng: RNG, size: int) -> Scene:
    """Organoids, vesicles, embryos: a wall that shows, and within it what looks like outside."""
    radius = float(np.exp(rng.uniform(np.log(size / 16), np.log(size * 0.45))))
    count = int(np.clip((size / radius) ** 2 / 9, 1, 30))
    names = ["disc", "ellipse", "blob"]
    wholes = scattered(rng, size, names, radius * 0.7, radius * 1.3, count)
    inside, _ = depth_of(wholes)
    width = rng.uniform(0.04, 0.25) * radius + 1
    ground, tone = _tones(rng, rng.uniform(0.2, 0.6))
    within = (wholes > 0).astype(np.float32)
    wall = within * np.exp(-((np.maximum(inside - width, 0) / (0.5 * width)) ** 2))
    cover = np.clip(wall + within * rng.uniform(0, 0.25), 0, 1)
    cover = cover * (1 + rng.uniform(0, 0.3) * texture(rng, size))
    canvas = ground + (tone - ground) * cover[..., None]
    canvas = canvas * (1 + 0.05 * smooth_noise(rng, size, size / 4))[..., None]
    return Scene(add_faults(rng, canvas.astype(np.float32)), wholes, _none(wholes))


SCENES: dict[str, Callable[[RNG, int], Scene]] = {
    "large": large,
    "halos": halos,
    "relief": relief,
    "membranes": membranes,
    "walls": walls,
    "tissue": tissue,
    "yeast": yeast,
    "chains": chains,
    "grains": grains,
    "hollow": hollow,
}
"""What draws a scene of each kind: a function of the random generator and the side in pixels."""
