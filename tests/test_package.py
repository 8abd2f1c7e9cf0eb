"""What napari and pip see of the package before any of it runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_samv2_prompts
from napari_samv2_prompts import samv2

ROOT = Path(__file__).parent.parent
OTHER_NAMES = {"PIL": "pillow", "skimage": "scikit-image"}  # where pip knows a package by another


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


def test_what_is_imported_at_run_time_is_declared() -> None:
    """Else it would run where the tests are and nowhere else."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(line for extra in extras for line in extra)]
    declared = {re.split(r"[\s\[<>=]", line)[0] for line in wanted}
    found = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    foreign = found - sys.stdlib_module_names - {"napari_samv2_prompts"}
    assert {"torch", "napari", "PIL"} <= foreign
    assert {OTHER_NAMES.get(name, name) for name in foreign} <= declared


def test_the_wheel_holds_one_package_and_what_it_needs() -> None:
    from hatchling.builders.wheel import WheelBuilder

    files = WheelBuilder(str(ROOT)).recurse_included_files()
    paths = {Path(file.distribution_path) for file in files}
    package = Path("napari_samv2_prompts")
    assert {path.parts[0] for path in paths} == {package.name}
    for name in (
        "napari.yaml",
        "py.typed",
        "weights/nano.safetensors",
        "_qt/widget.py",
        "propagation/borders.npz",
    ):
        assert package / name in paths
    assert not [path for path in paths if path.suffix == ".pyc" or path.name.startswith("test")]
