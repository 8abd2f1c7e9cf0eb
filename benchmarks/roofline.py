"""``python -m benchmarks.roofline``: how near the encoder comes to what the processor can do.

Products alone and copies alone say what there is to win; the encoder's own time by kinds of steps
says where it is.  All in processor time of one thread, so that other work on the machine counts
little; ``--threads 1 2 4`` adds how the encoder scales, which needs a quiet machine.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import machine, seconds
from benchmarks.model import random_network
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.ops.torch_internals import has_bfloat16_instructions

SHAPES = ((4096, 384, 1536), (2048, 768, 768), (16384, 96, 384))
"""Rows, input and output channels of products as the encoder has them."""
COPIED = 2**26
"""Bytes: much more than a cache holds."""
KINDS = {
    "products": ("mm", "linear", "matmul"),
    "attention's kernel": ("scaled_dot_product",),
    "convolutions": ("conv",),
    "softmax": ("softmax",),
    "GELU": ("gelu",),
    "LayerNorm": ("layer_norm",),
    "copies": ("copy", "cat", "clone", "contiguous", "index", "fill", "zero"),
    "additions": ("add", "mul", "sub", "div"),
    "pooling and extremes": ("max", "min", "pool", "sort"),
}
"""Kinds of steps, by what is in the names of PyTorch's operators; the first that fits counts."""


def attention_operations(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object
) -> int:
    """Count the operations of attention from the shapes ``(B, H, N, D)`` of what goes in."""
    (batch, heads, n, wide), m, out = query, key[2], value[3]
    return 2 * batch * heads * n * m * (wide + out)


ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_operations}
"""PyTorch's own counting leaves out this kernel."""


def least(work: Callable[[], object], repeat: int = 7) -> float:
    """Return the least processor time of several calls, in seconds."""
    work()
    return min(seconds(work)[1] for _ in range(repeat))


@torch.inference_mode()
def product_rate(dtype: torch.dtype) -> float:
    """Return the rate of products alone, in operations a second: the best of the shapes."""
    rates = []
    for rows, wide, out in SHAPES:
        a, b = torch.randn(rows, wide, dtype=dtype), torch.randn(wide, out, dtype=dtype)
        c = torch.empty(rows, out, dtype=dtype)
        rates.append(2 * rows * wide * out / least(partial(torch.mm, a, b, out=c)))
    return max(rates)


def copy_rate() -> float:
    """Return the rate of copies alone, in bytes a second, of which half are read."""
    a = torch.zeros(COPIED, dtype=torch.uint8)
    b = torch.empty_like(a)
    return 2 * COPIED / least(lambda: b.copy_(a))


def operations(predictor: SAMV2ImagePredictor, pixels: Tensor) -> int:
    """Count the operations of an embedding's products, those of attention as well."""
    predictor._network.requires_grad_(False)  # counting looks for gradients
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        predictor._network.encode_image(pixels)
    return int(counter.get_total_flops())


@torch.inference_mode()
def by_kind(work: Callable[[], object]) -> dict[str, float]:
    """Return which share of a call's time each kind of step takes."""
    work()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        work()
    times: dict[str, float] = defaultdict(float)
    for event in seen.key_averages():
        fits = (kind for kind, parts in KINDS.items() if any(part in event.key for part in parts))
        kind = next(fits, "the rest")
        times[kind] += event.self_cpu_time_total
    total = sum(times.values())
    return {kind: value / total for kind, value in sorted(times.items(), key=lambda i: -i[1])}


def encoder(name: str, dtype: str, rate: float) -> list[str]:
    """Describe an encoder beside a rate of products."""
    network = "nano" if name == "nano" else random_network(name)
    predictor = SAMV2ImagePredictor(network, device="cpu", dtype=dtype)
    pixels = torch.rand(1, 3, *[predictor.variant.input_size] * 2)
    count = operations(predictor, pixels)

    @torch.inference_mode()
    def work() -> object:
        return predictor._network.encode_image(pixels)

    took = least(work, 3)
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in by_kind(work).items())
    return [
        f"{name}, {dtype}: {count / 1e9:.0f} GFLOP in {took:.2f} s; products alone at the bare "
        f"rate {count / rate:.2f} s: {count / rate / took:.0%}",
        f"{name}, {dtype}: {shares}",
    ]


def scaling(name: str, threads: int) -> str:
    """Tell how long an embedding takes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    predictor = SAMV2ImagePredictor(
        "nano" if name == "nano" else random_network(name), device="cpu"
    )
    pixels = torch.rand(1, 3, *[predictor.variant.input_size] * 2)

    @torch.inference_mode()
    def work() -> object:
        return predictor._network.encode_image(pixels)

    work()
    times = [seconds(work) for _ in range(3)]
    torch.set_num_threads(before)
    clock, processor = (min(column) for column in zip(*times, strict=True))
    return f"{name}, threads {threads}: {clock:.2f} s by the clock, {processor:.2f} s of processors"


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline", description=__doc__)
    parser.add_argument("--models", nargs="*", default=["nano", "tiny"])
    # Where bfloat16 is emulated, a minute of it says nothing.
    dtypes = ["bfloat16", "float32"] if has_bfloat16_instructions() else ["float32"]
    parser.add_argument("--dtypes", nargs="*", default=dtypes)
    parser.add_argument("--threads", nargs="*", type=int, default=[])
    given = parser.parse_args()
    start = time.perf_counter()
    described = machine("cpu")
    torch.set_num_threads(1)
    lines = [f"{key}: {value}" for key, value in described.items()]
    lines.append(f"copies alone: {copy_rate() / 1e9:.1f} GB/s")
    for dtype in given.dtypes:
        rate = product_rate(getattr(torch, dtype))
        lines.append(f"products alone, {dtype}: {rate / 1e9:.0f} GFLOP/s")
        for name in given.models:
            lines += encoder(name, dtype, rate)
    lines += [scaling(name, threads) for name in given.models for threads in given.threads]
    print("\n".join(f"- {line}" for line in lines))
    print(f"\nmeasured in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
