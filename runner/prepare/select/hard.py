"""Rows that a model finds hard, by scores somebody measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from runner.base.errors import ConfigError, DataError, Problem, RowFault
from runner.base.text import plural
from runner.config.select import Hard
from runner.prepare.select.diverse import Selection, UnusedReason

if TYPE_CHECKING:
    from runner.prepare.select.diverse import Order

KEY = "prepare.select.hard"


def hardest_first(ids: Sequence[str], order: Order, hard: Hard, choice: Selection) -> Order:
    """The order with the lowest scores in front; rows without a score keep their place behind
    them. With `max_score`, rows above it and rows without one are dropped.

    Raises:
        ConfigError: the file is missing, or knows none of the rows.
        DataError: lines of it cannot be used.
    """
    import numpy as np

    scores = read_scores(Path(hard.scores), hard.metric)
    known = np.array([scores.get(name, np.inf) for name in ids], np.float64)
    if not np.isfinite(known).any():
        message = f"{hard.scores} scores none of {plural(len(ids), 'training row')}: no id matches"
        raise ConfigError([Problem(f"{KEY}.scores", message, hint=_example(ids, scores))])
    unknown = int(np.isinf(known).sum())
    if unknown:
        choice.notes.append(f"{KEY}: no score for {plural(unknown, 'training row')}")
    if hard.max_score is not None:
        for row in np.flatnonzero(known > hard.max_score).tolist():
            choice.reasons.setdefault(row, _too_easy(float(known[row])))
    ordered: Order = order[np.argsort(known[order], kind="stable")]
    return ordered


def _too_easy(score: float) -> UnusedReason:
    return (
        UnusedReason("too_easy", "score", score)
        if math.isfinite(score)
        else UnusedReason("unscored")
    )


def read_scores(path: Path, metric: str | None) -> dict[str, float]:
    """Score by row id."""
    if not path.is_file():
        raise ConfigError([Problem(f"{KEY}.scores", f"there is no file {path}")])
    scores: dict[str, float] = {}
    faults = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = orjson.loads(line)
            scores[str(row["id"])] = _score(row, metric)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            faults.append(RowFault(str(path), number, "bad_score", _cause(error)))
    if faults:
        raise DataError(f"{KEY}.scores: lines that cannot be used", faults)
    return scores


def _score(row: Mapping[str, Any], metric: str | None) -> float:
    found = row.get("scores", {})
    if metric is None and "score" in row:
        return float(row["score"])
    if metric is None and len(found) == 1:
        return float(next(iter(found.values())))
    if metric is None:
        named = ", ".join(found) or "none"
        raise ValueError(f"no `score`; name one of its metrics in {KEY}.metric: {named}")
    if metric not in found:
        raise ValueError(f"no metric {metric!r}; it has {', '.join(found) or 'none'}")
    return float(found[metric])


def _cause(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error}"
    return str(error)


def _example(ids: Sequence[str], scores: Mapping[str, float]) -> str:
    here, there = next(iter(ids), ""), next(iter(_first(scores)), "")
    return f"a training row is called {here!r}, a scored row {there!r}"


def _first(scores: Mapping[str, float]) -> Iterator[str]:
    yield from scores
