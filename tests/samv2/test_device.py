"""The choice of device and number type, its reason, and what happens when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest
import torch

from napari_samv2_prompts.samv2 import device
from napari_samv2_prompts.samv2.device import (
    OutOfMemoryError,
    choose_device,
    computing,
    in_chunks,
)

CPU = torch.device("cpu")


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def pretend_cuda(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Some GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "device", nullcontext)


@pytest.mark.usefixtures("without_gpu")
def test_auto_without_a_gpu_is_the_cpu_and_says_why() -> None:
    choice = choose_device()
    assert choice.device == CPU
    assert choice.reason.startswith("CPU: ")


@pytest.mark.parametrize(
    ("capability", "dtype"), [((8, 0), torch.bfloat16), ((7, 5), torch.float16)]
)
def test_auto_takes_cuda_with_the_number_type_it_is_fast_in(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], dtype: torch.dtype
) -> None:
    pretend_cuda(monkeypatch, capability)
    choice = choose_device()
    assert (choice.device.type, choice.dtype) == ("cuda", dtype)
    assert "Some GPU" in choice.reason


def test_auto_takes_mps_when_there_is_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device().device.type == "mps"


@pytest.mark.usefixtures("without_gpu")
@pytest.mark.parametrize("fast", [True, False])
def test_the_cpu_computes_in_bfloat16_only_where_it_can(
    monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    monkeypatch.setattr(device, "has_bfloat16_instructions", lambda: fast)
    assert choose_device().dtype == (torch.bfloat16 if fast else torch.float32)
    assert choose_device(dtype="float32").dtype == torch.float32


@pytest.mark.usefixtures("without_gpu")
@pytest.mark.parametrize("name", ["cuda", "cuda:3", "mps", "tpu", "xpu"])
def test_a_device_that_is_not_there_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"device '{name}'"):
        choose_device(name)


def test_an_unknown_number_type_is_refused() -> None:
    with pytest.raises(ValueError, match="number type 'int8'"):
        choose_device("cpu", "int8")


def test_no_switch_of_the_process_stays_on(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, (8, 0))
    before = torch.backends.cuda.matmul.allow_tf32
    with computing(choose_device()):
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.is_inference_mode_enabled()
    assert torch.backends.cuda.matmul.allow_tf32 == before
    assert not torch.is_inference_mode_enabled()
    assert not torch.is_autocast_enabled("cpu")


def test_calls_that_overlap_put_tf32_back(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, (8, 0))
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    first, second = computing(choose_device()), computing(choose_device())
    with ThreadPoolExecutor(1) as other:  # inference mode belongs to a thread
        first.__enter__()
        other.submit(second.__enter__).result()
        first.__exit__(None, None, None)
        assert torch.backends.cuda.matmul.allow_tf32, "the other still computes"
        other.submit(second.__exit__, None, None, None).result()
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_a_second_gpu_is_the_current_one_while_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, (8, 0))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    entered = []

    @contextmanager
    def current(device: torch.device) -> Iterator[None]:
        entered.append(device)
        yield

    monkeypatch.setattr(torch.cuda, "device", current)
    with computing(choose_device("cuda:1")):
        pass
    assert entered == [torch.device("cuda:1")]


@pytest.mark.parametrize("fits", [1, 2, 3, 5, 100])
def test_a_full_memory_halves_the_chunk_and_loses_nothing(fits: int) -> None:
    done: list[int] = []

    def work(part: slice) -> int:
        rows = range(part.start, part.stop)
        if len(rows) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        done.extend(rows)
        return len(rows)

    sizes = in_chunks(work, 11, 8, CPU)
    assert done == list(range(11))
    assert max(sizes) <= fits


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_what_does_not_fit_at_all_says_what_to_do(error: Exception) -> None:
    def work(part: slice) -> None:
        raise error

    with pytest.raises(OutOfMemoryError, match="choose a smaller model"):
        in_chunks(work, 4, 4, CPU)


def test_other_errors_pass_through() -> None:
    def work(part: slice) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        in_chunks(work, 4, 4, CPU)
