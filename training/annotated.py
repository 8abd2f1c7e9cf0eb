"""Real annotated images, and which of them are never trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tifffile import imread

VALIDATION_SHARE = 0.15
VALIDATION_GROUPS: dict[str, tuple[str, ...]] = {
    "embryos_drosophila": ("3d30", "5d34"),
    "filaria": ("SNAP", "NGM_Met_OP_5"),
    "flakes2d_om": ("220324",),
    "hulo_organoids": ("20200803_huLO_ch2",),
    "microcontrollers": ("IMG_20181228_1025", "IMG_20181228_1038", "IMG_20190104_1645"),
    "segmush": ("IMG_49",),
    "usiigaci_phase": ("set3", "set4"),
    "fibsem": ("medulla2_z187",),
    "plantseg": ("1136", "sample_ovule"),
}
"""What the names of the validation pictures of each source begin with: pictures with like names
come from the same session."""
HAND_DRAWN = frozenset(set(VALIDATION_GROUPS) - {"fibsem", "plantseg"})
"""Sources whose outlines are a pixel or three off, and in which not every object is annotated."""
PLANE_STEP = 4
"""Every so many planes of a volume is a picture."""
HELD_OUT = frozenset({"4dbbb275960a"})
"""In neither split: StarDist's packaged test image is a part of it."""


@dataclass(frozen=True)
class Annotated:
    """A real image with its instances.

    Attributes
    ----------
    name : str
        File name without suffix.
    image : (H, W, 3) uint8
    labels : (H, W) int32
        Instances numbered from 1; 0 is background.
    kind : str
        ``dark`` or ``bright`` for grey images of nuclei by their background, ``colour`` for the
        others; for all else the source.
    hand_drawn : bool
        Whether outlines are rough, and objects missing from the labels.
    before : (H, W) int32, optional
        The same objects in a neighbouring section, where there is one.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.int32]
    kind: str
    hand_drawn: bool = False
    before: NDArray[np.int32] | None = None


def in_validation(name: str) -> bool:
    """Whether an image belongs to the validation split: decided by the hash of its name alone."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < VALIDATION_SHARE


def read_folder(folder: Path, *, validation: bool) -> list[Annotated]:
    """Read the images ``NAME.png`` with ``NAME.labels.png`` of one split, in order of their names.

    Raises
    ------
    FileNotFoundError
        If the folder holds no such pair.
    """
    found = []
    for path in sorted(folder.glob("*.labels.png")):
        name = path.name.removesuffix(".labels.png")
        if in_validation(name) == validation and name not in HELD_OUT:
            found.append(_read(folder / f"{name}.png", path, name))
    if not found:
        raise FileNotFoundError(f"No pairs NAME.png, NAME.labels.png of this split in {folder}.")
    return found


def read_all(folder: Path, *, validation: bool) -> list[Annotated]:
    """Read one split of the folders ``nuclei``, ``open`` and ``volumes``, as far as they are there.

    Raises
    ------
    FileNotFoundError
        If none of them is.
    """
    found = (
        read_folder(folder / "nuclei", validation=validation)
        if (folder / "nuclei").is_dir()
        else []
    )
    for source, beginnings in VALIDATION_GROUPS.items():
        for path in sorted((folder / "open" / source).glob("*.labels.png")):
            name = path.name.removesuffix(".labels.png")
            if name.startswith(beginnings) == validation:
                item = _read(path.with_name(f"{name}.png"), path, name)
                found.append(replace(item, kind=source, hand_drawn=source in HAND_DRAWN))
        for path in sorted((folder / "volumes" / source).glob("*.labels.tif")):
            if path.name.startswith(beginnings) == validation:
                found += _planes(path, source)
    if not found:
        raise FileNotFoundError(f"{folder} holds none of the folders nuclei, open and volumes.")
    return found


def _planes(labels_path: Path, source: str) -> list[Annotated]:
    """Some of a volume's planes, each with the labels of the plane one to three before it."""
    name = labels_path.name.removesuffix(".labels.tif")
    volume = imread(labels_path.with_name(f"{name}.tif"))
    labels = imread(labels_path).astype(np.int32)
    kind = f"{source} {name}" if source == "plantseg" else source
    kind = kind.replace("1135_mini", "nuclei").replace("1136_mini", "nuclei")
    return [
        Annotated(
            f"{name} {z}",
            np.repeat(volume[z][..., None], 3, 2),
            labels[z],
            kind,
            before=labels[max(z - 1 - z // PLANE_STEP % 3, 0)],
        )
        for z in range(PLANE_STEP // 2, len(volume), PLANE_STEP)
        if (labels[z] > 0).any()
    ]


def _read(image_path: Path, labels_path: Path, name: str) -> Annotated:
    with Image.open(image_path) as opened:
        colour = opened.mode not in ("L", "I;16", "I")
        image = np.asarray(opened.convert("RGB"))
    with Image.open(labels_path) as opened:
        labels = np.asarray(opened).astype(np.int32)
    bright = image[labels == 0].mean() > image[labels > 0].mean() if (labels > 0).any() else False
    return Annotated(name, image, labels, "colour" if colour else "bright" if bright else "dark")
