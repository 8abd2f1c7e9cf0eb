"""A second thread: how PyTorch's threads are shared between two that compute."""

from __future__ import annotations

import threading

import pytest
import torch

from napari_samv2_prompts.propagation.second_thread import SecondThread


@pytest.fixture
def second():
    second = SecondThread()
    yield second
    second.close()


@pytest.fixture
def four_threads():
    """PyTorch with four threads, however many cores there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_while_something_is_made_ahead_each_thread_has_half_of_pytorch_s(
    second, four_threads
) -> None:
    go, begun, there = threading.Event(), threading.Event(), []

    def make() -> None:
        torch.get_num_threads()  # where a thread asks for the first time it is told all of them
        begun.set()
        go.wait(30)

    second.begin(make)
    begun.wait(30)
    with second.beside():
        assert torch.get_num_threads() == 2
    go.set()
    second.begin(lambda: there.append(torch.get_num_threads())).result(30)
    with second.beside():
        assert torch.get_num_threads() == 4
    assert torch.get_num_threads() == 4
    assert there == [2]
