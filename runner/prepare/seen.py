"""``seen_before.jsonl``: training rows that nearly repeat a row of a past dataset. They stay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.config import Dedup
from runner.prepare.fates import Fates
from runner.prepare.journal import shown
from runner.prepare.spill import Spill
from runner.records import record_line
from runner.records.leaks import SeenRow

NAME = "seen_before.jsonl"


@dataclass(frozen=True, slots=True)
class SeenCounts:
    """How many of the training rows nearly repeat a row of a past dataset."""

    rows: int
    of: int
    datasets: Mapping[str, int]


def report_seen(rows: Spill, fates: Fates, config: Dedup, out: Path) -> SeenCounts | None:
    """Hold the rows that are left against the index of past datasets; how many of them it knows,
    by dataset. None without an index. Raises ConfigError when the index cannot be used."""
    import numpy as np

    from runner.prepare.fuzzy.past import index_files, seen_before

    files = index_files(config)
    if not files:
        return None
    places = np.flatnonzero(fates.stays & ~rows.copy)
    found = seen_before(rows.rows(places), config)
    again = rows.rows(places[[one.row for one in found]])
    with (out / NAME).open("wb") as stream:
        for one, row in zip(found, again, strict=True):
            past = (one.dataset, one.id, round(one.score, 4))
            stream.write(record_line(SeenRow(row.id, row.origin, *past, shown(row))))
    names = Counter({path.stem: 0 for path in files})
    names.update(one.dataset for one in found)
    return SeenCounts(len(found), len(places), dict(names))


def seen_note(seen: SeenCounts) -> str:
    """The finding as a sentence for the data card."""
    known = ", ".join(f"{name}: {rows:,}" for name, rows in seen.datasets.items())
    return (
        f"{seen.rows:,} of {seen.of:,} training rows nearly repeat a row of a past dataset "
        f"({known}); they stay, and stand in {NAME}"
    )
