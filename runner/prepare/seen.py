"""``seen_before.jsonl``: training rows that nearly repeat a row of a past dataset. They stay."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from runner.config import Dedup
from runner.prepare.fates import Fates
from runner.prepare.journal import shown
from runner.prepare.spill import Spill

NAME = "seen_before.jsonl"


def report_seen(rows: Spill, fates: Fates, config: Dedup, out: Path) -> dict[str, Any] | None:
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
            origin = {"file": row.origin.file, "line": row.origin.line}
            past = {"dataset": one.dataset, "matched": one.id, "similarity": round(one.score, 4)}
            told = {"id": row.id, "origin": origin, **past, "text": shown(row)}
            stream.write(orjson.dumps(told) + b"\n")
    names = Counter({path.stem: 0 for path in files})
    names.update(one.dataset for one in found)
    return {"rows": len(found), "of": len(places), "datasets": dict(names)}


def seen_note(seen: dict[str, Any]) -> str:
    """The finding as a sentence for the data card."""
    known = ", ".join(f"{name}: {rows:,}" for name, rows in seen["datasets"].items())
    return (
        f"{seen['rows']:,} of {seen['of']:,} training rows nearly repeat a row of a past dataset "
        f"({known}); they stay, and stand in {NAME}"
    )
