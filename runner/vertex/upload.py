"""Datasets in Cloud Storage: an object is named by its content, so it is uploaded once."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from runner.errors import BackendError
from runner.records import Example, Resource, read_jsonl
from runner.vertex.errors import ServiceError, translated

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
