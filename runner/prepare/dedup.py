"""Repeated rows within train: exact ones by hash, near ones by verified similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.config import Dedup
from runner.kernels.minhash import DuplicateClusters, near_clusters
from runner.prepare.keep_rule import keep_priority
from runner.prepare.kernel_settings import kernel_errors, minhash_settings
from runner.prepare.row_status import CONFLICT, EXACT, NEAR, TO_TEST, TO_VALIDATION, RowStatus
from runner.prepare.row_table import RowTable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.row_table import Hashes

    Worth = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RepeatedRows:
    """Which rows repeat an earlier one, whatever is done about it. Copies that a weight asked
    for are not repeats."""

    first: NDArray[np.int64]
    """Per row, the first row with the same input (itself, when it is the first)."""
    again: NDArray[np.bool_]
    """Rows whose input stood before."""
    conflict: NDArray[np.bool_]
    """Those of them whose target is not the first row's."""

    @property
    def conflicting_texts(self) -> int:
        """Inputs that have more than one target."""
        return len(set(self.first[self.conflict].tolist()))


def find_repeats(rows: RowTable, worth: Worth | None = None) -> RepeatedRows:
    """Compare every row's input with all others of its split. The row of most `worth` stands for
    the first, where that is given."""
    first = first_of(rows.key, worth)
    again = (first != original(rows.copy)) & ~rows.copy
    return RepeatedRows(first, again, again & (rows.target != rows.target[first]))


def worth_of(rows: RowTable, config: Dedup) -> Worth | None:
    """The worth of every row by the rule `fuzzy.keep`, which holds for equal rows as for near
    ones; None when the first one stays. Raises as `runner.prepare.keep_rule.keep_priority` does."""
    import numpy as np

    places = np.flatnonzero(~rows.copy)
    found = keep_priority(rows, places, config.fuzzy) if config.fuzzy else None
    if found is None:
        return None
    worth = np.zeros(len(rows))
    worth[places] = found
    spread: Worth = worth[original(rows.copy)]
    return spread


def drop_repeats(rows: RowTable, config: Dedup, status: RowStatus, worth: Worth | None) -> None:
    """Drop exact repeats and conflicts as `config` says; the row of most `worth` stays, the first
    of equals."""
    import numpy as np

    if not config.exact:
        return
    repeats = find_repeats(rows, worth)
    if config.conflicts == "drop_all":
        rival = np.full(len(rows), -1, np.int64)
        conflicting = np.flatnonzero(repeats.conflict)[::-1]
        rival[repeats.first[conflicting]] = conflicting
        torn = rival[repeats.first] >= 0
        match = np.where(repeats.again, repeats.first, rival)
        status.drop(torn & ~rows.copy, CONFLICT, match)
    elif config.conflicts == "drop_later":
        status.drop(repeats.conflict, CONFLICT, repeats.first)
    if config.conflicts == "keep":
        first = first_of(rows.pair, worth)
        status.drop((first != np.arange(len(rows))) & ~rows.copy, EXACT, first)
    else:
        status.drop(repeats.again, EXACT, repeats.first)
    follow_originals(rows, status)


@dataclass(frozen=True, slots=True)
class NearRepeats:
    """The rows of what was read as train that stay, with those that are like them; positions are
    those in `places`."""

    places: NDArray[np.int64]
    """Rows that were compared: those of train and those that were cut from it."""
    clusters: DuplicateClusters


def drop_near(
    rows: RowTable, config: Dedup, status: RowStatus, worth: Worth | None
) -> NearRepeats | None:
    """Drop every training row that is verified to be like a row that stays. Rows that were cut
    for evaluation all stay, so that an evaluation does not depend on what is done to train, and a
    training row that is like one of them goes. With `conflicts: keep` rows with another target
    than the one that stays are no repeats of it. None when that is off."""
    import numpy as np

    if config.fuzzy is None:
        return None
    cut = status.of(TO_VALIDATION) | status.of(TO_TEST)
    compared, folder = (status.stays | cut) & ~rows.copy, rows.path.parent
    places = np.flatnonzero(compared)
    merits = None if worth is None else worth[places]
    texts = rows.inputs.where(compared, folder)
    with kernel_errors():
        found = near_clusters(
            texts, minhash_settings(config.fuzzy), merits, folder, stays=cut[places]
        )
    mask = np.zeros(len(rows), np.bool_)
    match = np.full(len(rows), -1, np.int64)
    for hit in (near for cluster in found for near in cluster.members):
        row, other = int(places[hit.row]), int(places[hit.matched])
        answers_differ = rows.target[row] != rows.target[other]
        if config.conflicts == "keep" and answers_differ:
            continue
        mask[row], match[row] = True, other
        status.score[row] = hit.score
    status.drop(mask, NEAR, match)
    follow_originals(rows, status)
    return NearRepeats(places, found)


def follow_originals(rows: RowTable, status: RowStatus) -> None:
    """Copies that a weight asked for share the fate of the row they copy."""
    source = original(rows.copy)
    status.code[:] = status.code[source]
    status.match[:] = status.match[source]


def original(copy: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Per row, the row it copies; itself for a row that is no copy."""
    import numpy as np

    return np.maximum.accumulate(np.where(copy, 0, np.arange(len(copy))))


def first_of(keys: Hashes, worth: Worth | None = None) -> NDArray[np.int64]:
    """Per row, the first row with its key; of those of most `worth`, where that is given."""
    import numpy as np

    if not len(keys):
        return np.empty(0, np.int64)

    order = np.argsort(keys, kind="stable") if worth is None else np.lexsort((-worth, keys))
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    out = np.empty(len(keys), np.int64)
    out[order] = np.repeat(order[starts], np.diff(np.append(starts, len(keys))))
    return out
