"""``gs://`` paths: fetched once into a cache on disk, named by bucket, object and generation.

A generation never changes its bytes, so what is there is right; the source's digest goes by the
bytes.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.base.files import replacing

CHUNK = 8 << 20
MAGIC = "*?["


def cache_folder() -> Path:
    """Where fetched objects lie: SFT_CACHE, else ``sft`` in the user's cache folder."""
    if given := os.environ.get("SFT_CACHE"):
        return Path(given) / "gcs"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sft" / "gcs"


def fetched(pattern: str) -> list[str]:
    """Local copies of the objects that a ``gs://`` path or glob names, in the order of names;
    empty when there are none. A ``*`` stays within a folder, ``**`` does not.

    Raises as `runner.backends.vertex.clients.reading` does.
    """
    from runner.backends.vertex.clients import reading

    bucket, _, name = pattern.removeprefix("gs://").partition("/")
    with reading(pattern) as client:
        return [str(_fetch(blob)) for blob in _objects(client, bucket, name)]


def _objects(client: Any, bucket: str, name: str) -> Iterator[Any]:
    start = next((at for at, sign in enumerate(name) if sign in MAGIC), None)
    if start is None:
        found = client.bucket(bucket).get_blob(name) if name else None
        yield from [found] if found is not None else []
        return
    listed = client.list_blobs(bucket, prefix=name[:start])
    yield from sorted((blob for blob in listed if _matches(blob.name, name)), key=_name)


def _name(blob: Any) -> str:
    return str(blob.name)


def _matches(name: str, pattern: str) -> bool:
    """As a shell does it: the folders agree one by one, unless there is a ``**``."""
    if "**" in pattern:
        return fnmatch.fnmatchcase(name, pattern.replace("**/", "*"))
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _fetch(blob: Any) -> Path:
    """The object's local copy; streamed, and seen only when it is whole."""
    key = f"{blob.bucket.name}/{blob.name}#{blob.generation}"
    folder = cache_folder() / hashlib.sha256(key.encode()).hexdigest()[:24]
    target: Path = folder / str(blob.name).rsplit("/", 1)[-1]
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with (
        replacing(target) as partial,
        partial.open("wb") as out,
        blob.open("rb", chunk_size=CHUNK) as stream,
    ):
        while piece := stream.read(CHUNK):
            out.write(piece)
    return target
