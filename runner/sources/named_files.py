"""What is in the files that rows name: pictures, recordings, films and documents on this machine.

A row knows a file by its path only, so a changed picture would go unseen: identities of data, of
tuning jobs and of answers take in the digests of these files as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.config import BigQuerySource, ColumnSource, GeminiSource, HubSource, Source
from runner.errors import SftError
from runner.manifest import digest_of
from runner.records import SPLITS, Example, FaultLog, Request, Row, Turn
from runner.sources.digest import digest_file, load_known, save_known
from runner.sources.locate import weighted
from runner.sources.media import REMOTE


def files_digest(source: Source, content: str, cache: Path) -> str:
    """Digest of all local files that the source's rows name; empty when there are none.

    `content` is the digest of the source itself: rows are read again only when it has changed.
    """
    if not _may_name_files(source):
        return ""
    known = load_known(cache)
    # Paths are relative to the data file or to the working folder; neither is part of `content`.
    given = [weighted(getattr(source, split)) for split in SPLITS if getattr(source, split)]
    key = f"files {digest_of([content, str(Path.cwd()), given])}"
    if not isinstance(known.get(key), list):
        found = _read(source)
        if found is None:
            return ""
        save_known(cache, {**known, key: found})
        known[key] = found
    paths = [str(path) for path in known[key]]
    digests = _digests_of(paths, cache)
    return digest_of([digests[path] for path in paths]) if paths else ""


def with_files(requests: Sequence[Request], cache: Path) -> list[Request]:
    """See `runner.sources.with_files`."""
    named = [_local_files(request.contents) for request in requests]
    digests = _digests_of([path for paths in named for path in paths], cache)
    return [
        replace(request, files=digest_of([digests[path] for path in paths])) if paths else request
        for request, paths in zip(requests, named, strict=True)
    ]


def of_examples(file: Path, cache: Path) -> str:
    """See `runner.sources.examples_digest`. Only lines with a file in them are parsed."""
    found: dict[str, None] = {}
    with file.open("rb") as lines:
        for line in lines:
            if b'"fileData"' in line:
                example = Example.from_json(json.loads(line))
                found |= dict.fromkeys(_local_files(example.contents))
    digests = _digests_of(list(found), cache)
    return digest_of(list(digests.values())) if digests else ""


def _may_name_files(source: Source) -> bool:
    """Whether rows can hold a path: chat messages and traces take addresses only, and rows of
    BigQuery, whose files are in Cloud Storage, are read, and paid for, once only."""
    if isinstance(source, ColumnSource) and not isinstance(source, BigQuerySource):
        return bool(source.media) and not (source.media_root or "").startswith(REMOTE)
    return isinstance(source, GeminiSource)


def _digests_of(paths: Sequence[str], cache: Path) -> dict[str, str]:
    """SHA-256 of each file, hashed again only when its size or time has changed; of one that
    cannot be read, an empty text: whoever needs it says so."""
    known = load_known(cache)
    before = dict(known)
    found = {}
    for path in dict.fromkeys(paths):
        try:
            found[path] = digest_file(path, known)
        except OSError:
            found[path] = ""
    if known != before:
        save_known(cache, known)
    return found


def _local_files(turns: Sequence[Turn]) -> list[str]:
    """Paths of the local files in the parts of turns, in their order."""
    return list(_in_parts(part for turn in turns for part in turn.parts))


def _in_parts(parts: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    for part in parts:
        uri = str((part.get("fileData") or {}).get("fileUri") or "")
        if uri and not uri.startswith(REMOTE):
            yield uri


def _read(source: Source) -> list[str] | None:
    """Paths of all local files of all rows, sorted; None when the rows cannot be read, which
    whoever prepares them explains."""
    from runner.sources.split import rows_of

    whole = _unweighted(source)
    found: set[str] = set()
    try:
        for split in SPLITS:
            if getattr(whole, split) is not None:
                for row in rows_of(whole, split, 0, FaultLog(split)):
                    found.update(_of_row(row))
    except SftError:
        return None
    return sorted(found)


def _unweighted(source: Source) -> Source:
    """The source with each file taken whole and once: which rows are drawn depends on the seed."""
    if isinstance(source, HubSource):
        return source
    changes: dict[str, Any] = {"weigh_by": "file"}
    for split in SPLITS:
        entries = weighted(getattr(source, split)) if getattr(source, split) else []
        if any(weight != 1 for _, weight in entries):
            changes |= {split: [path for path, _ in entries], "limit": None}
    return source.model_copy(update=changes)


def _of_row(row: Row) -> Iterator[str]:
    for column in row.media:
        if not row.fields[column].startswith(REMOTE):
            yield row.fields[column]
    yield from _local_files([*row.history, Turn("model", row.target, row.target_parts)])
