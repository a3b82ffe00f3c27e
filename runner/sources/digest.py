"""The digest of a source: the content of its files, and how they are read."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from runner.base.files import replace_text
from runner.config import BigQuerySource, HubSource, Source, TracesSource
from runner.manifest import digest_of
from runner.records import SPLITS
from runner.sources.locate import locate, weighted

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
    from runner.sources.trace_rows import experiments, traces_digest

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
