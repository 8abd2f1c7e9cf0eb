"""The import of torch: in a thread, with a window going on; and what to do when it fails.

It would freeze the window, by up to a second, for two reasons that are dealt with here:

- Python loads a shared library with its lock held, and the largest of torch needs half a second.
  Called as a foreign function the loader of the system runs without the lock, and when the import
  comes to the same library it is there already.  That can begin before anything else.
- Torch makes some hundred thousand objects, each few thousand of which have the garbage collector
  look at all objects of napari again.  So it rests during the import; afterwards the new objects
  are counted as old ones, and the next collection is a small one.

Neither changes what is imported.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType

# The library that Python would load holding the lock, and that draws all the others in.
_LIBRARY = {"linux": "libtorch_python.so", "darwin": "libtorch_python.dylib"}


def load_libraries_ahead() -> None:
    """Begin to load torch's libraries in a thread of its own, while the widget is built."""
    threading.Thread(target=load_libraries, name="samv2-prompts-libraries", daemon=True).start()


def import_quietly(name: str) -> ModuleType:
    """Import a module that imports torch; call it in the worker.

    - `name`: full name of the module
    - raises ImportError if torch cannot be loaded; the message says what to do
    """
    begun = name in sys.modules  # by another thread it may be: importing waits for that
    if not begun:
        load_libraries()
    try:
        with nullcontext() if begun else collector_resting():
            return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise ImportError(torch_problem(error)) from error


def load_libraries() -> None:
    """Load torch's shared libraries without Python's lock, where we know how.

    Who calls while another thread loads them waits for it.
    """
    if "torch" in sys.modules:
        return
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
def collector_resting() -> Iterator[None]:
    """Have the garbage collector rest while modules are imported, and take what they made for old.

    They make so many objects that it would go through all of the viewer's, which takes a tenth of a
    second each time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


# --- when it fails ----------------------------------------------------------------------------


def is_about_torch(error: BaseException) -> bool:
    """Tell whether an import failed because of PyTorch rather than something else."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.split(".")[0] == "torch"
    return "torch" in str(error).lower() or "c10.dll" in str(error)


def torch_problem(error: BaseException) -> str:
    """Return what the user reads in place of an error of importing PyTorch."""
    if isinstance(error, ModuleNotFoundError) and error.name == "torch":
        return (
            "PyTorch is not installed: run `pip install torch` in the environment of napari and "
            "start napari again. The page Install tells which build suits your machine."
        )
    if sys.platform == "win32" and (isinstance(error, OSError) or "DLL" in str(error)):
        return (
            "PyTorch cannot be loaded: install the newest Microsoft Visual C++ runtime, or start "
            f"napari from a script that imports torch first ({error})."
        )
    return f"PyTorch cannot be loaded: install it again, as pytorch.org says ({error})."
