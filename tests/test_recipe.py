"""The recipe for conda-forge says what pyproject.toml says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

TOP = Path(__file__).parent.parent
CONDA_NAMES = {"torch": "pytorch"}


def test_the_recipe_has_the_version_and_the_requirements_of_the_package() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    recipe = yaml.safe_load((TOP / "recipe" / "recipe.yaml").read_text("utf-8"))
    assert recipe["context"]["version"] == project["version"]
    wanted = {"python >=${{ python_min }}"}
    for requirement in project["dependencies"]:
        name, floor = re.fullmatch(r"([\w.-]+)(?:\[.*\])?\s*(.*)", requirement).groups()
        wanted.add(f"{CONDA_NAMES.get(name, name)} {floor}".strip())
    assert set(recipe["requirements"]["run"]) == wanted
    (entry,) = recipe["build"]["python"]["entry_points"]
    name, target = entry.split(" = ")
    assert project["scripts"][name] == target
