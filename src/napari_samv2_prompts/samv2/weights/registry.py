"""Which checkpoint files exist, and where on this machine they lie.

The table of the published files and the look-up of a file on disk belong here; fetching one is
:mod:`.download`, reading one is :mod:`.checkpoints`.  No torch here, so that a list of models can
be shown before torch is imported.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from .variants import DEFAULT_VERSION, VARIANTS, find_variant

CACHE_VARIABLE = "NAPARI_SAMV2_PROMPTS_CACHE"
"""Environment variable that names the folder of downloaded checkpoints."""

USE_PUBLISHED = "use one of the published SAM 2 files (napari-samv2-prompts models list)"
"""What to do instead: the end of many a message about a wrong file."""

_BASE_URL = "https://dl.fbaipublicfiles.com/segment_anything_2"


class CheckpointError(ValueError):
    """A checkpoint cannot be had or used; the message says why and what to do, in a sentence."""


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One checkpoint file as its authors publish it."""

    variant: str  # full name of the variant, a key of :data:`.VARIANTS`
    version: str  # ``"2.0"`` or ``"2.1"``
    # Name of the file, and where it is published.
    file: str
    url: str
    bytes: int  # size of the file
    sha256: str  # SHA-256 of the file, in hexadecimal digits
    licence: str = "Apache-2.0"  # SPDX name of the licence its authors give it


def _file(variant: str, size: int, sha256: str) -> PublishedFile:
    version = VARIANTS[variant].version
    folder = {"2.0": "072824", "2.1": "092824"}[version]
    file = f"{variant}.pt"
    return PublishedFile(variant, version, file, f"{_BASE_URL}/{folder}/{file}", size, sha256)


PUBLISHED_FILES: dict[str, PublishedFile] = {
    row.variant: row
    for row in (
        _file(
            "sam2.1_hiera_tiny",
            156_008_466,
            "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        ),
        _file(
            "sam2.1_hiera_small",
            184_416_285,
            "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        ),
        _file(
            "sam2.1_hiera_base_plus",
            323_606_802,
            "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        ),
        _file(
            "sam2.1_hiera_large",
            898_083_611,
            "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        ),
        _file(
            "sam2_hiera_tiny",
            155_906_050,
            "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125",
        ),
        _file(
            "sam2_hiera_small",
            184_309_650,
            "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3",
        ),
        _file(
            "sam2_hiera_base_plus",
            323_493_298,
            "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071",
        ),
        _file(
            "sam2_hiera_large",
            897_952_466,
            "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b",
        ),
    )
}
"""The published checkpoint of each variant that has one, by the variant's full name."""


def published_file(name: str, version: str = DEFAULT_VERSION) -> PublishedFile:
    """Look a published file up by the short or full name of its variant.

    - raises CheckpointError if the model exists, but is bundled instead of published
    - raises ValueError if there is no such model
    """
    variant = find_variant(name, version)
    if variant.name not in PUBLISHED_FILES:
        raise CheckpointError(
            f"The model {name!r} is part of this package: there is nothing to download."
        )
    return PUBLISHED_FILES[variant.name]


def cache_folder() -> Path:
    """Return the folder of downloaded checkpoints, which need not exist yet.

    ``NAPARI_SAMV2_PROMPTS_CACHE`` when that variable is set, else where the platform keeps
    caches.  Checkpoint files that somebody put there by hand count as downloaded, so a machine
    without network needs nothing but a folder of them.
    """
    named = os.environ.get(CACHE_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser().absolute()
    return user_cache_path("napari-samv2-prompts", appauthor=False) / "checkpoints"


def bundled_file(name: str) -> Path:
    """Return where the weights of a model that comes with this package lie."""
    return Path(__file__).parents[2] / "weights" / f"{name}.safetensors"


def find(name: str, version: str = DEFAULT_VERSION, folder: Path | None = None) -> Path | None:
    """Return the checkpoint of a model on this machine, or None if it has to be downloaded.

    - `name`, `version`: short or full name of the model, and the version meant by a short name
    - `folder`: where to look for it; :func:`cache_folder` if not given
    - raises ValueError if there is no such model
    """
    variant = find_variant(name, version).name
    if variant not in PUBLISHED_FILES:
        candidates = [bundled_file(variant)]
    else:
        folder = cache_folder() if folder is None else folder
        candidates = [folder / f"{variant}{ending}" for ending in (".pt", ".safetensors", ".pth")]
    return next((path for path in candidates if path.is_file()), None)
