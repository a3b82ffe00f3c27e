"""Repeated rows within train: exact ones by hash, near ones by verified similarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.config import Dedup
from runner.prepare.fates import CONFLICT, EXACT, NEAR, Fates
from runner.prepare.fuzzy import Clusters, near_clusters
from runner.prepare.merit import merit
from runner.prepare.spill import Spill

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.spill import Hashes


@dataclass(frozen=True, slots=True)
class Repeats:
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


def find_repeats(rows: Spill) -> Repeats:
    """Compare every row's input with all earlier ones of its split."""
    first = first_of(rows.key)
    again = (first != original(rows.copy)) & ~rows.copy
    return Repeats(first, again, again & (rows.target != rows.target[first]))


def drop_repeats(rows: Spill, repeats: Repeats, config: Dedup, fates: Fates) -> None:
    """Drop exact repeats and conflicts as `config` says; the first row stays."""
    import numpy as np

    if not config.exact:
        return
    if config.conflicts == "drop_all":
        rival = np.full(len(rows), -1, np.int64)
        conflicting = np.flatnonzero(repeats.conflict)[::-1]
        rival[repeats.first[conflicting]] = conflicting
        torn = rival[repeats.first] >= 0
        match = np.where(repeats.again, repeats.first, rival)
        fates.drop(torn & ~rows.copy, CONFLICT, match)
    elif config.conflicts == "drop_later":
        fates.drop(repeats.conflict, CONFLICT, repeats.first)
    if config.conflicts == "keep":
        first = first_of(rows.pair)
        fates.drop((first != np.arange(len(rows))) & ~rows.copy, EXACT, first)
    else:
        fates.drop(repeats.again, EXACT, repeats.first)
    follow_originals(rows, fates)


@dataclass(frozen=True, slots=True)
class NearRepeats:
    """The clusters of near-duplicates in train; positions are those in `places`."""

    places: NDArray[np.int64]
    """Rows of train that were compared."""
    clusters: Clusters


def drop_near(rows: Spill, config: Dedup, fates: Fates) -> NearRepeats | None:
    """Drop all rows but one of every cluster of near-duplicates; None when that is off."""
    import numpy as np

    if config.fuzzy is None:
        return None
    compared, folder = fates.stays & ~rows.copy, rows.path.parent
    places = np.flatnonzero(compared)
    worth = merit(rows, places, config.fuzzy)
    found = near_clusters(rows.inputs.where(compared, folder), config.fuzzy, worth, folder)
    mask = np.zeros(len(rows), np.bool_)
    match = np.full(len(rows), -1, np.int64)
    for hit in (near for cluster in found for near in cluster.members):
        row = int(places[hit.row])
        mask[row], match[row] = True, places[hit.matched]
        fates.score[row] = hit.score
    fates.drop(mask, NEAR, match)
    follow_originals(rows, fates)
    return NearRepeats(places, found)


def follow_originals(rows: Spill, fates: Fates) -> None:
    """Copies that a weight asked for share the fate of the row they copy."""
    source = original(rows.copy)
    fates.code[:] = fates.code[source]
    fates.match[:] = fates.match[source]


def original(copy: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Per row, the row it copies; itself for a row that is no copy."""
    import numpy as np

    return np.maximum.accumulate(np.where(copy, 0, np.arange(len(copy))))


def first_of(keys: Hashes) -> NDArray[np.int64]:
    """Per row, the first row with its key."""
    import numpy as np

    if not len(keys):
        return np.empty(0, np.int64)

    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    out = np.empty(len(keys), np.int64)
    out[order] = np.repeat(order[starts], np.diff(np.append(starts, len(keys))))
    return out
