"""The command line where the user has no home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_samv2_prompts.cli.home import home_or_stand_in

pwd = pytest.importorskip("pwd", reason="users of Windows always have a home")
CACHE = "NUMBA_CACHE_DIR"


@pytest.fixture(autouse=True)
def no_cache_named(monkeypatch) -> None:
    monkeypatch.delenv(CACHE, raising=False)


def test_a_home_that_can_be_written_is_left_alone(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "to be made"))
    before = dict(os.environ)
    with home_or_stand_in():
        assert dict(os.environ) == before


def test_a_home_that_cannot_be_written_is_stood_in_for(monkeypatch, tmp_path: Path) -> None:
    home = tmp_path / "no" / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    before = dict(os.environ)
    with home_or_stand_in():
        cache = Path(os.environ[CACHE])
        (cache / "file").write_text("kept for as long as the program runs")
        assert os.environ["HOME"] == str(home)
    assert not cache.exists()
    assert dict(os.environ) == before


def test_a_user_without_a_name_gets_a_home_that_libraries_can_name(monkeypatch) -> None:
    def nobody(user: int) -> None:
        raise KeyError(user)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(RuntimeError, match="home"):
        Path.home()
    with home_or_stand_in():
        assert Path.home().is_absolute()
        assert CACHE in os.environ
    assert "HOME" not in os.environ
