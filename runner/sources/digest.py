"""The digest of a source: the content of its files, and how they are read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.base.digests import digest_of
from runner.base.errors import SftError
from runner.base.files import replace_text
from runner.config import (
    BigQuerySource,
    ColumnSource,
    GeminiSource,
    HubSource,
    Source,
    TracesSource,
)
from runner.records import SPLITS, Example, FaultLog, Request, Row, Turn
from runner.sources.files import locate, weighted
from runner.sources.rows import REMOTE

CHECK = "check"
"""Key of the cache's own digest, beside absolute paths and ``files ...``."""


def digest_source(source: Source, cache: Path) -> str:
    """Digest of all splits; a moved folder keeps it, a renamed or changed file does not."""
    known = load_known(cache)
    before = dict(known)
    if isinstance(source, HubSource):
        content = _hub_content(source, known)
    elif isinstance(source, TracesSource | BigQuerySource):
        content = _service_content(source)
    else:
        content = _content(source, known)
    if known != before:
        save_known(cache, known)
    config = source.model_dump(mode="json", exclude={*SPLITS, "weigh_by"})
    return digest_of({"config": config, "content": content, **_mix(source)})


def _mix(source: Source) -> dict[str, Any]:
    """What names a mix beside its files; empty where weights are of each file's own."""
    if source.weigh_by == "file":
        return {}
    weights = {
        split: [weight for _, weight in weighted(value)]
        for split in SPLITS
        if (value := getattr(source, split)) is not None
    }
    return {"weigh_by": source.weigh_by, "weights": weights, "files": _entries(source)}


def _entries(source: Source) -> dict[str, list[int]]:
    """Per split, the entry of the list that each file belongs to."""
    if isinstance(source, HubSource | TracesSource | BigQuerySource):
        return {}
    return {split: [file.entry for file in files] for split, files in locate(source).items()}


def _content(source: Any, known: dict[str, Any]) -> dict[str, Any]:
    return {
        split: [
            [
                Path(file.path).name,
                file.format,
                file.packed,
                file.weight,
                digest_file(file.path, known),
            ]
            for file in files
        ]
        for split, files in locate(source).items()
    }


def _hub_content(source: HubSource, known: dict[str, Any]) -> dict[str, Any]:
    """The Arrow files behind each split (fetched when they are not here yet)."""
    from runner.sources.hub import hub_splits, load_split

    content: dict[str, Any] = {}
    for split in SPLITS:
        if getattr(source, split) is None:
            continue
        for part in hub_splits(source, split):
            files = [item["filename"] for item in load_split(source, part.part).cache_files]
            digests = [digest_file(path, known) for path in files]
            content.setdefault(split, []).append([part.part, part.weight, digests])
    return content


def _service_content(source: TracesSource | BigQuerySource) -> dict[str, Any]:
    """What names the rows that a service holds: it has no files."""
    from runner.sources.bigquery import bigquery_digest, bigquery_splits
    from runner.sources.traces import experiments, traces_digest

    given = [split for split in SPLITS if getattr(source, split) is not None]
    if isinstance(source, BigQuerySource):
        return {
            split: [[f.weight, *bigquery_digest(source, f)] for f in bigquery_splits(source, split)]
            for split in given
        }
    return {
        split: [[f.weight, traces_digest(source, split, f)] for f in experiments(source, split)]
        for split in given
    }


def digest_file(path: str, known: dict[str, Any]) -> str:
    """SHA-256 of a file's bytes, from `known` when size and time are as they were."""
    key, stat = os.path.abspath(path), os.stat(path)
    stamp = [stat.st_size, stat.st_mtime_ns]
    entry = known.get(key)
    if not (isinstance(entry, list) and len(entry) == 3 and entry[:2] == stamp):
        with open(path, "rb") as handle:
            entry = [*stamp, hashlib.file_digest(handle, "sha256").hexdigest()]
        known[key] = entry
    return str(entry[2])


def load_known(cache: Path) -> dict[str, Any]:
    """The known digests; a cache that is not as it was written is an empty one, it only costs
    time. A wrong digest would make the same data look new, and be paid for again."""
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, dict):
        return {}
    # A cache of the version before has no check.
    check = known.pop(CHECK, None)
    return known if check in (None, digest_of(known)) else {}


def save_known(cache: Path, known: dict[str, Any]) -> None:
    """Replace the cache in one step, so that a reader never sees half of it."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    replace_text(cache, json.dumps({**known, CHECK: digest_of(known)}))


# What is in the files that rows name: pictures, recordings, films and documents on this machine.
#
# A row knows a file by its path only, so a changed picture would go unseen: identities of data,
# of tuning jobs and of answers take in the digests of these files as well.


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
    from runner.sources.read import rows_of

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
