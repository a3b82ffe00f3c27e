"""Says what repeats took away when it is much: a label, a slice, or a large share of train."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.base.errors import GateError
from runner.base.text import plural
from runner.config import Dedup
from runner.prepare.drop_log import input_excerpt
from runner.prepare.row_status import CONFLICT, EXACT, NEAR, REASONS, SPAN, RowStatus
from runner.prepare.row_table import RowTable

if TYPE_CHECKING:
    from runner.prepare.row_status import Mask

LOSSY = (CONFLICT, NEAR, SPAN)
"""What takes text away that no other row has in full; an equal row takes nothing with it."""
VALUES = 1000
"""A slice of more values is no slice: ids, dates, texts."""
LISTED = 5


def check_losses(train: RowTable, status: RowStatus, config: Dedup) -> list[str]:
    """Warnings: labels and slice values of which no row is left, and more than `warn_share` of the
    rows gone. Raises GateError when more than `max_share` is gone but for equal rows."""
    rows = int((~train.copy).sum())
    gone = {reason.name: _count(train, status.of(reason)) for reason in (EXACT, *LOSSY)}
    lossy = sum(gone[reason.name] for reason in LOSSY)
    named = ", ".join(f"{count:,} × {name}" for name, count in gone.items() if count)
    if lossy > config.max_share * rows:
        raise GateError(_refusal(train, status, named, lossy, rows, config))
    lost = _listed("label", list(_labels(train, status)))
    lost += _listed("slice", list(_slices(train, status)))
    total = sum(gone.values())
    if total <= config.warn_share * rows:
        return lost
    share = f"dedup drops {total:,} of {plural(rows, 'training row')} ({total / rows:.0%}: {named})"
    return [*lost, f"{share}; prepare.dedup.warn_share is {config.warn_share:.0%}"]


def _listed(kind: str, lost: list[str]) -> list[str]:
    if not lost:
        return []
    more = f" and {len(lost) - LISTED:,} more" if len(lost) > LISTED else ""
    what = f"{plural(len(lost), kind)}: {', '.join(lost[:LISTED])}{more}"
    return [f"dedup leaves no training row of {what}"]


def _refusal(
    train: RowTable, status: RowStatus, named: str, lossy: int, rows: int, config: Dedup
) -> str:
    import numpy as np

    places = np.flatnonzero(_dropped(status) & (status.match >= 0))[:LISTED]
    near = [
        f"  {row.origin.file}:{row.origin.line} repeats {other.origin.file}:{other.origin.line}: "
        f"{input_excerpt(row)[:100]}"
        for row, other in zip(train.rows(places), train.rows(status.match[places]), strict=True)
    ]
    return "\n".join(
        [
            f"dedup would drop {lossy:,} of {plural(rows, 'training row')} ({lossy / rows:.1%}) "
            f"that are not merely equal ({named}), and prepare.dedup.max_share allows "
            f"{config.max_share:.1%}:",
            *near,
            "  see whether source.input names what tells the rows apart, or whether all rows begin "
            "alike;",
            "  compare less closely (prepare.dedup.fuzzy.threshold=0.9, prepare/dedup=exact), or, "
            "if these",
            f"  rows are to go, prepare.dedup.max_share={min(1.0, lossy / rows + 0.005):.2f}",
        ]
    )


def _dropped(status: RowStatus) -> Mask:
    """Rows that went as more than equal to another one."""
    import numpy as np

    return np.isin(status.code, [REASONS.index(reason) for reason in LOSSY])


def _count(train: RowTable, mask: Mask) -> int:
    return int((mask & ~train.copy).sum())


def _labels(train: RowTable, status: RowStatus) -> Iterator[str]:
    """Labels that are gone, with how many rows went by what; none where targets are no labels."""
    import numpy as np

    labels, gone = train.labels, _gone(status)
    if not labels or 2 * len(labels) > len(train):
        return
    for target in np.setdiff1d(train.target[gone], train.target[~gone]).tolist():
        mine = train.target == target
        yield f"{labels[target]!r:.80} ({_by_reason(train, status, mine)})"


def _slices(train: RowTable, status: RowStatus) -> Iterator[str]:
    """The same for slice values. Reads the rows that are left until every value has turned up."""
    import numpy as np

    gone = _gone(status)
    wanted: dict[tuple[str, str], list[int]] = {}
    places = np.flatnonzero(gone)
    for place, row in zip(places.tolist(), train.rows(places), strict=True):
        for pair in row.slices.items():
            wanted.setdefault(pair, []).append(place)
    values = Counter(name for name, _ in wanted)
    missing, others = set(wanted), set[tuple[str, str]]()
    for row in train.rows(np.flatnonzero(~gone) if missing else ()):
        if not missing:
            break
        missing.difference_update(row.slices.items())
        others.update(row.slices.items() - wanted.keys())
    values.update(name for name, _ in others)
    for name, value in (pair for pair in wanted if pair in missing):
        if values[name] <= min(VALUES, len(train) // 2):
            mask = np.zeros(len(train), np.bool_)
            mask[wanted[name, value]] = True
            yield f"{name}={value!r:.80} ({_by_reason(train, status, mask)})"


def _gone(status: RowStatus) -> Mask:
    """Rows that no file has any more because they repeat one."""
    import numpy as np

    codes = [REASONS.index(reason) for reason in (EXACT, *LOSSY)]
    return np.isin(status.code, codes)


def _by_reason(train: RowTable, status: RowStatus, mask: Mask) -> str:
    counts = ((reason.name, _count(train, mask & status.of(reason))) for reason in (EXACT, *LOSSY))
    return ", ".join(f"{count:,} × {name}" for name, count in counts if count)
