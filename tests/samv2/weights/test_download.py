from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest

from napari_samv2_prompts.samv2.weights import download as module
from napari_samv2_prompts.samv2.weights.download import (
    DownloadCancelled,
    download,
    fetch,
    open_https,
)
from napari_samv2_prompts.samv2.weights.registry import CheckpointError, PublishedFile

CONTENT = np.random.default_rng(0).bytes(3_500_000)


@dataclass
class Server:
    """A small web server that misbehaves as told."""

    content: bytes = CONTENT
    kind: str = "application/octet-stream"
    status: int = 200
    ranges: bool = True
    cut_after: int | None = None
    delay: float = 0.0
    port: int = 0
    asked: list[str | None] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted[len("bytes=") : -1]) if wanted and self.ranges else 0
        request.send_response(206 if start else self.status)
        if start:
            end = len(self.content)
            request.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        request.send_header("Content-Type", self.kind)
        request.send_header("Content-Length", str(len(self.content) - start))
        request.end_headers()
        time.sleep(self.delay)
        request.wfile.write(self.content[start:][: self.cut_after])


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def file(server: Server) -> PublishedFile:
    return PublishedFile(
        variant="sam2.1_hiera_tiny",
        version="2.1",
        file="sam2.1_hiera_tiny.pt",
        url=f"http://127.0.0.1:{server.port}/sam2.1_hiera_tiny.pt",
        bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


def plain_http(request: Request):
    return urlopen(request, timeout=60)


def test_download_is_whole_and_reports_progress(file, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "new" / "folder"
    path = fetch(file, folder, progress=lambda *at: seen.append(at), open_url=plain_http)
    assert path == folder / file.file
    assert path.read_bytes() == CONTENT
    assert seen[0] == (0, file.bytes)
    assert seen[-1] == (file.bytes, file.bytes)
    assert seen == sorted(seen)
    assert len(seen) > 3
    assert not path.with_name(file.file + ".part").exists()


def test_what_is_there_is_not_asked_for(file, server, tmp_path: Path) -> None:
    (tmp_path / file.file).write_bytes(CONTENT)
    assert fetch(file, tmp_path, open_url=plain_http) == tmp_path / file.file
    assert server.asked == []


def test_cut_download_resumes_where_it_stopped(file, server, tmp_path: Path) -> None:
    server.cut_after = 2_000_000
    with pytest.raises(CheckpointError, match=r"interrupted after 2 of 4 MB .*goes on from there"):
        fetch(file, tmp_path, open_url=plain_http)
    part = tmp_path / (file.file + ".part")
    kept = part.stat().st_size
    assert kept == 2_000_000
    assert not (tmp_path / file.file).exists()

    server.cut_after = None
    seen: list[tuple[int, int]] = []
    path = fetch(file, tmp_path, progress=lambda *at: seen.append(at), open_url=plain_http)
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={kept}-"]
    assert seen[0] == (kept, file.bytes)


def test_server_without_ranges_starts_over(file, server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / (file.file + ".part")).write_bytes(b"something else" * 1000)
    assert fetch(file, tmp_path, open_url=plain_http).read_bytes() == CONTENT


def test_part_that_is_too_long_starts_over(file, server, tmp_path: Path) -> None:
    (tmp_path / (file.file + ".part")).write_bytes(CONTENT + b"more")
    assert fetch(file, tmp_path, open_url=plain_http).read_bytes() == CONTENT
    assert server.asked == [None]


def test_complete_part_needs_no_network(file, server, tmp_path: Path) -> None:
    (tmp_path / (file.file + ".part")).write_bytes(CONTENT)
    assert fetch(file, tmp_path, open_url=plain_http).read_bytes() == CONTENT
    assert server.asked == []


def test_wrong_content_is_thrown_away(file, server, tmp_path: Path) -> None:
    server.content = bytes(len(CONTENT))
    with pytest.raises(CheckpointError, match="published checksum"):
        fetch(file, tmp_path, open_url=plain_http)
    assert not list(tmp_path.glob("sam2*"))


def test_web_page_is_refused_and_the_part_kept(file, server, tmp_path: Path) -> None:
    part = tmp_path / (file.file + ".part")
    part.write_bytes(CONTENT[:1000])
    server.content, server.kind, server.ranges = b"<html>Log in</html>", "text/html", False
    with pytest.raises(CheckpointError, match=r"bytes of text/html: a log-in page"):
        fetch(file, tmp_path, open_url=plain_http)
    assert part.read_bytes() == CONTENT[:1000]


def test_wrong_length_is_refused(file, server, tmp_path: Path) -> None:
    server.content = b"short"
    with pytest.raises(CheckpointError, match="did not send"):
        fetch(file, tmp_path, open_url=plain_http)


def test_server_error_is_named(file, server, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(CheckpointError, match="answered 503"):
        fetch(file, tmp_path, open_url=plain_http)


def test_no_network(file, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x.pt"
        with pytest.raises(CheckpointError, match=r"cannot be reached .*put it into"):
            fetch(replace(file, url=url), tmp_path, open_url=plain_http)


def test_cancel_keeps_the_part(file, server, tmp_path: Path) -> None:
    done = 0

    def progress(now: int, total: int) -> None:
        nonlocal done
        done = now

    with pytest.raises(DownloadCancelled):
        fetch(file, tmp_path, progress=progress, cancel=lambda: done > 0, open_url=plain_http)
    part = tmp_path / (file.file + ".part")
    assert 0 < part.stat().st_size < file.bytes
    assert fetch(file, tmp_path, open_url=plain_http).read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={done}-"


def test_two_downloads_at_once_fetch_once(file, server, tmp_path: Path) -> None:
    server.delay = 0.3
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: fetch(file, tmp_path, open_url=plain_http), range(2)))
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_waiting_for_another_download_can_be_cancelled(file, server, tmp_path: Path) -> None:
    server.delay = 1.0
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fetch, file, tmp_path, open_url=plain_http)
        while not server.asked:
            time.sleep(0.01)
        begun = time.monotonic()
        with pytest.raises(DownloadCancelled):
            fetch(file, tmp_path, cancel=lambda: time.monotonic() > begun + 0.1)
        assert not first.done()
        assert first.result().read_bytes() == CONTENT


def test_other_file_of_that_name_is_left_alone(file, server, tmp_path: Path) -> None:
    (tmp_path / file.file).write_bytes(b"my fine-tuned weights")
    with pytest.raises(CheckpointError, match="not the published file"):
        fetch(file, tmp_path, open_url=plain_http)
    assert (tmp_path / file.file).read_bytes() == b"my fine-tuned weights"
    assert server.asked == []


def test_full_disk_is_told_before_downloading(file, server, tmp_path: Path, monkeypatch) -> None:
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(CheckpointError, match="has 1 MB free"):
        fetch(file, tmp_path, open_url=plain_http)
    assert server.asked == []


def test_folder_that_cannot_be_written(file, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(CheckpointError, match="cannot be written"):
        fetch(file, tmp_path / "models", open_url=plain_http)


def test_what_another_user_began_keeps_nobody_out(
    file, server, tmp_path: Path, monkeypatch
) -> None:
    server.cut_after = 1_000_000
    before = os.umask(0o022)
    try:
        with pytest.raises(CheckpointError, match="interrupted"):
            fetch(file, tmp_path, open_url=plain_http)
    finally:
        os.umask(before)
    for lock in tmp_path.glob(".*.lock"):
        assert lock.stat().st_mode & 0o666 == 0o666
    (part,) = tmp_path.glob("*.part")
    part.chmod(0o444)
    # As a user who is not root would be told.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).stat().st_mode & 0o200 > 0)
    server.cut_after = None
    assert fetch(file, tmp_path, open_url=plain_http).read_bytes() == CONTENT
    assert server.asked == [None, None]  # from the beginning


def test_only_https(file, server, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="only https"):
        fetch(file, tmp_path)
    with pytest.raises(CheckpointError, match="only https"):
        module._HTTPSOnly().redirect_request(
            Request("https://example.org/a"), None, 302, "Found", None, "http://example.org/a"
        )
    assert server.asked == []
    assert open_https is module.fetch.__kwdefaults__["open_url"]


def test_download_knows_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no model named"):
        download("huge", folder=tmp_path)
    with pytest.raises(CheckpointError, match="nothing to download"):
        download("nano", folder=tmp_path)
