"""Whatever a user points at: weights are read, anything else gets one sentence."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from napari_samv2_prompts.samv2.weights.files import read_content
from napari_samv2_prompts.samv2.weights.registry import CheckpointError

STATE = OrderedDict(a=torch.arange(2000.0), b=torch.ones(3, 4))


def refusal(path: Path) -> str:
    """Return the message of the refusal, which is one line with a way out of it."""
    with pytest.raises(CheckpointError) as caught:
        read_content(path)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert ":" in message  # what it is: what to do
    return message


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_torch_files(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"model": STATE}, path, _use_new_zipfile_serialization=not legacy)
    assert torch.equal(read_content(path)["model"]["a"], STATE["a"])


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
def test_safetensors_by_content(tmp_path: Path, name: str) -> None:
    save_file(dict(STATE), tmp_path / name)
    assert torch.equal(read_content(tmp_path / name)["b"], STATE["b"])


def test_missing_folder_and_empty(tmp_path: Path) -> None:
    assert "no file" in refusal(tmp_path / "nothing.pt")
    assert "is a folder" in refusal(tmp_path)
    (tmp_path / "empty.pt").touch()
    assert "empty file" in refusal(tmp_path / "empty.pt")


@pytest.mark.parametrize("start", [b"<!DOCTYPE html><html>", b"\n  <html lang=en>", b"<?xml ?>"])
def test_web_page(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    path.write_bytes(start + b"<body>404</body></html>")
    assert "web page" in refusal(path)


def test_git_lfs_pointer(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    assert "Git LFS" in refusal(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_truncated_zip(tmp_path: Path, part: float) -> None:
    path = tmp_path / "weights.pt"
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert "cut short" in refusal(path)


@pytest.mark.parametrize("part", [0.005, 0.5, 0.99])
def test_truncated_safetensors(tmp_path: Path, part: float) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(dict(STATE), path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert "cut short" in refusal(path)


def test_truncated_legacy(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(STATE, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged" in refusal(path)


def test_pickle_is_never_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "random.pkl").write_bytes(pickle.dumps({"model": Trap()}))
    torch.save({"model": Trap()}, tmp_path / "random.pt")
    for name in ("random.pkl", "random.pt"):
        assert "Python objects" in refusal(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_other_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.pt", "w") as archive:
        archive.writestr("photo.jpg", b"...")
    assert "not a checkpoint" in refusal(tmp_path / "photos.pt")


def test_text_and_image(tmp_path: Path) -> None:
    (tmp_path / "notes.pt").write_text("just some notes")
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "image.safetensors").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    assert "not a checkpoint" in refusal(tmp_path / "notes.pt")
    assert "not a checkpoint" in refusal(tmp_path / "image.png")
    assert "not a valid safetensors" in refusal(tmp_path / "image.safetensors")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x80\x02", b"PK\x03\x04", b"\x10" + bytes(7) + b"{"]),
    st.sampled_from(["x.pt", "x.safetensors"]),
)
def test_any_bytes_get_a_sentence(tmp_path: Path, junk: bytes, start: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(start + junk)
    try:
        content = read_content(path)
    except CheckpointError:
        return
    assert not isinstance(content, dict) or not any(
        isinstance(value, torch.Tensor) for value in content.values()
    )
