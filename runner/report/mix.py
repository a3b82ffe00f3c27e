"""What a split takes of each of its sources, in rows and in tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.records import Mixed
from runner.report.wording import count, one_line, share

MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One source of the mix."""

    name: str
    weight: str
    there: str
    rows: str
    row_share: str
    tokens: str
    token_share: str


@dataclass(frozen=True, slots=True)
class Mix:
    """The sources of one split."""

    split: str
    lines: list[Line]


def mixes(mix: Mapping[str, Sequence[Mixed]]) -> list[Mix]:
    """The mix of every split that has several sources."""
    return [Mix(split, _lines(told)) for split, told in mix.items()]


def _lines(told: Sequence[Mixed]) -> list[Line]:
    rows = sum(part.rows for part in told)
    tokens = sum(part.tokens for part in told)
    return [
        Line(
            _name(part.name),
            f"{part.weight:g}",
            count(part.rows_in),
            count(part.rows),
            share(part.rows / rows) if rows else "",
            count(round(part.tokens)),
            share(part.tokens / tokens) if tokens else "",
        )
        for part in told
    ]


def _name(entry: str) -> str:
    """The end of a path or glob; of a query its head."""
    short = entry if any(map(str.isspace, entry)) else "/".join(Path(entry).parts[-2:])
    return one_line(short, MAX_NAME)
