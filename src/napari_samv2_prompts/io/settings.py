"""What the widget remembers between starts: the last choices, in a small file of its own.

The plugin settings of napari would be the place for it, but reading them parses the manifests of
all plugins once more in the thread of the window: 0.3 s with four plugins (napari 0.9.2, measured).
This file is read in that thread, before the form is shown, since a form that changes under the
mouse is worse: half a kilobyte, at most `LARGEST`, from the folder that napari's own settings were
read from a moment before.  It is written in a thread, and never looks for the files that it names.

Not here: which choices there are (``_qt``).
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from napari_samv2_prompts.files import written_whole

SETTINGS_VARIABLE = "NAPARI_SAMV2_PROMPTS_SETTINGS"
"""Environment variable that names the file; empty for remembering nothing."""

LARGEST = 100_000  # bytes: no such file of ours comes near it

_log = logging.getLogger(__name__)

Value = str | int | bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to remember: how to read it and how to set it.

    `set` raises ValueError or TypeError for what cannot be chosen.
    """

    get: Callable[[], Value]
    set: Callable[[Any], object]


def settings_file() -> Path | None:
    """Return the file, which need not exist, or None if nothing is to be remembered."""
    named = os.environ.get(SETTINGS_VARIABLE)
    if named is not None:
        return Path(named).expanduser() if named.strip() else None
    return user_config_path("napari-samv2-prompts", appauthor=False) / "settings.json"


class Remembered:
    """Choices that survive a restart.

    What cannot be read or chosen any more is left out with a note; it is never an error.  Several
    windows share the file: the last change wins.

    - `choices`: by their name in the file
    - `path`: None for remembering nothing
    """

    def __init__(self, choices: Mapping[str, Choice], path: Path | None) -> None:
        self._choices = dict(choices)
        self._path = path
        self._foreign: dict[str, Any] = {}  # of a newer version of this package: kept
        self._newest = self._values()
        self._writing = threading.Lock()

    def restore(self) -> str:
        """Choose what was chosen last; return what did not work, in a sentence, or an empty one."""
        try:
            found = _read(self._path)
        except (OSError, ValueError) as error:
            return f"The last settings are not used: {self._path} can't be read ({error})."
        left_out = []
        for name, value in found.items():
            if name not in self._choices:
                self._foreign[name] = value
                continue
            try:
                self._choices[name].set(value)
            except (ValueError, TypeError):
                left_out.append(f"{name} {value!r}")
        self._newest = self._values()
        if left_out:
            return f"Some of the last settings can't be used any more: {', '.join(left_out)}."
        return ""

    def save(self) -> None:
        """Remember the choices as they are, if they changed; does not wait for the disk."""
        values = self._values()
        if self._path is not None and values != self._newest:
            self._newest = values
            threading.Thread(
                target=self._write, args=(self._path, values), name="samv2-prompts-settings"
            ).start()

    def _values(self) -> dict[str, Value]:
        return {name: choice.get() for name, choice in self._choices.items()}

    def _write(self, path: Path, values: dict[str, Value]) -> None:
        with self._writing:
            if values is not self._newest:
                return  # the thread of a later change writes
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(path) as part:
                    part.write_text(json.dumps({**self._foreign, **values}, indent=1), "utf-8")
            except OSError as error:  # a read-only home is no reason to disturb anybody's work
                _log.warning("The settings could not be remembered in %s: %s", path, error)


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            read = file.read(LARGEST + 1)
        if len(read) > LARGEST:
            raise ValueError("it is too large for settings")
        content = json.loads(read.decode("utf-8"))
    except FileNotFoundError:
        return {}
    except RecursionError:
        raise ValueError("it holds no settings") from None
    if not isinstance(content, dict):
        raise ValueError("it holds no settings")  # noqa: TRY004 - of the file, not an argument
    return content
