"""What the user guide shows works: every block of Python, every command line, every message."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from skimage.data import coins
from tifffile import imwrite

import napari_samv2_prompts
from napari_samv2_prompts import cli
from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.io.record_files import write_record
from napari_samv2_prompts.scripting import prompts_of, record_of

TOP = Path(__file__).parent.parent
PAGES = sorted([TOP / "README.md", *(TOP / "docs").glob("*.md")])
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
BOX = (131, 27, 179, 74)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language, without their indentation."""
    return [
        re.sub(f"^{indent}", "", text, flags=re.MULTILINE)
        for indent, name, text in FENCE.findall(page.read_text("utf-8"))
        if name == language
    ]


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch) -> Path:
    """Return a folder with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    imwrite("cells.tif", coins(), resolution=(5e4, 5e4), resolutionunit="CENTIMETER")
    imwrite("film.tif", np.stack([coins()[:99, :99]] * 2), photometric="minisblack")
    Path("boxes.csv").write_text(f"object,x0,y0,x1,y1\n1,{','.join(map(str, BOX))}\n")
    Path("pictures").mkdir()
    imwrite("pictures/cells.tif", coins())
    shutil.copy("boxes.csv", "pictures/cells.csv")
    prompts = prompts_of(coins().shape, [BOX])
    model, dtype = ModelChoice("nano"), coins().dtype
    write_record("prompts.json", record_of("cells.tif", coins().shape, dtype, prompts, model))
    return tmp_path


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_every_block_of_python_runs(page: Path, desk, make_napari_viewer, monkeypatch) -> None:
    monkeypatch.setattr("napari.Viewer", make_napari_viewer)
    monkeypatch.setattr("napari.run", lambda: None)
    # To train, pictures are not learnt from mirrored too: that is most of the work of a few steps.
    monkeypatch.setattr("napari_samv2_prompts.samv2.finetune.loop.FLIPS", 1)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks(page, "python"), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)
    if "labels" in names:
        data = np.asarray(getattr(names["labels"], "data", names["labels"]))
        assert data.max() > 0
    if "widget" in names:
        names["widget"].session.close()


COMMANDS = [
    (page.name, line.split("  #")[0].strip())
    for page in PAGES
    for block in blocks(page, "sh")
    for line in block.splitlines()
    if line.startswith("napari-samv2-prompts ")
]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_every_command_line_is_one_that_the_program_takes(page: str, line: str) -> None:
    _, *arguments = shlex.split(line)
    assert callable(cli.parser().parse_args(arguments).run)


def test_every_message_of_the_troubleshooting_page_is_in_the_code() -> None:
    """So that a reworded message takes its explanation along."""
    page = (TOP / "docs" / "troubleshooting.md").read_text("utf-8")
    sources = (TOP / "src").rglob("*.py")
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text("utf-8") for path in sources))
    messages = re.findall(r"^\| \*(.+?)\* \|", page, flags=re.MULTILINE)
    assert len(messages) > 8
    for message in messages:
        for part in message.split("..."):
            assert part.strip(" ,.") in code, part


def test_every_public_name_is_on_the_reference_page() -> None:
    page = (TOP / "docs" / "reference.md").read_text("utf-8")
    listed = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)", page, re.MULTILINE)}
    assert set(napari_samv2_prompts.__all__) - {"__version__"} <= listed


def test_every_picture_is_there_and_none_is_left_over() -> None:
    shown = set()
    for page in PAGES:
        for link in re.findall(r"!\[[^\]]*\]\(([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"
            shown.add(Path(link).name)
    there = {path.name for path in (TOP / "docs" / "images").iterdir()}
    assert there == shown


def test_files_that_a_docstring_points_at_are_there() -> None:
    folders = (TOP / name for name in ("src", "training", "benchmarks"))
    files = {path: f"/{path.as_posix()}" for folder in folders for path in folder.rglob("*.py")}
    lost = [
        (path.name, named)
        for path in files
        for named in re.findall(r"``([\w/]+\.py)``", path.read_text("utf-8"))
        if not any(file.endswith(f"/{named}") for file in files.values())
    ]
    assert lost == []
