"""Which rows candidates are compared on: a score says who is better only on the same rows.

Leaving out the rows that a candidate did not answer is a gift to it where those are the hard
ones. So either such a row counts as wrong (`suite.unanswered: wrong`), or it is left out for
everybody (`common`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runner.config import Suite
from runner.records import ScoredRow


def counted_rows(rows: Sequence[ScoredRow], suite: Suite) -> set[str]:
    """Ids of the rows that make up a candidate's own scores."""
    return {row.id for row in rows if suite.unanswered == "wrong" or not row.unanswered}


def shared_rows(candidates: Sequence[Sequence[ScoredRow]], suite: Suite) -> set[str]:
    """Ids of the rows that all candidates are compared on."""
    counted = [counted_rows(rows, suite) for rows in candidates]
    return set.intersection(*counted) if counted else set()


def only(rows: Sequence[ScoredRow], ids: Collection[str]) -> list[ScoredRow]:
    """The rows with these ids, in their order."""
    return [row for row in rows if row.id in ids]
