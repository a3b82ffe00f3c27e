"""A proxy that keeps the body of every call on its way to the emulator."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError


@dataclass
class Recording:
    """Where to send calls, and what was sent."""

    url: str = ""
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Path and body of each call of generateContent."""


def camel(value: Any) -> Any:
    """A body with its names in one spelling: google-genai mixes both, the service takes both."""
    if isinstance(value, dict):
        return {re.sub(r"_(\w)", lambda hit: hit[1].upper(), k): camel(v) for k, v in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


@contextmanager
def recorded(target: str) -> Iterator[Recording]:
    """A recording of everything that goes to `target` by way of `Recording.url`."""
    recording = Recording()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.endswith("/tuningJobs") or "generateContent" in self.path:
                recording.bodies.append((self.path, json.loads(content)))
            self._pass(content)

        do_PATCH = do_POST

        def do_GET(self) -> None:
            self._pass(None)

        do_DELETE = do_GET

        def _pass(self, content: bytes | None) -> None:
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(
                target + self.path, content, headers, method=self.command
            )
            try:
                reply = urllib.request.urlopen(request)
            except HTTPError as error:
                reply = error
            self.send_response(reply.status)
            answer = reply.read()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    recording.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield recording
    finally:
        server.shutdown()
        server.server_close()
