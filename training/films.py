"""Made films and volumes with the truth: cells that move, touch, divide and vanish; tissue.

Here: :func:`make_film` and :func:`make_tissue`.  Everything follows from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from .volumes import Volume


@dataclass(slots=True)
class _Cell:
    number: int
    centre: NDArray[np.float64]
    speed: NDArray[np.float64]
    axes: NDArray[np.float64]
    angle: float
    level: float
    ends: int  # the frame on which it is gone, or has divided
    parent: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """A film as a volume, with who came from whom.

    Attributes
    ----------
    volume : Volume
    parents : dict of int to int
        Daughter: parent.
    """

    volume: Volume
    parents: dict[int, int]


def make_film(
    seed: int, frames: int = 16, side: int = 128, cells: int = 9, speed: float = 1.5
) -> Film:
    """Make a film of ``frames`` frames of ``side`` x ``side`` pixels.

    Of the cells about a fifth vanishes and a fifth divides on the way; the others push each other,
    so that many touch.  Contrast is bright on dark, dark on bright, or a bright or dark rim.
    """
    rng = np.random.default_rng(seed)
    alive = [_new_cell(rng, number + 1, frames, side, speed) for number in range(cells)]
    parents: dict[int, int] = {}
    count = cells
    style = rng.choice(("bright", "dark", "rim", "dark rim"))
    background = 90 + 25 * ndimage.gaussian_filter(rng.normal(size=(side, side)), 12) * 12
    texture = ndimage.gaussian_filter(rng.normal(size=(2 * side, 2 * side)), 1.5) * 4
    image = np.empty((frames, side, side), np.uint8)
    labels = np.zeros((frames, side, side), np.int64)
    for frame in range(frames):
        for cell in [cell for cell in alive if cell.ends == frame]:
            alive.remove(cell)
            if rng.random() < 0.5:
                for daughter in _divided(rng, cell, count, frames):
                    parents[daughter.number] = cell.number
                    alive.append(daughter)
                count += 2
        picture = background.copy()
        for cell in alive:
            _draw(cell, picture, labels[frame], style, texture)
        noise = rng.normal(size=picture.shape) * 5
        picture = ndimage.gaussian_filter(picture, 0.8) + noise
        image[frame] = picture.clip(0, 255)
        _move(rng, alive, side, speed)
    return Film(Volume(f"film {seed}", image, labels), parents)


def make_tissue(seed: int, planes: int = 16, side: int = 96, cells: int = 40) -> Volume:
    """Make a volume of cells that fill it, with bright or dark walls, as in plants and in EM.

    Each voxel belongs to the seed that it is nearest to; walls are where two are about as near.
    Distance of the planes, width of the walls, noise and blur vary, and so does whether labels
    leave the walls out or meet in their middle.
    """
    rng = np.random.default_rng(seed)
    apart = rng.uniform(1, 4)
    place = np.stack(np.meshgrid(
        apart * np.arange(planes), np.arange(side), np.arange(side), indexing="ij"
    ), axis=-1)  # fmt: skip
    shape = planes, side, side
    warp = [ndimage.gaussian_filter(rng.normal(size=shape), (6 / apart, 6, 6)) for _ in "zyx"]
    place = place + 100 / np.sqrt(apart) * np.stack(warp, axis=-1)
    centres = rng.uniform(-10, (apart * planes + 10, side + 10, side + 10), (cells, 3))
    nearest, numbers = cKDTree(centres).query(place, k=2)
    wall = np.exp(-(((nearest[..., 1] - nearest[..., 0]) / rng.uniform(2, 7)) ** 2))
    sign = 1 if rng.random() < 0.5 else -1
    level = rng.uniform(-25, 25, cells)[numbers[..., 0]] * rng.random()
    grain = ndimage.gaussian_filter(rng.normal(size=shape), (0.5, 1, 1)) * rng.uniform(0, 50)
    faint = 0.6 + 6 * ndimage.gaussian_filter(rng.normal(size=shape), (3 / apart, 8, 8))
    image = (70 if sign == 1 else 180) + level + grain
    image += sign * rng.uniform(50, 110) * wall * faint.clip(0, 1)
    image = ndimage.gaussian_filter(image, rng.uniform(0, 2))
    image += rng.normal(size=shape) * rng.uniform(1, 9)
    labels = np.where(wall < rng.choice((0.8, 2)), numbers[..., 0] + 1, 0)
    return Volume(f"tissue {seed}", image.clip(0, 255).astype(np.uint8), labels.astype(np.int64))


def _new_cell(rng: np.random.Generator, number: int, frames: int, side: int, speed: float) -> _Cell:
    ends = int(rng.integers(frames // 3, frames)) if rng.random() < 0.4 else frames
    return _Cell(
        number,
        rng.uniform(0.15 * side, 0.85 * side, 2),
        rng.normal(size=2) * speed,
        rng.uniform(7, 13, 2),
        rng.uniform(0, np.pi),
        rng.uniform(0.7, 1.2),
        ends,
    )


def _divided(rng: np.random.Generator, cell: _Cell, count: int, frames: int) -> list[_Cell]:
    along = np.array([np.cos(cell.angle), np.sin(cell.angle)]) * cell.axes[0] * 0.6
    return [
        _Cell(
            count + 1 + index, cell.centre + sign * along, cell.speed + sign * along * 0.1,
            cell.axes * 0.75, cell.angle + rng.normal() * 0.3, cell.level, frames, cell.number,
        )
        for index, sign in enumerate((1, -1))
    ]  # fmt: skip


def _draw(
    cell: _Cell,
    picture: NDArray[np.float64],
    labels: NDArray[np.int64],
    style: str,
    texture: NDArray[np.float64],
) -> None:
    rows, columns = np.mgrid[: labels.shape[0], : labels.shape[1]]
    dy, dx = rows - cell.centre[0], columns - cell.centre[1]
    cos, sin = np.cos(cell.angle), np.sin(cell.angle)
    reach = ((dy * cos + dx * sin) / cell.axes[0]) ** 2 + (
        (dx * cos - dy * sin) / cell.axes[1]
    ) ** 2
    inside = (reach <= 1) & (labels == 0)
    labels[inside] = cell.number
    top, left = (cell.number * 37 % labels.shape[0], cell.number * 53 % labels.shape[0])
    own = texture[np.ix_(
        (np.round(dy[:, 0]).astype(int) + top) % len(texture),
        (np.round(dx[0]).astype(int) + left) % len(texture),
    )]  # fmt: skip
    if style.endswith("rim"):
        rim = inside & (reach > 0.6)
        picture[rim] += (60 if style == "rim" else -60) * cell.level
        picture[inside] += 12 * own[inside]
    else:
        sign = 1 if style == "bright" else -1
        picture[inside] += (sign * 55 * cell.level) + 12 * own[inside]


def _move(rng: np.random.Generator, alive: list[_Cell], side: int, speed: float) -> None:
    for cell in alive:
        for other in alive:
            apart = cell.centre - other.centre
            distance = float(np.hypot(*apart)) + 1e-6
            near = 0.9 * (cell.axes.mean() + other.axes.mean())
            if other is not cell and distance < near:
                cell.speed += apart / distance * 0.15 * (near - distance)
        cell.speed = 0.9 * cell.speed + rng.normal(size=2) * 0.3 * speed
        cell.centre = (cell.centre + cell.speed).clip(8, side - 8)
        cell.axes = cell.axes * np.exp(rng.normal(size=2) * 0.02)
        cell.angle += rng.normal() * 0.05
