"""Preconditions of Cloud Storage in front of the stand-in, which knows them for small uploads only.

``ifGenerationMatch`` and its three kin are held against the object as it is, with no change of
any object in between: 412 when one does not hold, 304 for a read whose NotMatch does not
(cloud.google.com/storage/docs/request-preconditions). Everything else passes through as it came.
"""

from __future__ import annotations

import json
import re
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

OBJECT = re.compile(r"/(?:\w+/)?storage/v1/b/(?P<bucket>[^/]+)/o(?:/(?P<name>[^/]+))?")
CONDITIONS = {
    "ifGenerationMatch": ("generation", True),
    "ifGenerationNotMatch": ("generation", False),
    "ifMetagenerationMatch": ("metageneration", True),
    "ifMetagenerationNotMatch": ("metageneration", False),
}
"""Query parameter: the object's field, and whether it has to be the same."""
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
"""Headers that belong to one connection, not to the message."""


class PreconditionProxy(ThreadingHTTPServer):
    """Listens on 127.0.0.1:`port` (0 is a free one) and passes on to the stand-in at `behind`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int, behind: int) -> None:
        self.behind = behind
        self.changing = threading.Lock()
        super().__init__(("127.0.0.1", port), ProxyHandler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""


class ProxyHandler(BaseHTTPRequestHandler):
    """One connection of a client, and one to the stand-in."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: PreconditionProxy

    def setup(self) -> None:
        super().setup()
        self.upstream = HTTPConnection("127.0.0.1", self.server.behind, timeout=600)

    def finish(self) -> None:
        super().finish()
        self.upstream.close()

    def do_GET(self) -> None:
        self._pass(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def do_POST(self) -> None:
        body = self._body()  # whole, before others are kept waiting
        with self.server.changing:
            self._pass(body)

    do_HEAD = do_GET
    do_PUT = do_PATCH = do_DELETE = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _pass(self, body: bytes) -> None:
        if failed := self._failed(body):
            said = {"code": failed, "message": "At least one of the pre-conditions did not hold."}
            self._write(failed, [], b"" if failed == 304 else json.dumps({"error": said}).encode())
            return
        headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP}
        self.upstream.request(self.command, self.path, body, headers)
        reply = self.upstream.getresponse()
        self._write(reply.status, reply.getheaders(), reply.read())

    def _failed(self, body: bytes) -> int:
        """The status when a precondition does not hold, else 0."""
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        asked = [(*CONDITIONS[key], query[key]) for key in query if key in CONDITIONS]
        found = OBJECT.fullmatch(parts.path)
        if not asked or found is None:
            return 0
        name = found["name"] or query.get("name", "") or _named_in(body)
        if not name:  # a multipart upload: the stand-in itself holds it to its preconditions
            return 0
        there = self._there(found["bucket"], unquote(name))
        for field, same, wanted in asked:
            if (str(there.get(field, "0")) == wanted) != same:
                return 304 if self.command in ("GET", "HEAD") and not same else 412
        return 0

    def _there(self, bucket: str, name: str) -> dict[str, Any]:
        """The object's metadata; empty without an object, whose generation counts as 0."""
        self.upstream.request("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}")
        reply = self.upstream.getresponse()
        content = reply.read()
        return dict(json.loads(content)) if reply.status == 200 else {}

    def _write(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP:
                self.send_header(name, value)
        if not any(name.lower() == "date" for name, _ in headers):
            self.send_header("Date", self.date_time_string())
        length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.wfile.flush()


def _named_in(body: bytes) -> str:
    """The object's name in the metadata that begins a resumable upload."""
    try:
        said = json.loads(body or b"{}")
    except ValueError:
        return ""
    return str(said.get("name", "")) if isinstance(said, dict) else ""
