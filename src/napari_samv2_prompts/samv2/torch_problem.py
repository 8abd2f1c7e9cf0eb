"""What to do when PyTorch is missing or cannot be loaded, in one sentence.

No torch here, of course; who imports it, asks.
"""

from __future__ import annotations

import sys

__all__ = ["is_about_torch", "torch_problem"]


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
