"""Drawing the worked examples of a few-shot prompt from the training rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import chain, zip_longest
from statistics import median_low

from runner.errors import ConfigError, Problem
from runner.plural import plural
from runner.records import Example

ROWS_A_LABEL = 2
"""Targets are labels when each stands, on average, in at least this many rows."""


def draw_shots(train: Sequence[Example], k: int, seed: int) -> list[Example]:
    """`k` different training rows, the same ones for the same rows in any order and `seed`.

    Where targets are labels, as many labels as possible take part; the shorter half of each
    label's rows (or of all rows) comes first, so that the shots leave room for the question.
    The first 3 of 8 shots are the 3 shots. Raises ConfigError when there are fewer rows.
    """
    rows = {_content(row): row for row in train}
    if len(rows) < k:
        message = (
            f"{plural(k, 'worked example')} asked for, but train has "
            f"{plural(len(rows), 'different row')}"
        )
        raise ConfigError([Problem("baseline.few_shot", message, hint="ask for fewer")])
    # By digest of seed and content: ids may be line numbers, and those follow the row order.
    ordered = [rows[content] for content in sorted(rows, key=lambda text: _digest(text, seed))]
    groups: dict[str, list[Example]] = {}
    labels = len({row.target for row in ordered}) * ROWS_A_LABEL <= len(ordered)
    for row in ordered:
        groups.setdefault(row.target if labels else "", []).append(row)
    rounds = zip_longest(*(_short_first(group) for group in groups.values()))
    return [row for row in chain.from_iterable(rounds) if row is not None][:k]


def _short_first(rows: list[Example]) -> list[Example]:
    """The shorter half in the order given, then the rest. A half, not the shortest ones: those
    are often odd."""
    middle = median_low([_length(row) for row in rows])
    return sorted(rows, key=lambda row: _length(row) > middle)


def _length(row: Example) -> int:
    return sum(len(turn.text) for turn in row.contents) + len(row.target)


def _content(row: Example) -> str:
    turns = [[turn.role, turn.text] for turn in row.contents]
    return json.dumps([row.system, turns, row.target], ensure_ascii=False)


def _digest(content: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\n{content}".encode(errors="surrogatepass")).hexdigest()
