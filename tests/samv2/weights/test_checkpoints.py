"""The loader's contract: the published layouts load key for key, anything else is named."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.memory_parts import MEMORY_PREFIXES
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.weights.build import build_samv2
from napari_samv2_prompts.samv2.weights.checkpoints import load, read_state
from napari_samv2_prompts.samv2.weights.registry import CheckpointError
from napari_samv2_prompts.samv2.weights.variants import VARIANTS

PUBLISHED = [name for name, row in VARIANTS.items() if row.version in ("2.0", "2.1")]


def small_state(layout: dict[str, list[int]], dtype: torch.dtype = torch.float32) -> dict:
    """Return the tensors of a layout, each one number over and over: a small file, full shapes."""
    return {
        key: torch.tensor([number / 1024], dtype=dtype).expand(shape)
        for number, (key, shape) in enumerate(layout.items())
    }


def write(tensors: dict[str, Tensor], path: Path, wrapper: str | None = "model") -> Path:
    torch.save({wrapper: tensors} if wrapper else tensors, path)
    return path


@pytest.fixture
def tiny_state(layouts) -> dict[str, Tensor]:
    return small_state(layouts["sam2.1_hiera_tiny"])


@pytest.fixture(scope="module")
def tiny() -> SAMV2Network:
    return build_samv2("tiny")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_layout_is_recognised(name: str, layouts, tmp_path: Path) -> None:
    state = read_state(write(small_state(layouts[name]), tmp_path / "any name.pt"))
    assert state.variant is VARIANTS[name]
    assert {key: list(value.shape) for key, value in state.tensors.items()} == layouts[name]
    assert state.notes == ()


@pytest.mark.parametrize("size", ["tiny", "small", "base_plus", "large"])
def test_published_layout_loads_strictly(size: str, layouts, tmp_path: Path, caplog) -> None:
    network = build_samv2(size)
    for version in ("2.0", "2.1"):
        name = next(
            n for n in PUBLISHED if VARIANTS[n].size == size and VARIANTS[n].version == version
        )
        tensors = small_state(layouts[name])
        with caplog.at_level(logging.INFO):
            load(network, write(tensors, tmp_path / f"{name}.pt"))
        assert caplog.text == ""
        assert network.variant.version == version  # 2.1 is built first, and fits itself to the file
        loaded = network.state_dict()
        assert loaded.keys() == tensors.keys()  # nothing dropped
        for key, tensor in tensors.items():
            assert (loaded[key] == tensor.reshape(-1)[0]).all(), key


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("wrapper", ["model", None])
@pytest.mark.parametrize("prefix", ["", "module.", "model.module."])
def test_user_files(dtype, wrapper, prefix: str, layouts, tiny, tmp_path: Path, caplog) -> None:
    tensors = small_state(layouts["sam2.1_hiera_tiny"], dtype)
    path = tmp_path / "mine.pth"
    write({prefix + key: value for key, value in tensors.items()}, path, wrapper)
    with caplog.at_level(logging.INFO):
        load(tiny, path)
    loaded = tiny.state_dict()["no_mem_embed"]
    assert loaded.dtype == torch.float32
    assert (loaded == tensors["no_mem_embed"].float()).all()
    assert ("stores" in caplog.text) == (dtype != torch.float32)


def test_saved_network_loads_again(tiny, tmp_path: Path) -> None:
    """What state_dict() gives, memory parts included, is itself a checkpoint."""
    state = {key: value.half().contiguous() for key, value in tiny.state_dict().items()}
    save_file(state, tmp_path / "mine.safetensors")
    other = build_samv2("tiny")
    load(other, tmp_path / "mine.safetensors")
    for key, value in other.state_dict().items():
        assert torch.equal(value.half(), state[key]), key


def test_image_parts_alone_are_enough(tiny, tiny_state, tmp_path: Path, caplog) -> None:
    load(tiny, write(tiny_state, tmp_path / "whole.pt"))
    image = {k: v for k, v in tiny_state.items() if not k.startswith(MEMORY_PREFIXES)}
    assert len(image) == len(tiny_state) - 160
    with caplog.at_level(logging.INFO):
        load(tiny, write(image, tmp_path / "image.pt"))
    assert not tiny.has_memory
    assert tiny.state_dict().keys() == image.keys()
    assert "no memory for films" in caplog.text
    load(tiny, tmp_path / "whole.pt")
    assert tiny.has_memory
    assert tiny.state_dict().keys() == tiny_state.keys()


def test_half_a_memory_is_refused(tiny, tiny_state, tmp_path: Path) -> None:
    del tiny_state["memory_encoder.out_proj.weight"]
    path = write(tiny_state, tmp_path / "half.pt")
    with pytest.raises(CheckpointError, match=r"incomplete.*memory_encoder\.out_proj\.weight"):
        load(tiny, path)


def test_network_does_not_hang_on_to_the_file(tiny, tiny_state, tmp_path: Path) -> None:
    path = write(tiny_state, tmp_path / "tiny.pt")
    load(tiny, path)
    before = {key: value.clone() for key, value in tiny.state_dict().items()}
    built = build_samv2("tiny", checkpoint=path)  # takes over what was read, in place of a copy
    path.write_bytes(bytes(path.stat().st_size))
    for network in (tiny, built):
        for key, value in network.state_dict().items():
            assert torch.equal(value, before[key]), key


def test_wrong_size_is_named(tiny, layouts, tmp_path: Path) -> None:
    path = write(small_state(layouts["sam2.1_hiera_large"]), tmp_path / "file.pt")
    with pytest.raises(
        CheckpointError, match="holds the model 'large', not 'tiny': choose 'large'"
    ):
        load(tiny, path)


def test_missing_tensors_are_counted(tiny, tiny_state, tmp_path: Path) -> None:
    key = "sam_mask_decoder.iou_token.weight"
    del tiny_state[key]
    with pytest.raises(CheckpointError, match=rf"1 of \d+ tensors .*{key}"):
        load(tiny, write(tiny_state, tmp_path / "file.pt"))


def test_misshapen_tensor_is_named(tiny, tiny_state, tmp_path: Path) -> None:
    tiny_state["no_mem_embed"] = torch.zeros(1, 1, 128)
    with pytest.raises(CheckpointError, match="another shape, 'no_mem_embed' first"):
        load(tiny, write(tiny_state, tmp_path / "file.pt"))


def test_unknown_tensors_are_named(tiny, tiny_state, tmp_path: Path) -> None:
    tiny_state["my_head.weight"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=r"does not have, 'my_head\.weight' first"):
        load(tiny, write(tiny_state, tmp_path / "file.pt"))


def test_failed_load_changes_nothing(tiny, tiny_state, tmp_path: Path) -> None:
    before = {key: value.clone() for key, value in tiny.state_dict().items()}
    del tiny_state["no_mem_embed"]
    with pytest.raises(CheckpointError):
        load(tiny, write(tiny_state, tmp_path / "file.pt"))
    for key, value in tiny.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("image_encoder.blocks.0.attn.rel_pos_h", "SAM 1"),
        ("image_encoder.layers.0.blocks.0.conv1.c.weight", "MobileSAM"),
        ("vision_encoder.backbone.blocks.0.attn.qkv.weight", "transformers"),
        ("detector.backbone.vision_backbone.trunk.pos_embed", "SAM 3"),
        ("fc1.weight", "some other model .*'fc1.weight'"),
    ],
)
def test_foreign_checkpoints_are_named(key: str, what: str, tmp_path: Path) -> None:
    path = write({key: torch.zeros(2, 2)}, tmp_path / "foreign.pt", wrapper=None)
    with pytest.raises(CheckpointError, match=f"{what}.*use one of the published"):
        read_state(path)


def test_unknown_size_is_described(tiny_state, tmp_path: Path) -> None:
    tensors = {key: value for key, value in tiny_state.items() if ".blocks.11." not in key}
    with pytest.raises(CheckpointError, match="11 blocks and width 96"):
        read_state(write(tensors, tmp_path / "odd.pt"))


def test_no_tensors(tmp_path: Path) -> None:
    for number, content in enumerate(({}, {"epoch": 3}, [1, 2], torch.zeros(3))):
        path = tmp_path / f"{number}.pt"
        torch.save(content, path)
        with pytest.raises(CheckpointError, match="holds no named tensors"):
            read_state(path)


def test_other_entries_are_left_out_and_told(tiny_state, tmp_path: Path) -> None:
    state = read_state(write({**tiny_state, "epoch": 7}, tmp_path / "x.pt", wrapper=None))
    assert "epoch" not in state.tensors
    assert state.notes == ("1 entries that are not tensors were left out.",)


def test_quantised_numbers_are_refused(tiny_state, tmp_path: Path) -> None:
    tiny_state["no_mem_embed"] = torch.zeros(1, 1, 256, dtype=torch.int8)
    with pytest.raises(CheckpointError, match="int8 numbers"):
        read_state(write(tiny_state, tmp_path / "x.pt"))


def test_reading_weights_does_not_load_the_compiler(tmp_path) -> None:
    """It takes a second, and Triton's library ends a process that has drawn with Mesa's."""
    path = tmp_path / "tiny.pt"
    torch.save({"model": build_samv2("tiny").state_dict()}, path)
    program = (
        "import sys; from napari_samv2_prompts.samv2 import build_samv2;"
        f"build_samv2('tiny', checkpoint={str(path)!r}); assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
