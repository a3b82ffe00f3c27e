"""Labels that the most similar rows do not share: likely mistakes of whoever labelled them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.config.select import LabelNoise
from runner.prepare.select.choice import Choice, Reason
from runner.prepare.select.neighbours import nearest

if TYPE_CHECKING:
    from runner.prepare.select.encoders import Vectors

ROWS_A_LABEL = 2
"""Answers are labels when each stands, on average, in at least this many rows."""


def drop_noise(
    targets: Sequence[str], vectors: Vectors, config: LabelNoise, choice: Choice
) -> None:
    """Drop rows with too few neighbours of the same answer; the most similar one that disagrees
    is the evidence (edited nearest neighbours, Wilson 1972). Rows that share no word with any
    other row have nobody to ask and stay."""
    import numpy as np

    labels, of_row = np.unique(np.array(targets, object), return_inverse=True)
    if len(labels) * ROWS_A_LABEL > len(targets):
        choice.notes.append(
            "prepare.select.quality.label_noise: answers are not labels here (nearly every row "
            "has one of its own), so no row was held against its neighbours"
        )
        return
    found, score = nearest(vectors, config.neighbours)
    asked = (found >= 0) & (score > 0)
    same = asked & (of_row[found] == of_row[:, None])
    share = same.sum(axis=1) / np.maximum(1, asked.sum(axis=1))
    for row in np.flatnonzero(asked.any(axis=1) & (share < config.agreement)).tolist():
        against = int(found[row][np.argmax(asked[row] & ~same[row])])
        choice.reasons.setdefault(
            row, Reason("label_noise", "neighbours", round(float(share[row]), 4), against)
        )
