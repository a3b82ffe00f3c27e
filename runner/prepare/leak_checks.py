"""What the search for leaks looked at: every method on every pair of splits, with the rows it
compared and what it found, or why it did not look. "None" is only said of what was looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from runner.config import Prepare
from runner.prepare.leak_report import ClosestRows
from runner.prepare.leakage import SUITES, Leak
from runner.prepare.row_table import RowTable, hash64
from runner.prepare.similarity import MINHASH, SUBSTRING
from runner.records.leaks import LeakCheck

if TYPE_CHECKING:
    from runner.prepare.row_status import Mask

EXACT, NGRAM, SEMANTIC = "exact", "n-gram", "semantic"
SPLITS = ("train", "validation", "test")


def leak_looks(
    tables: Mapping[str, RowTable],
    leaks: Mapping[tuple[str, str], Leak],
    close: Sequence[ClosestRows],
    config: Prepare,
) -> list[LeakCheck]:
    """An entry a method and pair of splits. `leaks` are by the names of both splits; suites are
    told apart here."""
    semantic = {(one.side, one.split): one for one in close}
    told = []
    for split, against in combinations((*SPLITS, *config.leakage.suites), 2):
        if split not in SPLITS:  # two suites: nobody trains on either
            continue
        pair = (split, against if against in SPLITS else SUITES)
        missing = next((name for name in pair if not len(tables.get(name, ()))), None)
        for method, why in _methods(config):
            look = LeakCheck(split, against, method)
            if missing or why:
                reason = f"there are no {missing} rows" if missing else why
                told.append(replace(look, not_looked=reason))
            else:
                among = _rows_of(against, tables[pair[1]])
                told.append(_counted(look, leaks[pair], semantic.get(pair), among))
    return told


def _methods(config: Prepare) -> Iterator[tuple[str, str]]:
    """Every method there is, and why it is off; empty for one that is on. Equal inputs are always
    looked for: the gate counts them, also where `exact` lets them stay."""
    leakage = config.leakage
    yield EXACT, ""
    fuzzy = "" if leakage.fuzzy else "prepare.leakage.fuzzy is off"
    if not fuzzy and not leakage.fuzzy_as(config.dedup.fuzzy):
        fuzzy = "prepare.leakage.fuzzy follows prepare.dedup.fuzzy, which is off"
    yield MINHASH, fuzzy
    if leakage.ngrams:
        yield from ((f"{size}-gram", "") for size in leakage.ngrams.sizes)
    else:
        yield NGRAM, "prepare.leakage.ngrams is off"
    yield SUBSTRING, "" if leakage.substring else "prepare.leakage.substring is off"
    yield SEMANTIC, "" if leakage.semantic else "prepare.leakage.semantic is off"


def _rows_of(name: str, rows: RowTable) -> Mask:
    """The rows of a split, or of one suite; copies that a weight asked for are no rows."""
    import numpy as np

    if name in SPLITS:
        return ~rows.copy
    mine: Mask = ~rows.copy & (rows.group == np.uint64(hash64(name) or 1))
    return mine


def _counted(look: LeakCheck, leak: Leak, close: ClosestRows | None, among: Mask) -> LeakCheck:
    """Numbers of rows; where it had none to compare, that it could not look."""
    import numpy as np

    method, found = look.method, np.zeros(len(among), np.bool_)
    if method == EXACT:
        rows, looked, found = leak.compared, among, leak.eval_rows
    elif method == SEMANTIC:
        rows, looked = (close.compared, close.looked) if close else (0, found)
        found[close.at if close else []] = True
    else:
        compared = leak.like.looks[method]
        rows, looked = compared.rows, compared.against
        found[list(compared.hit)] = True
    against = int((looked & among).sum())
    if not rows or not against:
        return replace(look, not_looked=_nothing(method))
    return replace(look, rows=rows, against_rows=against, found=int((found & among).sum()))


def _nothing(method: str) -> str:
    if method == SEMANTIC:
        return "all rows of one of them are known to stand in the other, or in train"
    return "no row of one of them is long enough"
