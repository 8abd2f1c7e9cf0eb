"""Which device computes, with which numbers, and why; and how to live within its memory.

The choice is a value that carries its reason in words, to be shown to the user.  Nothing global is
switched here for longer than one of our own calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TypeVar

import torch

from napari_samv2_prompts.samv2.ops.torch_internals import has_bfloat16_instructions

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
    """Where and how the network computes."""

    device: torch.device
    # Number type of most of the image encoder and, if it is bfloat16, of the decoder's products of
    # image cells (see :func:`.decode.prepare`).
    dtype: torch.dtype
    reason: str  # why, in words for the user


def choose_device(device: str | torch.device = "auto", dtype: str = "auto") -> DeviceChoice:
    """Choose device and number type.

    - `device`: ``"auto"`` takes CUDA, else MPS, else the CPU; or a device by name, such as
      ``"cuda:1"``
    - `dtype`: ``"auto"`` takes half precision where the hardware multiplies it fast; or "float32",
      "bfloat16", "float16"
    - raises ValueError if the device is not there or the names are unknown; the message says what
      there is
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
    if has_bfloat16_instructions():
        return torch.bfloat16, "since this CPU multiplies it fast"
    return torch.float32, "since this CPU has no bfloat16 instructions"


@contextmanager
def computing(choice: DeviceChoice) -> Iterator[None]:
    """Run our own calls in inference mode, on their GPU; TF32 where half precision is accepted.

    Switches of the process are put back when the last call has ended: other plugins compute in it
    too.
    """
    with ExitStack() as stack:
        if choice.device.type == "cuda":
            stack.enter_context(torch.cuda.device(choice.device))
            if choice.dtype != torch.float32:
                stack.enter_context(_TF32)
        stack.enter_context(torch.inference_mode())
        yield


class _Tf32:
    """PyTorch's switches for TF32, on for as long as anybody wants it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._before = False, False

    def __enter__(self) -> None:
        matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
        with self._lock:
            if self._users == 0:
                self._before = matmul.allow_tf32, cudnn.allow_tf32
                matmul.allow_tf32 = cudnn.allow_tf32 = True
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = (
                    self._before
                )


_TF32 = _Tf32()  # one, as PyTorch's switches are: they belong to the process


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python means that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY_WORDS)


def in_chunks(work: Callable[[slice], T], total: int, chunk: int, device: torch.device) -> list[T]:
    """Do ``work`` on consecutive slices; when memory runs out, go on with half as many at a time.

    - `work`: called with slices that cover ``range(total)`` in order
    - `total`, `chunk`: number of items, and how many to take at first
    - `device`: named in the error, and its cache emptied before trying again
    - raises OutOfMemoryError if a single item does not fit
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
