"""Linear layers and attention: the same however computed, and in half precision nearly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from napari_samv2_prompts.samv2.ops import kernels as products
from napari_samv2_prompts.samv2.ops.kernels import Activation, add, attend, gelu, linear

SEVERAL_ROUNDINGS = 0.02  # bfloat16 has 8 bits


def relative_error(found: torch.Tensor, true: torch.Tensor) -> float:
    return float((found.float() - true).norm() / true.norm())


@pytest.mark.parametrize("then", ["none", "gelu", "relu"])
@pytest.mark.parametrize("shape", [(7, 32), (2, 3, 5, 32)])
def test_a_linear_layer_and_its_activation(then: Activation, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(32, 24), torch.randn(shape)
    activation = {"none": lambda y: y, "gelu": F.gelu, "relu": F.relu}[then]
    with torch.inference_mode():
        true = activation(F.linear(x, layer.weight, layer.bias))
        assert torch.equal(linear(x, layer, then), true)
        half = linear(x.bfloat16(), layer.bfloat16(), then)
    assert half.shape == true.shape
    assert half.dtype == torch.bfloat16
    assert relative_error(half, true) < SEVERAL_ROUNDINGS


def test_what_gradients_ask_for_is_not_written_over() -> None:
    x, y = torch.randn(5, requires_grad=True), torch.randn(5)
    before, doubled = x.detach().clone(), 2 * x
    sum_ = add(doubled, y)
    assert torch.equal(doubled, 2 * before)
    gelu(sum_).sum().backward()
    expected = before.requires_grad_()
    F.gelu(2 * expected + y).sum().backward()
    assert torch.equal(x.grad, expected.grad)
    with torch.inference_mode():
        assert torch.equal(gelu(add(doubled.detach().clone(), y)), F.gelu(doubled + y))


def test_half_precision_can_be_trained() -> None:
    layer, x = nn.Linear(8, 8).bfloat16(), torch.randn(3, 8, dtype=torch.bfloat16)
    q = torch.randn(1, 2, 5, 4, dtype=torch.bfloat16, requires_grad=True)
    (linear(x, layer, "gelu").sum() + attend(q, q, q).sum()).backward()
    assert layer.weight.grad is not None
    assert q.grad is not None


@pytest.mark.parametrize("at_once", [2**21, 100, 1])
@pytest.mark.parametrize("shape", [(3, 2, 20, 20), (1, 4, 50, 20), (6, 1, 7, 30)])
def test_attention_in_pieces_of_any_size(
    at_once: int, shape: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "_SCORES_AT_ONCE", at_once)
    torch.manual_seed(0)
    batch, heads, queries, keys = shape
    q = torch.randn(batch, queries, heads, 16).transpose(1, 2)
    k, v = (torch.randn(batch, keys, heads, 16).transpose(1, 2) for _ in range(2))
    scores = q @ k.transpose(2, 3) / 4
    true = scores.softmax(-1) @ v
    with torch.inference_mode():
        torch.testing.assert_close(attend(q, k, v), true, atol=1e-5, rtol=1e-4)
        half = attend(q.bfloat16(), k.bfloat16(), v.bfloat16())
    assert half.shape == true.shape
    assert relative_error(half, true) < SEVERAL_ROUNDINGS


def test_values_of_fewer_channels_than_keys() -> None:
    torch.manual_seed(2)
    q, k = torch.randn(2, 1, 700, 32) * 3, torch.randn(2, 1, 1500, 32) * 3
    v = torch.randn(2, 1, 1500, 8)
    with torch.inference_mode():
        true = (q.double() @ k.double().transpose(2, 3) / 32**0.5).softmax(-1) @ v.double()
        torch.testing.assert_close(attend(q, k, v).double(), true, atol=1e-5, rtol=1e-4)
        half = attend(q.bfloat16(), k.bfloat16(), v.bfloat16())
    assert (half.double() - true).abs().mean() < 0.02
