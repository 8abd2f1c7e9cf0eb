"""What napari and pip see of the package before any of it runs."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_samv2_prompts
from napari_samv2_prompts import samv2

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "module",
    [
        "napari_samv2_prompts",
        "napari_samv2_prompts.samv2",
        "napari_samv2_prompts.cli",
        "napari_samv2_prompts.sample_data",
    ],
)
def test_importing_is_light(module: str) -> None:
    code = (
        f"import sys, {module}; "
        "heavy = {'torch', 'qtpy', 'napari', 'skimage', 'scipy', 'matplotlib'} & set(sys.modules); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names() -> None:
    assert napari_samv2_prompts.__version__ == version("napari-samv2-prompts")
    for name in samv2.__all__:
        assert getattr(napari_samv2_prompts, name) is getattr(samv2, name)
        assert name in dir(napari_samv2_prompts)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = napari_samv2_prompts.nonsense
    with pytest.raises(AttributeError, match="nonsense"):
        _ = samv2.nonsense


def test_manifest_is_valid_and_points_at_what_exists() -> None:
    manifest = PluginManifest.from_distribution("napari-samv2-prompts")
    manifest.validate_imports()
    widgets = manifest.contributions.widgets
    assert [widget.display_name for widget in widgets] == ["SAMV2 Prompts"]


def test_manifest_is_linked_at_the_top() -> None:
    inside = ROOT / "src" / "napari_samv2_prompts" / "napari.yaml"
    assert (ROOT / "napari.yaml").resolve() == inside.resolve()


def test_command_line_is_installed() -> None:
    (script,) = entry_points(group="console_scripts", name="napari-samv2-prompts")
    from napari_samv2_prompts.cli import main

    assert script.load() is main


def test_no_cap_on_napari_torch_or_qt() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = " ".join(project["dependencies"]).lower()
    assert "<" not in base
    assert "==" not in base
    assert "pyqt" not in base
    assert "pyside" not in base
    assert "napari[" not in base
    assert "transformers" not in base
