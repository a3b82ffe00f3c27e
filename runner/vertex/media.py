"""Pictures, recordings and documents on this machine, put where Gemini can read them.

The service reads ``gs://`` and public addresses only. A local file is uploaded under the digest of
its content, once, and its address takes the path's place in what is sent; prompts that are shown,
compared and cached keep the path.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import BackendError
from runner.records import Request, Resource, Turn
from runner.vertex.errors import translated
from runner.vertex.upload import Record, nobody, put_file

if TYPE_CHECKING:
    from runner.vertex.clients import Clients

REMOTE = ("gs://", "https://", "http://")


class Media:
    """The local files of one backend. Safe to use from threads."""

    def __init__(self, clients: Clients, where: str) -> None:
        self._clients = clients
        bucket, _, folder = where.removeprefix("gs://").partition("/")
        self._bucket, self._folder = bucket, folder.strip("/")
        self._known: dict[tuple[str, int, int], str] = {}
        self._lock = threading.Lock()

    def in_row(self, row: dict[str, Any], record: Record = nobody) -> dict[str, Any]:
        """A row of Gemini's format with addresses that the service can read; `record` is told of
        each of our objects in it, before it is uploaded."""
        contents = [self._content(content, record) for content in row["contents"]]
        return {**row, "contents": contents}

    def in_request(self, request: Request) -> Request:
        """The same for a request; the very object where it names no local file."""
        turns = tuple(self._turn(turn) for turn in request.contents)
        return request if turns == request.contents else replace(request, contents=turns)

    def resources(self) -> list[Resource]:
        """The objects that this process put up or found there."""
        with self._lock:
            return [Resource("object", uri) for uri in dict.fromkeys(self._known.values())]

    def _content(self, content: Mapping[str, Any], record: Record) -> dict[str, Any]:
        return {**content, "parts": [self._part(part, record) for part in content["parts"]]}

    def _turn(self, turn: Turn) -> Turn:
        return replace(turn, parts=tuple(map(self._part, turn.parts))) if turn.parts else turn

    def _part(self, part: Mapping[str, Any], record: Record = nobody) -> Mapping[str, Any]:
        data = part.get("fileData") or {}
        uri = str(data.get("fileUri", ""))
        if not uri or uri.startswith(REMOTE):
            return part
        there = self._uploaded(Path(uri), str(data.get("mimeType", "")), record)
        return {**part, "fileData": {**data, "fileUri": there}}

    def _uploaded(self, path: Path, mime: str, record: Record) -> str:
        try:
            stat = path.stat()
            key = (str(path), stat.st_size, stat.st_mtime_ns)
            with self._lock:
                known = self._known.get(key)
            if known is None:
                known = self._put(path, mime, record)
            else:
                record(Resource("object", known))
        except OSError as error:
            raise BackendError(f"{path} cannot be read to be uploaded: {error.strerror}") from error
        with self._lock:
            self._known[key] = known
        return known

    def _put(self, path: Path, mime: str, record: Record) -> str:
        import google_crc32c

        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        name = "/".join(filter(None, (self._folder, "media", digest + path.suffix.lower())))
        record(Resource("object", f"gs://{self._bucket}/{name}"))
        crc: Any = google_crc32c.Checksum(content)  # type: ignore[no-untyped-call]
        with translated(f"uploading {path.name} to gs://{self._bucket}"):
            bucket = self._clients.storage.bucket(self._bucket)
            checksum = base64.b64encode(crc.digest()).decode()
            put_file(bucket, name, str(path), mime, checksum, len(content))
        return f"gs://{self._bucket}/{name}"
