"""Where rows come from: files, rows in Gemini's or chat form, Hugging Face datasets.

Two doors: `open_split` streams the rows of one split, `source_digest` names their content, with
that of the pictures and other local files they name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from runner.base.digests import digest_of
from runner.config import Source
from runner.records import FaultLog, Request, Row


def open_split(source: Source, split: str, seed: int, faults: FaultLog) -> Iterator[Row] | None:
    """Stream the good rows of a split in file order; None when the source does not give it.

    Faulty rows go to `faults` with file and line and are left out; the caller decides by
    `faults.check()`. Memory stays that of one row, plus 8 bytes of hash for every id, plus the
    rows of an evaluation split when `references_by` merges them.

    Raises:
        ConfigError: no file matches, or its format cannot be told.
        DataError: a whole file is unusable (a column is missing, the archive is broken).
        MissingExtraError: a hub source without the package `datasets`.
    """
    from runner.sources.read import rows_of

    if getattr(source, split) is None:
        return None
    return rows_of(source, split, seed, faults)


def source_digest(source: Source, cache: Path) -> str:
    """Digest of the content of all files of all splits, of the local files that their rows name
    and of how they are read.

    A file whose size and modification time stand in the JSON file `cache` is not hashed again.

    Raises:
        ConfigError: files that do not exist, in all splits at once.
    """
    from runner.sources.digest import digest_source, files_digest

    content = digest_source(source, cache)
    files = files_digest(source, content, cache)
    return digest_of([content, files]) if files else content


def with_files(requests: list[Request], cache: Path) -> list[Request]:
    """The requests with the digest of the content of the local files in their parts, where
    there are any. `cache` as in `source_digest`."""
    if not any(turn.parts for request in requests for turn in request.contents):
        return requests
    from runner.sources import digest

    return digest.with_files(requests, cache)


def examples_digest(file: Path, cache: Path) -> str:
    """Digest of the content of the local files that a JSONL file of examples names; empty when
    there are none. `cache` as in `source_digest`."""
    from runner.sources.digest import of_examples

    return of_examples(file, cache)


def open_suites(source: Source, suites: Mapping[str, str], faults: FaultLog) -> Iterator[Row]:
    """Stream the rows of external suites (`prepare.leakage.suites`), read as the source's inputs.

    Raises ConfigError when no file matches, or its format cannot be told.
    """
    from runner.sources.read import suite_rows

    return suite_rows(source, suites, faults)


def suites_digest(suites: Mapping[str, str], cache: Path) -> dict[str, str]:
    """`source_digest` of every suite by name."""
    from runner.sources.read import suite_source

    return {name: source_digest(suite_source(path), cache) for name, path in suites.items()}
