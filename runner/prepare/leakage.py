"""Train rows that stand in validation or test: found, counted, refused beyond a share, dropped.

Evaluation rows are protected: it is always the training row that goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.config import Prepare
from runner.errors import GateError
from runner.prepare.fates import (
    GROUP_TEST,
    GROUP_VALIDATION,
    LEAK_TEST,
    LEAK_VALIDATION,
    Fates,
)
from runner.prepare.fuzzy import near_matches
from runner.prepare.keys import input_text
from runner.prepare.spill import Spill

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from runner.prepare.fates import Mask

SHOWN = 10


@dataclass(slots=True)
class Leak:
    """Train against one evaluation split, as both were read (before caps)."""

    split: str
    match: NDArray[np.int64]
    """Per train row, the first evaluation row with the same input; -1 for none."""
    near: NDArray[np.int64]
    """Per train row, the most similar near-duplicate; -1 for none."""
    score: dict[int, float]
    same_group: Mask
    eval_rows: Mask
    """Evaluation rows whose input also stands in train."""
    eval_near: int = 0
    """Further evaluation rows that only nearly stand in train."""
    contradicted: int = 0
    """Rows of `eval_rows` whose target differs from every train row's with the input."""
    any: Mask = field(init=False)
    """Train rows that must neither stay in train nor move to another evaluation split."""

    def __post_init__(self) -> None:
        self.any = (self.match >= 0) | (self.near >= 0) | self.same_group


def find_leak(train: Spill, fates: Fates, evaluation: Spill, config: Prepare) -> Leak:
    """Compare every train row with every row of an evaluation split."""
    import numpy as np

    near = np.full(len(train), -1, np.int64)
    score: dict[int, float] = {}
    if config.dedup.fuzzy and config.leakage.fuzzy:
        near, score = _near(train, fates, evaluation, config)
    eval_rows = np.isin(evaluation.key, train.key)
    eval_near = np.setdiff1d(near[near >= 0], np.flatnonzero(eval_rows))
    agrees = np.isin(evaluation.pair, train.pair)
    return Leak(
        evaluation.split,
        _match(train, evaluation),
        near,
        score,
        (train.group != 0) & np.isin(train.group, evaluation.group),
        eval_rows,
        len(eval_near),
        int((eval_rows & ~agrees).sum()),
    )


def drop_leaks(leaks: Mapping[str, Leak], config: Prepare, fates: Fates) -> None:
    """Let the leaking train rows go; a row that stands in both splits counts for test."""
    for split, leaked, grouped in (
        ("test", LEAK_TEST, GROUP_TEST),
        ("validation", LEAK_VALIDATION, GROUP_VALIDATION),
    ):
        leak = leaks.get(split)
        if leak is None:
            continue
        if config.leakage.exact:
            fates.drop(leak.match >= 0, leaked, leak.match)
        if leak.score:
            before = fates.stays
            fates.drop(leak.near >= 0, leaked, leak.near)
            fresh = before & ~fates.stays
            fates.score.update({row: at for row, at in leak.score.items() if fresh[row]})
        fates.drop(leak.same_group, grouped)


def check_gate(
    train: Spill, rows: Mapping[str, Spill], leaks: Mapping[str, Leak], share: float
) -> None:
    """Raise GateError when more than `share` of a split's rows also stand in train."""
    for split, leak in leaks.items():
        found, total = int(leak.eval_rows.sum()) + leak.eval_near, len(rows[split])
        if found <= share * total:
            continue
        raise GateError(
            "\n".join(
                [
                    f"{found:,} of {total:,} {split} rows ({found / total:.1%}) also stand in "
                    f"train, and prepare.leakage.max_share allows {share:.1%}:",
                    *_examples(train, rows[split], leak),
                    "  take them out of the training file; or, knowing that such train rows are"
                    " dropped anyway,",
                    f"  go on with prepare.leakage.max_share={found / total + 0.005:.2f}",
                ]
            )
        )


def _examples(train: Spill, evaluation: Spill, leak: Leak) -> Iterator[str]:
    import numpy as np

    match = np.where(leak.match >= 0, leak.match, leak.near)
    places = np.flatnonzero(match >= 0)[:SHOWN]
    for row, other in zip(train.rows(places), evaluation.rows(match[places]), strict=True):
        text = next(iter(row.fields.values()), row.history[-1].text if row.history else "")
        here, there = (f"{r.origin.file}:{r.origin.line}" for r in (row, other))
        yield f"  {here} is {there}: {text[:100]}"


def _match(train: Spill, evaluation: Spill) -> NDArray[np.int64]:
    """Per train row, the first evaluation row with its key; -1 for none."""
    import numpy as np

    keys, first = np.unique(evaluation.key, return_index=True)
    if not len(keys):
        return np.full(len(train), -1, np.int64)
    at = np.minimum(np.searchsorted(keys, train.key), len(keys) - 1)
    return np.where(keys[at] == train.key, first[at], -1)


def _near(
    train: Spill, fates: Fates, evaluation: Spill, config: Prepare
) -> tuple[NDArray[np.int64], dict[int, float]]:
    import numpy as np

    assert config.dedup.fuzzy
    steps = config.dedup.normalize
    places = np.flatnonzero(fates.stays)
    texts = (input_text(row, steps) for row in train.rows(places))
    corpus = (input_text(row, steps) for row in evaluation.rows(range(len(evaluation))))
    near = np.full(len(train), -1, np.int64)
    score: dict[int, float] = {}
    for hit in near_matches(texts, corpus, config.dedup.fuzzy, train.path.parent):
        row = int(places[hit.row])
        near[row], score[row] = hit.matched, hit.score
    return near, score
