"""Import the model without holding up the window.

Importing torch takes a second or more.  In another thread that still freezes the window, for two
reasons that are dealt with here:

- Python loads a shared library with its lock held, and torch's largest needs half a second.
  Called as a foreign function the system's loader runs without the lock, and when the import comes
  to the same library it is there already.
- Torch makes some hundred thousand objects, each few thousand of which have the garbage collector
  look at all objects of napari again.  So it rests during the import; afterwards the new objects
  are counted as old ones, and the next collection is a small one.

Neither changes what is imported.  Not here: what to do with it (``models.py``).
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from napari_samv2_prompts.samv2.torch_problem import torch_problem

__all__ = ["import_quietly"]

# The library that Python would load holding the lock, and that draws all the others in.
_LIBRARY = {"linux": "libtorch_python.so", "darwin": "libtorch_python.dylib"}


def import_quietly(name: str) -> ModuleType:
    """Import a module that imports torch; call it in the worker.

    Parameters
    ----------
    name : str
        Full name of the module.

    Raises
    ------
    ImportError
        If torch cannot be loaded; the message says what to do.
    """
    if name in sys.modules:
        return sys.modules[name]
    if "torch" not in sys.modules:
        _load_library()
    try:
        with _collector_resting():
            return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise ImportError(torch_problem(error)) from error


def _load_library() -> None:
    """Load torch's shared libraries without Python's lock, where we know how."""
    library = _LIBRARY.get(sys.platform)
    spec = importlib.util.find_spec("torch")
    if library is None or spec is None or spec.origin is None:
        return
    path = Path(spec.origin).parent / "lib" / library
    if path.is_file():
        dlopen = ctypes.CDLL(None).dlopen
        dlopen.restype = ctypes.c_void_p
        dlopen.argtypes = [ctypes.c_char_p, ctypes.c_int]
        dlopen(os.fsencode(path), os.RTLD_NOW)  # kept open: the import needs it


@contextmanager
def _collector_resting() -> Iterator[None]:
    resting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if resting:
            gc.freeze()
            gc.unfreeze()
            gc.enable()
