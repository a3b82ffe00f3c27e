"""Which row of a cluster of near-duplicates is worth keeping: one number a row, more is better."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runner.base.errors import ConfigError, DataError, Problem
from runner.base.text import plural
from runner.config import FuzzyDedup
from runner.prepare.row_table import RowTable
from runner.records import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEY = "prepare.dedup.fuzzy.keep_by"
LISTED = 5


def keep_priority(
    rows: RowTable, places: NDArray[np.int64], config: FuzzyDedup
) -> NDArray[np.float64] | None:
    """The priority of the rows at `places` by the rule `keep`; None when the first one stays.

    Raises:
        ConfigError: no row has the column of `keep_by`.
        DataError: values that are neither numbers nor, for `newest`, dates.
    """
    import numpy as np

    if config.keep == "first":
        return None
    if config.keep == "longest":
        lengths: NDArray[np.float64] = rows.lengths[places, 0].astype(np.float64)
        return lengths
    return np.array(_values(rows, places, config), np.float64)


def _values(rows: RowTable, places: NDArray[np.int64], config: FuzzyDedup) -> list[float]:
    assert config.keep_by
    values, bad, present = [], [], False
    for row in rows.rows(places):
        text = row.slices.get(config.keep_by, row.fields.get(config.keep_by))
        present |= text is not None
        value = _number(text or "", dates=config.keep == "newest")
        if value is None:
            bad.append((row, text))
        values.append(float("-inf") if value is None else value)
    if len(places) and not present:
        raise ConfigError([Problem(KEY, _unknown(config.keep_by, row))])
    if bad:
        raise DataError(_unreadable(bad, config))
    return values


def _number(text: str, *, dates: bool) -> float | None:
    """The value of a text, minus infinity for an empty one, None when it has none."""
    if not text.strip():
        return float("-inf")
    try:
        value = float(text)
    except ValueError:
        return _seconds(text) if dates else None
    return value if value == value else None


def _seconds(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 date; without a time zone it is taken for UTC."""
    try:
        date = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _unknown(column: str, row: Row) -> str:
    known = ", ".join(sorted({*row.slices, *row.fields})) or "none"
    return (
        f"no row has a slice or input column {column!r}; there are: {known}. Columns that are "
        "no input are read when source.slices names them"
    )


def _unreadable(bad: list[tuple[Row, str | None]], config: FuzzyDedup) -> str:
    wanted = "a number or an ISO 8601 date" if config.keep == "newest" else "a number"
    lines = [
        f"  {row.origin.file}:{row.origin.line}: {config.keep_by}={text!r:.60}"
        for row, text in bad[:LISTED]
    ]
    more = [f"  ... and {len(bad) - LISTED:,} more"] if len(bad) > LISTED else []
    return "\n".join(
        [f"{KEY}: {plural(len(bad), 'row')} where the value is not {wanted}:", *lines, *more]
    )
