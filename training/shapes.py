"""Outlines of single objects, and the brush that paints them into a label image.

Every shape is a function of a random generator and a radius in pixels; it returns the outline and,
for shapes that have one, the part inside it. Outline and part are square images of odd side with
the object's centre in the middle.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Bool = NDArray[np.bool_]
Shape = tuple[Bool, Bool | None]


def _grid(radius: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates (y, x) of a square window of odd side that holds the radius."""
    half = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    return y, x


def _turned(
    rng: np.random.Generator, radius: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same coordinates, turned by a random angle."""
    y, x = _grid(radius)
    angle = rng.uniform(0, np.pi)
    return x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) - y * np.sin(angle)


def disc(rng: np.random.Generator, radius: float) -> Shape:
    """A filled circle."""
    y, x = _grid(radius)
    return x**2 + y**2 <= radius**2, None


def ellipse(rng: np.random.Generator, radius: float) -> Shape:
    """A filled ellipse of axis ratio 0.4 to 1."""
    ratio = rng.uniform(0.4, 1.0)
    y, x = _turned(rng, radius)
    return x**2 + (y / ratio) ** 2 <= radius**2, None


def blob(rng: np.random.Generator, radius: float) -> Shape:
    """A closed curve r(angle) made of the first harmonics: an uneven, soft shape."""
    y, x = _turned(rng, radius * 1.5)
    angle = np.arctan2(y, x)
    edge = np.ones_like(angle)
    for order in range(2, 6):
        edge += rng.normal(0, 0.22 / order) * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
    return np.hypot(y * rng.uniform(1.0, 1.6), x) <= radius * np.clip(edge, 0.4, 1.5), None


def polygon(rng: np.random.Generator, radius: float) -> Shape:
    """A polygon of 3 to 8 corners, convex or not."""
    corners = int(rng.integers(3, 9))
    angles = np.sort((np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) * 2 * np.pi / corners)
    radii = radius * rng.uniform(0.6, 1.2, corners)
    return _drawn(
        radius * 1.2, lambda draw, c: draw.polygon(_around(c, angles, radii), fill=1)
    ), None


def rod(rng: np.random.Generator, radius: float) -> Shape:
    """A straight bar with round ends, as bacteria are."""
    width = max(radius * rng.uniform(0.15, 0.45), 2.0)
    y, x = _turned(rng, radius)
    beyond = np.maximum(np.abs(x) - (radius - width), 0)
    return np.hypot(beyond, y) <= width, None


def filament(rng: np.random.Generator, radius: float) -> Shape:
    """A bending line of constant width."""
    length = radius * 1.6
    steps = 12
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.3, steps))
    path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), 0) * (2 * length / steps)
    path -= (path.max(0) + path.min(0)) / 2
    width = int(max(3, round(radius * rng.uniform(0.08, 0.25))))
    reach = float(np.abs(path).max()) + width

    def line(draw: ImageDraw.ImageDraw, centre: float) -> None:
        draw.line(
            [(float(px + centre), float(py + centre)) for px, py in path],
            fill=1,
            width=width,
            joint="curve",
        )

    return _drawn(reach, line), None


def ring(rng: np.random.Generator, radius: float) -> Shape:
    """A disc whose bore is its part: a vessel, a membrane, a washer."""
    y, x = _turned(rng, radius)
    distance = np.hypot(x, y / rng.uniform(0.7, 1.0))
    return distance <= radius, distance <= radius * rng.uniform(0.5, 0.85)


def _around(
    centre: float, angles: NDArray[np.float64], radii: NDArray[np.float64]
) -> list[tuple[float, float]]:
    xs, ys = centre + radii * np.cos(angles), centre + radii * np.sin(angles)
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]


def _drawn(reach: float, draw: Callable[[ImageDraw.ImageDraw, float], None]) -> Bool:
    """What a drawing routine paints into a window that reaches that far from its centre."""
    half = int(np.ceil(reach)) + 1
    picture = Image.new("L", (2 * half + 1, 2 * half + 1))
    draw(ImageDraw.Draw(picture), float(half))
    return np.asarray(picture) > 0


SHAPES: dict[str, Callable[[np.random.Generator, float], Shape]] = {
    "disc": disc,
    "ellipse": ellipse,
    "blob": blob,
    "polygon": polygon,
    "rod": rod,
    "filament": filament,
    "ring": ring,
}


def paint(
    labels: NDArray[np.int32],
    outline: Bool,
    centre: NDArray[np.float64],
    value: int,
    *,
    free_overlap: float = 1.0,
    within: Bool | None = None,
) -> bool:
    """Write a value where the outline, set at the centre (y, x), falls on unlabelled pixels.

    Nothing is written, and False returned, where fewer than 12 pixels are left, where more than
    ``free_overlap`` of the outline's visible part lies on other objects, or where it is not
    ``within`` the given mask at all.
    """
    half = outline.shape[0] // 2
    top, left = (round(float(c)) - half for c in centre)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = (
        min(top + outline.shape[0], labels.shape[0]),
        min(left + outline.shape[1], labels.shape[1]),
    )
    if y0 >= y1 or x0 >= x1:
        return False
    visible = outline[y0 - top : y1 - top, x0 - left : x1 - left]
    window = labels[y0:y1, x0:x1]
    free = visible & (window == 0)
    if within is not None:
        free &= within[y0:y1, x0:x1]
    if free.sum() < 12 or free.sum() < (1 - free_overlap) * visible.sum():
        return False
    window[free] = value
    return True
