"""Keeps out new rows that an evaluation split, a suite or training has already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from runner.config import Prepare
from runner.prepare.augment import Made
from runner.prepare.fates import EXACT, LEAK_SUITE, LEAK_TEST, LEAK_VALIDATION, Fates
from runner.prepare.held_out import held_out, spilled
from runner.prepare.journal import shown
from runner.prepare.keys import hash64, input_text
from runner.prepare.leakage import find_leak
from runner.records import Dropped, Origin, Row

LEAKS = {reason.against: reason.name for reason in (LEAK_TEST, LEAK_VALIDATION, LEAK_SUITE)}


def refused(
    made: Sequence[Made], own: Iterable[Row], prepared: Path, config: Prepare, scratch: Path
) -> dict[int, Dropped]:
    """The new rows that stay out, by their place in `made`: those that equal an evaluation row or
    are like one by any method of `config.leakage`, and those that repeat a row of train to the
    letter (a change of case is a row of its own)."""
    found = _leaks(made, prepared, config, scratch) if made else {}
    seen = {hash64(input_text(row, [])) for row in own}
    for at, new in enumerate(made):
        key = hash64(input_text(new.row, []))
        if at not in found and key in seen:
            found[at] = _dropped(new, EXACT.name, new.of.id, new.of.origin, "exact")
        elif at not in found:
            seen.add(key)
    return found


def _leaks(
    made: Sequence[Made], prepared: Path, config: Prepare, scratch: Path
) -> dict[int, Dropped]:
    import numpy as np

    found: dict[int, Dropped] = {}
    equal, steps = "normalised" if config.dedup.normalize else "exact", config.dedup.normalize
    with spilled((new.row for new in made), "train", steps, scratch) as rows:
        for held in held_out(prepared, steps, scratch):
            leak = find_leak(rows, Fates(len(rows)), held, config)
            places = np.flatnonzero(leak.both >= 0)
            matches = held.rows(leak.both[places])
            for at, match in zip(places.tolist(), matches, strict=True):
                method = equal if leak.match[at] >= 0 else leak.like.method[at]
                score = None if leak.match[at] >= 0 else leak.like.score[at]
                reason, where = LEAKS[held.split], match.origin
                found.setdefault(at, _dropped(made[at], reason, match.id, where, method, score))
    return found


def _dropped(
    new: Made, reason: str, matched: str, where: Origin, method: str, score: float | None = None
) -> Dropped:
    return Dropped(
        new.row.id,
        "train",
        "augment",
        reason,
        new.row.origin,
        matched=matched,
        matched_origin=where,
        method=method,
        score=score,
        span=shown(new.row),
    )
