"""No more validation rows than the service takes with the training rows: a stratified draw."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from runner.prepare.draw import draw
from runner.prepare.keys import hash64, input_text
from runner.records import Row


def fitting(rows: Iterable[Row], most: int, seed: int) -> list[bool] | None:
    """Which rows to keep, `most` of them in the proportions of their targets; None for all.

    Where nearly every row has a target of its own, there are no proportions to keep. The same
    rows are kept whatever their order.
    """
    import numpy as np

    keys, targets = array("Q"), array("Q")
    for row in rows:
        keys.append(hash64(f"{input_text(row, ())}\0{row.id}"))
        targets.append(hash64(row.target))
    if len(keys) <= most:
        return None
    key, target = np.array(keys, np.uint64), np.array(targets, np.uint64)
    none = np.zeros_like(key)
    labels = 2 * len(np.unique(target)) <= len(target)
    ones = np.ones(len(key), np.int64)
    kept: list[bool] = draw(key, none, target if labels else none, ones, most, seed).tolist()
    return kept
