"""Missing or broken PyTorch: one sentence with what to do, wherever it shows."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import ModuleType

import pytest

from napari_samv2_prompts.samv2.torch_import import (
    import_quietly,
    is_about_torch,
    torch_problem,
)


def missing() -> ModuleNotFoundError:
    return ModuleNotFoundError("No module named 'torch'", name="torch")


@pytest.mark.parametrize(
    ("system", "error", "words"),
    [
        ("linux", missing(), "pip install torch"),
        ("win32", missing(), "pip install torch"),
        ("win32", OSError("[WinError 1114] ... c10.dll"), "Visual C++"),
        ("win32", ImportError("DLL load failed while importing _C"), "imports torch first"),
        ("darwin", ImportError("torch/_C.so: wrong architecture"), "install it again"),
    ],
)
def test_each_way_to_fail_says_what_to_do(monkeypatch, system, error, words: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    told = torch_problem(error)
    assert words in told
    assert "\n" not in told


def test_other_missing_packages_are_not_blamed_on_torch() -> None:
    assert is_about_torch(missing())
    assert not is_about_torch(ModuleNotFoundError("No module named 'torchvision'", name="nothing"))
    assert not is_about_torch(FileNotFoundError("There is no file cells.tif"))


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # as if it were not installed
from napari_samv2_prompts.cli import main
from napari_samv2_prompts._qt.models import make_predictor, model_entries
from napari_samv2_prompts.engine import Job, ModelChoice, Task
from napari_samv2_prompts.engine.jobs import sentence
assert main(["models"]) == 0 and model_entries()
assert main(["demo", "--out", sys.argv[1]]) == 1
try:
    make_predictor(ModelChoice(), Task(Job("key", lambda task: None)))
except ImportError as error:
    print("The widget:", sentence(error), file=sys.stderr)
"""


def test_without_torch_the_program_and_the_widget_say_how_to_get_it(tmp_path) -> None:
    run = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)]
    done = subprocess.run(run, check=True, capture_output=True, text=True)
    *_, program, widget = done.stderr.strip().splitlines()
    assert program.startswith("napari-samv2-prompts: PyTorch is not installed: run `pip install")
    assert widget.startswith("The widget: PyTorch is not installed: run `pip install torch`")


HALF_THERE = """
import sys
gate = sys.modules["gate"]
gate.begun.set()
gate.go.wait(30)
done = True
"""


def test_a_module_that_another_thread_imports_is_waited_for(tmp_path, monkeypatch) -> None:
    gate = ModuleType("gate")
    gate.begun, gate.go = begun, go = threading.Event(), threading.Event()
    monkeypatch.setitem(sys.modules, "gate", gate)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "half_there.py").write_text(HALF_THERE)
    whole: list[bool] = []

    def use() -> None:
        whole.append(hasattr(import_quietly("half_there"), "done"))

    first, second = threading.Thread(target=use), threading.Thread(target=use)
    first.start()
    assert begun.wait(30)
    second.start()
    second.join(0.2)
    go.set()
    first.join()
    second.join()
    monkeypatch.delitem(sys.modules, "half_there")
    assert whole == [True, True]
