"""Labels in files that other programs read: TIFF, OME-TIFF with pixel size, COCO; their scores.

Every file is whole or absent.  Not here: reading pictures (``pictures.py``) and pixel sizes
(``pixel_size.py``).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.io.geojson import write_geojson
from napari_samv2_prompts.io.label_arrays import as_labels
from napari_samv2_prompts.io.pixel_size import PixelSize, read_pixel_size
from napari_samv2_prompts.words import counted

if TYPE_CHECKING:
    from napari_samv2_prompts.candidates import Candidate

__all__ = [
    "LabelledImage",
    "PixelSize",
    "read_key",
    "read_pixel_size",
    "run_length_coder",
    "write_coco",
    "write_labels",
    "write_plane",
]

_SOFTWARE = "napari-samv2-prompts"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledImage:
    """A label image of shape (H, W), and the name of the file that it belongs to.

    Attributes
    ----------
    name : str
    labels : array of shape (H, W)
    scores : mapping of int to float
        Of the labels that have one.
    classes : mapping of int to str
        Of the labels that have one.
    """

    name: str
    labels: NDArray[Any]
    scores: Mapping[int, float] = field(default_factory=dict)
    classes: Mapping[int, str] = field(default_factory=dict)


def write_labels(
    path: str | Path,
    labels: ArrayLike,
    *,
    pixel_size: PixelSize | float | tuple[float, ...] | None = None,
    axes: str | None = None,
    key: str | None = None,
) -> None:
    """Write a label image.

    Parameters
    ----------
    path : path
        ``.ome.tif`` or ``.ome.tiff`` makes it an OME-TIFF.
    labels : array of shape (H, W), or with more axes in front
        Whole numbers.  Up to 32 bit they keep their type; others become uint16, or uint32 where
        they need it, since hardly a program reads them.
    pixel_size : float, tuple of float or PixelSize, optional
        In micrometres: one number, height and width, depth before these, or what
        :func:`read_pixel_size` returns.  Only OME-TIFF has a place for the depth.
    axes : str, optional
        One letter per axis; the last of "TZYX" if not given.
    key : str, optional
        Says by content what the labels were made of, for :func:`read_key`.

    Raises
    ------
    ValueError
        If the ending is another one, the labels are no whole numbers from 0, or there are more
        axes than letters.
    """
    import tifffile

    name = Path(path).name.lower()
    if not name.endswith((".tif", ".tiff")):
        raise ValueError(f"Labels are written as .tif or .ome.tif, not as {Path(path).name}.")
    array = as_labels(labels)
    axes = axes or "TZYX"[-array.ndim :]
    if len(axes) != array.ndim or array.ndim < 2:
        raise ValueError(
            f"The labels have the shape {array.shape}, and the axes {axes!r}: say one letter an "
            "axis, axes='TCZYX' for instance."
        )
    metadata: dict[str, Any] = {"axes": axes}
    # Grey in so many words: three or four planes would be taken for colours.
    options: dict[str, Any] = {"compression": "zlib", "photometric": "minisblack"}
    if key is not None:
        options["software"] = f"{_SOFTWARE} {key}"
        metadata["UUID"] = str(UUID(bytes=blake2b(key.encode(), digest_size=16).digest()))
    is_ome = _is_ome(name)
    if pixel_size is not None:
        # Pixels per centimetre, which every reader of TIFF knows.
        size = PixelSize.of(pixel_size)
        options["resolution"] = (1e4 / size.x, 1e4 / size.y)
        options["resolutionunit"] = "CENTIMETER"
        if is_ome:
            for axis, step in (("X", size.x), ("Y", size.y), ("Z", size.z)):
                if step is not None and axis in axes.upper():
                    metadata |= {f"PhysicalSize{axis}": step, f"PhysicalSize{axis}Unit": "µm"}
    check_axes(Path(path), axes)
    with written_whole(path) as part:
        tifffile.imwrite(part, array, metadata=metadata, ome=is_ome, **options)


def _is_ome(name: str) -> bool:
    return name.lower().endswith((".ome.tif", ".ome.tiff"))


def check_axes(path: Path, axes: str) -> None:
    """Refuse axes in an order that the format does not have.

    - `path`: see :func:`write_labels`
    - `axes`: one letter each
    """
    if _is_ome(path.name) and not axes.upper().endswith("YX"):
        raise ValueError(
            f"OME-TIFF has height and width last, and the axes are {axes}: name the labels "
            f"{path.name[: path.name.lower().rindex('.ome.')]}.tif."
        )


def read_key(path: Path) -> str | None:
    """Return the key in labels; empty if there is none, None if no whole labels are there."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            pages = file.pages
            if not (file.series[0].shape and pages[-1].asarray().size):
                return None
            tag = pages[0].tags.get("Software")  # type: ignore[union-attr]
            said = "" if tag is None else str(tag.value)
            return said.removeprefix(_SOFTWARE).strip() if said.startswith(_SOFTWARE) else ""
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is to be written again
        return None


def write_coco(
    path: str | Path,
    images: Iterable[LabelledImage | tuple[str, ArrayLike]],
    *,
    polygons: bool = False,
) -> None:
    """Write the labels of images as one COCO file, each label as an annotation.

    Parameters
    ----------
    path : path
    images : iterable of LabelledImage or (name, labels)
        A class becomes a category; labels without one are of the category "object".
    polygons : bool
        Outlines in place of run lengths. Most tools for correcting annotations want them; holes
        are filled in them. Run lengths are exact.  Boxes and outlines count from the edge of the
        image, half a pixel before the centre of its first pixel.

    Raises
    ------
    ValueError
        If labels are not those of one plane, or no whole numbers from 0.
    ImportError
        If pycocotools is not installed; the message says how to get it.
    """
    listed: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories = {"object": 1}
    given = [images] if isinstance(images, LabelledImage) else images
    for image_id, image in enumerate(map(_labelled, given), 1):
        labels = as_labels(image.labels, f"The labels of {image.name}")
        if labels.ndim != 2:
            raise ValueError(
                f"COCO holds pictures of one plane; the labels of {image.name} have "
                f"{counted(labels.ndim, 'axis', 'axes')}."
            )
        height, width = labels.shape
        listed.append({"id": image_id, "file_name": image.name, "height": height, "width": width})
        for number, found in _annotations(labels, polygons=polygons):
            score = {"score": image.scores[number]} if number in image.scores else {}
            kind = image.classes.get(number) or "object"
            category = categories.setdefault(kind, len(categories) + 1)
            ids = {"id": len(annotations) + 1, "image_id": image_id, "category_id": category}
            annotations.append({**ids, "iscrowd": 0, **found, "label": number, **score})
    content = {
        "info": {"description": "Written by napari-samv2-prompts"},
        "images": listed,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }
    with written_whole(path) as part:
        part.write_text(json.dumps(content), "utf-8")


def _labelled(given: Any) -> LabelledImage:
    if isinstance(given, LabelledImage):
        return given
    named = isinstance(given, tuple | list) and len(given) == 2 and isinstance(given[0], str | Path)
    if not named:
        raise ValueError(
            "COCO files name the picture of labels: give LabelledImage(name, labels) or pairs."
        )
    return LabelledImage(Path(given[0]).name, np.asarray(given[1]))


def write_plane(path: Path, image: LabelledImage) -> None:
    """Write labels as the ending of the path says: GeoJSON, COCO, or else TIFF.

    What is below 0 in a layer is no object, and becomes 0.
    """
    image = replace(image, labels=np.maximum(image.labels, 0))
    kind = path.suffix.lower()
    if kind == ".geojson":
        write_geojson(path, image.labels, image.classes)
    elif kind == ".json":
        try:
            write_coco(path, [image])
        except ImportError:  # outlines need nothing that may be missing
            write_coco(path, [image], polygons=True)
    else:
        write_labels(path, image.labels)


def _annotations(labels: NDArray[Any], *, polygons: bool) -> Iterable[tuple[int, dict[str, Any]]]:
    """Yield each label with its area, box and segmentation, in pixels of the image."""
    from skimage.measure import regionprops

    coder = None if polygons else run_length_coder()
    for region in regionprops(labels.astype(np.int64)):
        top, left, bottom, right = (int(edge) for edge in region.bbox)
        if coder is None:
            segmentation: Any = _polygons(region.image, top, left)
        else:
            mask = np.zeros(labels.shape, np.uint8, order="F")
            mask[top:bottom, left:right] = region.image
            runs = coder.encode(mask)
            segmentation = {"size": runs["size"], "counts": runs["counts"].decode("ascii")}
        box = [float(left), float(top), float(right - left), float(bottom - top)]
        yield int(region.label), {
            "segmentation": segmentation, "area": float(region.area), "bbox": box
        }  # fmt: skip


def run_length_coder() -> Any:
    """Return the run lengths of pycocotools; say how to get it if it is not installed."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ImportError(
            'COCO files need pycocotools: pip install "napari-samv2-prompts[coco]"'
        ) from error
    return mask


def _polygons(mask: NDArray[np.bool_], top: int, left: int) -> list[list[float]]:
    """Return the outer outlines as x0, y0, x1, y1, ..., a pixel's corner at whole numbers."""
    from skimage.measure import approximate_polygon, find_contours

    outlines: list[list[float]] = []
    for contour in find_contours(np.pad(mask, 1).astype(np.float64), 0.5, fully_connected="high"):
        rows, columns = contour[:, 0], contour[:, 1]
        if _signed_area(rows, columns) <= 0:
            continue  # the edge of a hole
        corners = approximate_polygon(contour, 0.1)[:-1] - 0.5 + (top, left)
        outlines.append([float(value) for row, column in corners for value in (column, row)])
    return outlines


def _signed_area(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> float:
    return float(np.dot(columns[:-1], rows[1:]) - np.dot(columns[1:], rows[:-1])) / 2


COLUMNS = ("object", "score", "area", "x", "y")


def objects_path(labels: Path) -> Path:
    """Return where the table that belongs to a file of labels lies."""
    stem = labels.name.removesuffix(labels.suffix).removesuffix(".ome").removesuffix(".labels")
    return labels.with_name(f"{stem}.objects.csv")


def write_objects(path: Path, found: Iterable[tuple[int, Candidate]]) -> None:
    """Write numbered objects: score, area in pixels, and the place ``x, y`` that found each."""
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, item in found:
            x, y = (round(at, 2) for at in item.point)
            writer.writerow([number, round(item.score, 4), item.area, x, y])


def read_scores(path: Path) -> dict[int, float]:
    """Return the score of each object; nothing if there is no such table.

    Raises ValueError if a column is missing, or holds no numbers.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return {int(row["object"]): float(row["score"]) for row in csv.DictReader(file)}
        except (LookupError, TypeError, ValueError, csv.Error) as error:
            raise ValueError(
                f"{path.name} is no table of objects: it has the columns {','.join(COLUMNS)}."
            ) from error
