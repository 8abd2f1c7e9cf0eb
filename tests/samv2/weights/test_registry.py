from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from napari_samv2_prompts.samv2.weights.registry import (
    CACHE_VARIABLE,
    PUBLISHED_FILES,
    CheckpointError,
    cache_folder,
    find,
    published_file,
)
from napari_samv2_prompts.samv2.weights.variants import VARIANTS


def test_every_published_variant_has_a_file() -> None:
    published = {name for name, row in VARIANTS.items() if row.version in ("2.0", "2.1")}
    assert published == set(PUBLISHED_FILES)
    assert len(published) == 8


@pytest.mark.parametrize("row", PUBLISHED_FILES.values(), ids=lambda row: row.variant)
def test_row_is_consistent(row, layouts) -> None:
    parameters = sum(math.prod(shape) for shape in layouts[row.variant].values())
    # float32 numbers, plus what the zip container adds per tensor
    assert 0 < row.bytes - 4 * parameters < 1_000_000
    assert row.url.startswith("https://")
    assert row.url.endswith("/" + row.file)
    assert len(row.sha256) == 64
    assert int(row.sha256, 16) > 0
    assert row.licence == "Apache-2.0"


def test_checksums_and_addresses_differ() -> None:
    assert len({row.sha256 for row in PUBLISHED_FILES.values()}) == 8
    assert len({row.url for row in PUBLISHED_FILES.values()}) == 8


def test_names_short_and_full() -> None:
    assert published_file("tiny").file == "sam2.1_hiera_tiny.pt"
    assert published_file("tiny", "2.0").file == "sam2_hiera_tiny.pt"
    assert published_file("sam2_hiera_large").version == "2.0"
    with pytest.raises(ValueError, match="no model named 'huge'"):
        published_file("huge")
    with pytest.raises(CheckpointError, match="nothing to download"):
        published_file("nano")


def test_cache_folder_follows_the_variable(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "models"))
    assert cache_folder() == tmp_path / "models"
    monkeypatch.setenv(CACHE_VARIABLE, "~/models")
    assert cache_folder() == Path.home() / "models"
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert "napari-samv2-prompts" in cache_folder().parts


def test_a_folder_of_files_is_simply_used(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert find("tiny") is None
    (tmp_path / "sam2.1_hiera_tiny.safetensors").write_bytes(b"x")
    assert find("tiny") == tmp_path / "sam2.1_hiera_tiny.safetensors"
    (tmp_path / "sam2.1_hiera_tiny.pt").write_bytes(b"x")
    assert find("tiny") == tmp_path / "sam2.1_hiera_tiny.pt"
    assert find("tiny", "2.0") is None
    with pytest.raises(ValueError, match="no model named"):
        find("huge")


def test_the_registry_does_not_import_torch() -> None:
    code = (
        "import sys; import napari_samv2_prompts.samv2.weights.download; "
        "sys.exit('torch' in sys.modules or 'qtpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
