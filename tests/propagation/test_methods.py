from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.propagation import (
    Embeddings,
    HandOver,
    MemoryFollower,
    follower_of,
)
from napari_samv2_prompts.regions import InputSides


def method(name, *, remembers, most=64, side=64):
    stack = StackPicture.of(np.zeros((3, side, side), np.uint8))
    embed = Embeddings(stack.shape[1:], lambda *_: None, InputSides(64, most))
    model = SimpleNamespace(remembers=remembers, recall=object, decode=None)
    return type(follower_of(name, stack, embed, model))


def test_a_model_with_a_memory_uses_it_unless_asked_not_to():
    assert method("auto", remembers=True) is MemoryFollower
    assert method("memory", remembers=True) is MemoryFollower
    assert method("hand-over", remembers=True) is HandOver


def test_a_model_without_one_hands_over():
    assert method("auto", remembers=False) is HandOver


def test_planes_that_would_lose_detail_are_handed_over_unless_memory_is_asked_for():
    assert method("auto", remembers=True, side=200) is HandOver
    assert method("memory", remembers=True, side=200) is MemoryFollower


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="no method 'both': it is 'auto', 'hand-over' or 'memory'"):
        method("both", remembers=True)
