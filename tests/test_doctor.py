"""The report for bugs."""

from __future__ import annotations

import builtins

import pytest

from napari_samv2_prompts import cli


def test_it_says_versions_device_models_and_a_timing(capsys) -> None:
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr().out
    for word in ("napari-samv2-prompts 1.", "torch 2.", "folder: ", "nano: ", "CPU", " ms\n"):
        assert word in said, word


def test_what_does_not_work_is_told_and_the_rest_still_is(capsys, monkeypatch) -> None:
    real = builtins.__import__

    def broken(name: str, *args, **kwargs):
        if name == "napari_samv2_prompts.samv2" and args[2:3] and args[2]:
            raise ImportError("No module named 'torch'", name="torch")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", broken)
    assert cli.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "numpy " in said
    assert "problem: " in said


def test_without_a_timing_no_model_is_loaded(capsys, monkeypatch) -> None:
    monkeypatch.setattr("napari_samv2_prompts.cli.doctor._timing", pytest.fail)
    assert cli.main(["doctor", "--no-timing"]) == 0
    assert "one click" not in capsys.readouterr().out
