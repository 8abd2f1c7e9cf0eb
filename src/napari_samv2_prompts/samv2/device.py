"""Which device computes, with which numbers, and why; and how to live within its memory.

The choice is a value that carries its reason in words, to be shown to the user.  Nothing global is
switched here for longer than one of our own calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

__all__ = [
    "DTYPES",
    "DeviceChoice",
    "OutOfMemoryError",
    "choose_device",
    "computing",
    "in_chunks",
]

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_AMPERE = 8  # major compute capability from which an NVIDIA GPU multiplies bfloat16
_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")

T = TypeVar("T")


class OutOfMemoryError(MemoryError):
    """The device's memory does not hold even the smallest piece of the work."""


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Where and how the network computes.

    Attributes
    ----------
    device : torch.device
    dtype : torch.dtype
        Number type of most of the image encoder and, if it is bfloat16, of the decoder's products
        of image cells (see :func:`.decoding.prepare`).
    reason : str
        Why, in words for the user.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str


def choose_device(device: str | torch.device = "auto", dtype: str = "auto") -> DeviceChoice:
    """Choose device and number type.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"`` takes CUDA, else MPS, else the CPU; or a device by name, such as ``"cuda:1"``.
    dtype : str
        ``"auto"`` takes half precision where the hardware multiplies it fast; or "float32",
        "bfloat16", "float16".

    Raises
    ------
    ValueError
        If the device is not there or the names are unknown; the message says what there is.
    """
    chosen, why = _auto_device() if str(device) == "auto" else _named_device(device)
    if dtype == "auto":
        number_type, why_type = _auto_dtype(chosen)
    elif dtype in DTYPES:
        number_type, why_type = DTYPES[dtype], "as asked"
    else:
        raise ValueError(f"There is no number type {dtype!r}; choose 'auto', {', '.join(DTYPES)}.")
    name = str(number_type).removeprefix("torch.")
    return DeviceChoice(chosen, number_type, f"{why}; {name} {why_type}")


def _cuda_name(device: torch.device) -> str:
    return str(torch.cuda.get_device_name(device))


def _auto_device() -> tuple[torch.device, str]:
    if torch.cuda.is_available():
        device = torch.device("cuda", torch.cuda.current_device())
        return device, f"{_cuda_name(device)} (CUDA) found"
    if torch.backends.mps.is_available():
        return torch.device("mps"), "Apple GPU (MPS) found"
    if torch.version.cuda is None and torch.version.hip is None:
        return torch.device("cpu"), "CPU: this PyTorch is built without CUDA, and there is no MPS"
    return torch.device("cpu"), "CPU: PyTorch sees no CUDA device"


def _named_device(name: str | torch.device) -> tuple[torch.device, str]:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"There is no device {name!r}; choose auto, cuda, mps or cpu.") from error
    if device.type == "cuda":
        count = torch.cuda.device_count()
        if not torch.cuda.is_available() or (device.index or 0) >= count:
            raise ValueError(
                f"The device {str(name)!r} is not available: PyTorch sees {count} CUDA devices. "
                "Choose 'auto' or 'cpu', or install a PyTorch build for your GPU."
            )
        return device, f"{_cuda_name(device)} (CUDA) as asked"
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError("The device 'mps' is not available: it needs an Apple GPU.")
    if device.type not in ("cpu", "mps"):
        raise ValueError(
            f"The device {str(name)!r} is not supported; choose auto, cuda, mps or cpu."
        )
    return device, f"{device.type.upper()} as asked"


def _auto_dtype(device: torch.device) -> tuple[torch.dtype, str]:
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device)[0] >= _AMPERE:
            return torch.bfloat16, "since this GPU multiplies it fast"
        return torch.float16, "since this GPU has no fast bfloat16"
    if device.type == "mps":
        return torch.float32, "since half precision drifts on MPS"
    if _cpu_has_bfloat16():
        return torch.bfloat16, "since this CPU multiplies it fast"
    return torch.float32, "since this CPU has no bfloat16 instructions"


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU has matrix instructions for bfloat16; emulated ones are far slower."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))


@contextmanager
def computing(choice: DeviceChoice) -> Iterator[None]:
    """Run our own calls in inference mode; TF32 where half precision was accepted anyway.

    Switches of the process are put back afterwards: other plugins compute in it too.
    """
    tf32 = choice.device.type == "cuda" and choice.dtype != torch.float32
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        if tf32:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        with torch.inference_mode():
            yield
    finally:
        if tf32:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python means that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY_WORDS)


def in_chunks(work: Callable[[slice], T], total: int, chunk: int, device: torch.device) -> list[T]:
    """Do ``work`` on consecutive slices; when memory runs out, go on with half as many at a time.

    Parameters
    ----------
    work : callable
        Called with slices that cover ``range(total)`` in order.
    total, chunk : int
        Number of items, and how many to take at first.
    device : torch.device
        Named in the error, and its cache emptied before trying again.

    Raises
    ------
    OutOfMemoryError
        If a single item does not fit.
    """
    results: list[T] = []
    start = 0
    while start < total:
        try:
            results.append(work(slice(start, min(start + chunk, total))))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if chunk == 1:
                raise OutOfMemoryError(
                    f"The memory of {device} is full: choose a smaller model, close other programs "
                    "that use it, or choose the device 'cpu'."
                ) from error
            chunk = max(1, min(chunk, total - start) // 2)
            if device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        start += chunk
    return results
