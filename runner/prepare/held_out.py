"""What train must not hold, kept whole in the prepared folder for rows that are made later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from runner.prepare.leakage import SUITES
from runner.prepare.spill import Spill, SpillWriter
from runner.records import Row

FOLDER = "held_out"
PROTECTED = ("test", "validation", SUITES)
"""A row that stands in several counts for the first."""


def hold_out(against: Mapping[str, Spill], out: Path) -> None:
    """Move the rows of these splits, as they were read and cleaned, to their place in `out`. The
    spills are of no use afterwards."""
    folder = out / FOLDER
    folder.mkdir()
    for split, rows in against.items():
        rows.path.rename(folder / f"{split}.jsonl")


def held_out(prepared: Path, normalize: Sequence[str], scratch: Path) -> Iterator[Spill]:
    """Each evaluation split and the suites of a prepared folder that have rows, to be used before
    the next one is asked for. A split that was cut from train stands in its own file only."""
    for split in PROTECTED:
        places = (prepared / FOLDER / f"{split}.jsonl", prepared / f"{split}.jsonl")
        place = next((path for path in places if path.is_file()), None)
        if place:
            with place.open("rb") as lines:
                rows = (Row.from_json(orjson.loads(line)) for line in lines)
                with spilled(rows, split, normalize, scratch) as spill:
                    if len(spill):
                        yield spill


@contextmanager
def spilled(
    rows: Iterable[Row], split: str, normalize: Sequence[str], scratch: Path
) -> Iterator[Spill]:
    """The rows as they are compared; within it, their text is in a file in `scratch`."""
    path = scratch / f".{split}.again.spill"
    try:
        with SpillWriter(path, split, normalize, None) as writer:
            for row in rows:
                writer.add(row)
            found = writer.done()
        yield found
    finally:
        path.unlink(missing_ok=True)
