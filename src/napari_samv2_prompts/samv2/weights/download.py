"""Fetch a published checkpoint into the cache folder, so that it is whole or absent.

Bytes go to ``FILE.part`` next to the target, which a later call goes on from; only a file of the
published SHA-256 gets the final name.  A lock keeps two processes from writing the same file.
What is published and where it goes is :mod:`.registry`; reading it is :mod:`.checkpoints`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import Request

from filelock import FileLock, Timeout

from .registry import CheckpointError, PublishedFile, cache_folder, published_file
from .variants import DEFAULT_VERSION

_CHUNK = 1 << 20
_TIMEOUT = 30.0  # seconds without a byte
_LOCK_POLL = 0.2  # seconds between looks at `cancel` while another process downloads
_SPARE_DISK = 64 << 20  # bytes to leave free

_NETWORK_ERRORS = (
    urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ssl.SSLError
)  # fmt: skip

Progress = Callable[[int, int], object]
Cancel = Callable[[], bool]
OpenURL = Callable[[Request], Any]


class DownloadCancelled(Exception):
    """The caller cancelled the download; what had come is kept for the next time."""


class _HTTPSOnly(urllib.request.HTTPRedirectHandler):
    """Follow a redirect only to another https address."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_https(url: str) -> None:
    if urlsplit(url).scheme != "https":
        raise CheckpointError(f"Refused to download from {url}: only https addresses are used.")


def open_https(request: Request) -> Any:
    """Open a request, and whatever it redirects to, over https alone."""
    _require_https(request.full_url)
    return urllib.request.build_opener(_HTTPSOnly).open(request, timeout=_TIMEOUT)


def download(
    name: str,
    version: str = DEFAULT_VERSION,
    *,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    folder: Path | None = None,
) -> Path:
    """Return the published checkpoint of a model, downloading what is missing of it.

    - `name`, `version`: short or full name of the model, and the version meant by a short name
    - `progress`: called as ``progress(done, total)``, in bytes, from the thread of this call
    - `cancel`: asked between chunks; the download stops when it returns True
    - `folder`: where the file goes; :func:`.cache_folder` if not given
    - raises DownloadCancelled if `cancel` said so
    - raises CheckpointError if the network, the disk or the file itself is at fault; the message
      says what to do
    - raises ValueError if there is no such model
    """
    folder = cache_folder() if folder is None else folder
    return fetch(published_file(name, version), folder, progress=progress, cancel=cancel)


def fetch(
    file: PublishedFile,
    folder: Path,
    *,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    open_url: OpenURL = open_https,
) -> Path:
    """Bring `file` into `folder`, see :func:`download`; `open_url` stands for the network."""
    target = folder / file.file
    part = folder / f"{file.file}.part"
    report = progress or (lambda done, total: None)
    stop = cancel or (lambda: False)
    if _is_there(file, target):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{file.file}.lock", stop):
            if _is_there(file, target):  # another process was faster
                return target
            _require_space(file, part)
            _fill(file, part, report, stop, open_url)
            _verify(file, part, stop)
            part.replace(target)
    except _NETWORK_ERRORS as error:
        raise CheckpointError(_network_message(file, folder, part, error)) from error
    except OSError as error:
        raise CheckpointError(
            f"{file.file} cannot be written to {folder} ({error.strerror or error}): make room or "
            "give write access there, or name another folder with NAPARI_SAMV2_PROMPTS_CACHE."
        ) from error
    return target


def _is_there(file: PublishedFile, target: Path) -> bool:
    """Whether the file is complete; a different file of that name is not ours to replace."""
    if not target.exists():
        return False
    size = target.stat().st_size
    if size != file.bytes:
        raise CheckpointError(
            f"{target} is not the published file ({size:,} instead of {file.bytes:,} bytes): "
            "move or delete it, then download again."
        )
    return True


@contextmanager
def _locked(path: Path, stop: Cancel) -> Iterator[None]:
    lock = FileLock(path, mode=0o666)  # left behind, it must not keep other users out
    while True:
        if stop():
            raise DownloadCancelled
        try:
            lock.acquire(timeout=_LOCK_POLL)
        except Timeout:
            continue
        break
    try:
        yield
    finally:
        lock.release()


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _require_space(file: PublishedFile, part: Path) -> None:
    missing = file.bytes - _size(part) + _SPARE_DISK
    free = shutil.disk_usage(part.parent).free
    if free < missing:
        raise CheckpointError(
            f"{file.file} needs {missing / 1e6:.0f} MB on the disk of {part.parent}, which has "
            f"{free / 1e6:.0f} MB free: make room, or name a folder on another disk with "
            "NAPARI_SAMV2_PROMPTS_CACHE."
        )


def _fill(
    file: PublishedFile, part: Path, report: Progress, stop: Cancel, open_url: OpenURL
) -> None:
    """Append to the part what it lacks, starting over where the server cannot go on."""
    done = _size(part)
    if done > file.bytes or (part.exists() and not os.access(part, os.W_OK)):
        part.unlink()  # too long, or begun by another user
        done = 0
    report(done, file.bytes)
    if done == file.bytes:
        return
    headers = {"User-Agent": "napari-samv2-prompts"}
    if done:
        headers["Range"] = f"bytes={done}-"
    if stop():
        raise DownloadCancelled
    with open_url(Request(file.url, headers=headers)) as response:
        resumed = done > 0 and response.status == 206
        if not resumed:
            done = 0
        _require_right_answer(file, part.parent, response, done)
        with part.open("ab" if resumed else "wb") as out:
            while done <= file.bytes and (chunk := response.read(_CHUNK)):
                out.write(chunk)
                done += len(chunk)
                report(done, file.bytes)
                if stop():
                    raise DownloadCancelled
    if done < file.bytes:
        raise ConnectionError("the connection ended early")


def _require_right_answer(file: PublishedFile, folder: Path, response: Any, start: int) -> None:
    """Refuse, before a byte is written, an answer that cannot be the file (a log-in page, say)."""
    kind = response.headers.get("Content-Type", "unknown")
    length = response.headers.get("Content-Length")
    right_length = length is None or start + int(length) == file.bytes
    content_range = response.headers.get("Content-Range", "")
    right_start = start == 0 or content_range.startswith(f"bytes {start}-")
    if kind.startswith("text/html") or not right_length or not right_start:
        raise CheckpointError(
            f"{urlsplit(file.url).hostname} did not send {file.file} but {length or 'some'} bytes "
            f"of {kind}: a log-in page or proxy may stand in between; open {file.url} in a browser "
            f"to see, or put the file into {folder} by hand."
        )


def _verify(file: PublishedFile, part: Path, stop: Cancel) -> None:
    """Compare the SHA-256; a wrong file is removed, since no later call could mend it."""
    digest = hashlib.sha256()
    with part.open("rb") as data:
        while chunk := data.read(_CHUNK):
            digest.update(chunk)
            if stop():
                raise DownloadCancelled
    if digest.hexdigest() != file.sha256:
        part.unlink()
        raise CheckpointError(
            f"The download of {file.file} does not have the published checksum and was thrown "
            "away: try again; if it happens twice, something on the way changes the file."
        )


def _network_message(file: PublishedFile, folder: Path, part: Path, error: Exception) -> str:
    done = _size(part)
    host = urlsplit(file.url).hostname
    if isinstance(error, urllib.error.HTTPError):
        return (
            f"{host} answered {error.code} ({error.reason}) for {file.url}: try again later, or "
            f"get the file elsewhere and put it into {folder}."
        )
    if done:
        return (
            f"The download of {file.file} was interrupted after {done / 1e6:.0f} of "
            f"{file.bytes / 1e6:.0f} MB ({_reason(error)}): start it again and it goes on from "
            "there."
        )
    return (
        f"{host} cannot be reached ({_reason(error)}): check the network and proxy, or download "
        f"{file.url} elsewhere and put it into {folder}."
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "")) or str(error) or type(error).__name__
