"""What is not public of PyTorch may go, or be called otherwise: the same results without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from napari_samv2_prompts.samv2.device import choose_device
from napari_samv2_prompts.samv2.ops import torch_internals
from napari_samv2_prompts.samv2.ops.kernels import attend, gelu, linear


class Nothing:
    """A namespace of operators in which there are none."""


def otherwise() -> None:
    """Be called otherwise than before."""


def changed(name: str, then: Callable[..., Any] = otherwise) -> Any:
    namespace: Any = Nothing()
    namespace._is_mkldnn_bf16_supported = lambda: True
    setattr(namespace, name, then)
    return namespace


@pytest.mark.parametrize(
    "operators",
    [
        Nothing(),
        changed("_linear_pointwise"),
        changed("_linear_pointwise", lambda *_: torch.relu("no tensor")),  # type: ignore[arg-type]
        changed("_is_mkldnn_bf16_supported"),
        changed("_is_mkldnn_bf16_supported", lambda: torch.tensor([1, 2]).item()),
    ],
    ids=["gone", "other arguments", "refuses", "says nothing", "fails"],
)
def test_linear_layers_and_attention_do_without_onednn(operators: Any, monkeypatch: Any) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(32, 24).bfloat16(), torch.randn(3, 7, 32, dtype=torch.bfloat16)
    q = torch.randn(1, 2, 9, 16, dtype=torch.bfloat16)
    with torch.inference_mode():
        true = torch.nn.functional.gelu(layer(x))
        attended = torch.nn.functional.scaled_dot_product_attention(q, q, q)
        monkeypatch.setattr(torch.ops, "mkldnn", operators)
        torch.testing.assert_close(linear(x, layer, "gelu"), true, atol=0.02, rtol=0.02)
        torch.testing.assert_close(attend(q, q, q), attended, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("operators", [Nothing(), changed("gelu_")], ids=["gone", "otherwise"])
def test_gelu_does_without_the_operator(operators: Any, monkeypatch: Any) -> None:
    x = torch.randn(7)
    true = torch.nn.functional.gelu(x)
    monkeypatch.setattr(torch.ops, "aten", operators)
    with torch.inference_mode():
        assert torch.equal(gelu(x.clone()), true)


@pytest.mark.parametrize("answer", [otherwise, lambda: 5])
def test_a_cpu_that_is_not_described_computes_in_float32(answer: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", answer, raising=False)
    assert choose_device("cpu").dtype == torch.float32
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not torch_internals.has_bfloat16_instructions()
