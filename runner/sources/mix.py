"""Several files in one split: how much of each is taken, by which measure.

`source.weigh_by: file` streams: a weight is a share of the file's own rows. `rows` and `tokens`
weigh the files against each other, which takes knowing all of them: the rows lie in a temporary
folder until the last one is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from hashlib import blake2b
from heapq import merge
from math import floor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import orjson

from runner.base.errors import DataError
from runner.config import Source
from runner.records import FaultLog, MixedSource, Row
from runner.sources.files import InputFile, weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Keyed = tuple[Row, str]
"""A row and its value of `references_by`."""
Part = tuple[InputFile, Iterator[Keyed]]
"""A file and its good rows; to be read in order, each to its end."""
BYTES = 4
"""UTF-8 bytes a token: Google's four characters of English, two Cyrillic letters, one emoji."""


def mixed(
    parts: Iterable[Part], source: Source, split: str, seed: int, faults: FaultLog
) -> Iterator[Keyed]:
    """The rows that a split takes of its files; what is taken of each is told to `faults.mix`."""
    given = weighted(getattr(source, split))
    faults.mix = [MixedSource(name, weight) for name, weight in given] if len(given) > 1 else []
    if source.weigh_by != "file":
        return _against_each_other(parts, source, split, seed, faults)
    return (pair for file, rows in parts for pair in _of_its_own(rows, file, split, seed, faults))


def row_bytes(row: Row) -> int:
    """UTF-8 bytes of everything that the row says, answer and system instruction included."""
    texts = (*row.fields.values(), row.system, row.target, *(turn.text for turn in row.history))
    return sum(
        len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        for text in texts
    )


def _of_its_own(
    rows: Iterator[Keyed], file: InputFile, split: str, seed: int, faults: FaultLog
) -> Iterator[Keyed]:
    """Systematic sampling: row n of the file is taken as often as n times the weight, plus a
    seeded phase, steps over a whole number. A copy keeps the origin of the row it copies."""
    told = faults.mix[file.entry - 1] if faults.mix else None
    if file.weight == 1 and not told:
        yield from rows
        return
    phase = _lot(seed, split, file.number) / 2**64
    for number, (row, key) in enumerate(rows):
        copies = floor((number + 1) * file.weight + phase) - floor(number * file.weight + phase)
        if told:
            told.count(row_bytes(row) / BYTES, copies)
        if not copies:
            faults.skip("weight")
            continue
        yield row, key
        for copy in range(2, copies + 1):
            yield replace(row, id=f"{row.id}~{copy}"), key


def _against_each_other(
    parts: Iterable[Part], source: Source, split: str, seed: int, faults: FaultLog
) -> Iterator[Keyed]:
    """As many rows as are there without taking one twice, in the shares that are asked. The
    entries alternate, so that the head of the mix (`source.limit`) is mixed too."""
    import numpy as np

    given = weighted(getattr(source, split))
    with TemporaryDirectory(prefix="sft-mix-") as folder:
        files = [Path(folder) / str(number) for number in range(len(given))]
        sizes = _spool(parts, files)
        by_tokens = source.weigh_by == "tokens"
        measures = [size if by_tokens else np.ones_like(size) for size in sizes]
        totals = [int(measure.sum()) for measure in measures]
        _check(given, totals, split)
        scale = min(total / weight for total, (_, weight) in zip(totals, given, strict=True))
        taken = [
            draw(measure, scale * weight, _lot(seed, split, number))
            for number, (measure, (_, weight)) in enumerate(zip(measures, given, strict=True), 1)
        ]
        for told, size, take in zip(faults.mix, sizes, taken, strict=False):
            told.rows_in, told.tokens_in = len(size), int(size.sum()) / BYTES
            told.rows, told.tokens = int(take.sum()), int(size[take].sum()) / BYTES
        faults.skipped["weight"] += sum(int((~take).sum()) for take in taken)
        streams = (_drawn(file, take) for file, take in zip(files, taken, strict=True))
        yield from (pair for _, pair in merge(*streams, key=lambda item: item[0]))


def draw(sizes: NDArray[np.int64], budget: float, lot: int) -> NDArray[np.bool_]:
    """Which rows to take so that their sizes sum to `budget` within half of one row's size.

    The rows are shuffled by `lot` and taken from the front: each is as likely as any other,
    whatever its size, as long as the budget holds many rows.
    """
    import numpy as np

    order = np.random.default_rng(lot).permutation(len(sizes))
    sums = np.concatenate([[0], np.cumsum(sizes[order])])
    take = np.zeros(len(sizes), np.bool_)
    take[order[: int(np.abs(sums - budget).argmin())]] = True
    return take


def _spool(parts: Iterable[Part], files: Sequence[Path]) -> list[NDArray[np.int64]]:
    """Write the rows of each entry to its file; the size of each row in bytes."""
    from array import array

    import numpy as np

    sizes = [array("q") for _ in files]
    with ExitStack() as stack:
        out = [stack.enter_context(file.open("wb")) for file in files]
        for file, rows in parts:
            for row, key in rows:
                out[file.entry - 1].write(orjson.dumps([row.to_json(), key]) + b"\n")
                sizes[file.entry - 1].append(row_bytes(row))
    return [np.array(of_entry, np.int64) for of_entry in sizes]


def _check(given: Sequence[tuple[str, float]], totals: Sequence[int], split: str) -> None:
    empty = [name for (name, _), total in zip(given, totals, strict=True) if not total]
    if empty:
        raise DataError(
            f"source.{split}: no usable row in {', '.join(empty)}, so no mix has its share of it\n"
            "  take it out of the list; or set source.weigh_by=file"
        )


def _drawn(file: Path, take: NDArray[np.bool_]) -> Iterator[tuple[float, Keyed]]:
    """The taken rows of an entry, each with its place in the mix from 0 to 1."""
    count, rank = int(take.sum()), 0
    with file.open("rb") as lines:
        for line, wanted in zip(lines, take.tolist(), strict=True):
            if wanted:
                row, key = orjson.loads(line)
                yield (rank + 0.5) / count, (Row.from_json(row), key)
                rank += 1


def _lot(seed: int, split: str, number: int) -> int:
    """64 bits that depend on the seed and on whose rows are drawn."""
    digest = blake2b(f"{seed}/{split}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
