"""Datasets in Cloud Storage: an object is named by its content, so it is uploaded once."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from runner.backends.vertex.clients import Clients
from runner.backends.vertex.errors import ServiceError, translated
from runner.base.errors import BackendError
from runner.records import Example, Request, Resource, Turn, read_jsonl

UPLOADING = "uploading the dataset"
BLOCK = 1 << 20
SECONDS = 600
"""Without a byte going through, an upload counts as lost; it is resumed by itself before."""


Record = Callable[[Resource], None]


def nobody(_: Resource) -> None:
    """Where no record is kept."""


def upload(
    storage: Any,
    where: str,
    examples: Path,
    row: Callable[[Example], Any],
    record: Record = nobody,
) -> str:
    """Put the examples of a JSONL file below `where` (``gs://bucket/folder``), one row a line
    as `row` makes it; returns ``gs://bucket/folder/SHA256.jsonl``, of which `record` is told
    before it is there.

    An object of this content that is there already is left as it is, also when another runner
    puts it there at the same moment. Big files go in parts that are resumed; the service checks
    the CRC32C. Raises BackendError when it fails or when what is there is something else.
    """
    bucket, _, folder = where.removeprefix("gs://").partition("/")
    with NamedTemporaryFile(suffix=".jsonl") as file:
        digest, crc = _write(file, _lines(examples, row))
        name = "/".join(part for part in (folder.strip("/"), f"{digest}.jsonl") if part)
        record(Resource("object", f"gs://{bucket}/{name}"))
        with translated(f"{UPLOADING} to the bucket gs://{bucket}"):
            size = Path(file.name).stat().st_size
            put_file(storage.bucket(bucket), name, file.name, "application/jsonl", crc, size)
    return f"gs://{bucket}/{name}"


def put_file(bucket: Any, name: str, file: str, mime: str, crc: str, size: int) -> None:
    """Put a file into a bucket under the name of its content, unless it is there already.

    `crc` is its CRC32C as Cloud Storage writes it. Raises BackendError when what is there is
    something else.
    """
    found = bucket.get_blob(name)
    if found is None:
        what = f"{UPLOADING} to the bucket gs://{bucket.name}"
        found = _put(bucket.blob(name), file, mime, what)
    _check(found, crc, size, f"gs://{bucket.name}/{name}")


def _lines(examples: Path, row: Callable[[Example], Any]) -> Iterator[bytes]:
    for raw in read_jsonl(examples):
        text = json.dumps(row(Example.from_json(raw)), ensure_ascii=False, separators=(",", ":"))
        yield text.encode() + b"\n"


def _write(file: IO[bytes], lines: Iterator[bytes]) -> tuple[str, str]:
    """SHA-256 and CRC32C (as Cloud Storage writes it) of what was written."""
    import google_crc32c

    digest = hashlib.sha256()
    crc: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    for line in lines:
        file.write(line)
        digest.update(line)
        crc.update(line)
    file.flush()
    return digest.hexdigest(), base64.b64encode(crc.digest()).decode()


def _put(blob: Any, file: str, mime: str, what: str) -> Any:
    """Upload unless somebody else was quicker; returns the object with its checksum."""
    try:
        with translated(what):
            blob.upload_from_filename(
                file,
                content_type=mime,
                if_generation_match=0,
                checksum="crc32c",
                timeout=SECONDS,
            )
    except ServiceError as error:
        if error.code != 412:
            raise
    blob.reload()
    return blob


def _check(found: Any, crc: str, size: int, uri: str) -> None:
    """Raise BackendError unless the object holds what it is named after."""
    if found.crc32c == crc and found.size == size:
        return
    raise BackendError(
        f"{uri} is not what its name says: {found.size:,} bytes with CRC32C {found.crc32c},"
        f" expected {size:,} and {crc}\n  delete it: gcloud storage rm {uri}"
    )


# Pictures, recordings and documents on this machine, put where Gemini can read them.
#
# The service reads ``gs://`` and public addresses only. A local file is uploaded under the digest
# of its content, once, and its address takes the path's place in what is sent; prompts that are
# shown, compared and cached keep the path.

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


# Which objects of Cloud Storage are there, and how large: for the files that rows name.

MOST = 300_000
"""Objects of one folder that are listed; a dataset has at most as many rows with files."""


class Objects:
    """Sizes of objects by their ``gs://`` URI. One listing a folder, not one call an object."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._folders: dict[str, dict[str, int]] = {}

    def __call__(self, uri: str) -> int | None:
        """Bytes of the object; None when there is none. Raises BackendError when the storage
        cannot be asked."""
        folder, _, name = uri.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._listed(folder)
        return self._folders[folder].get(name)

    def _listed(self, folder: str) -> dict[str, int]:
        bucket, _, path = folder.removeprefix("gs://").partition("/")
        prefix = f"{path}/" if path else ""
        with translated(f"listing {folder}"):
            found = self._clients.storage.list_blobs(
                bucket, prefix=prefix, delimiter="/", max_results=MOST
            )
            return {blob.name.rpartition("/")[2]: int(blob.size) for blob in found}
