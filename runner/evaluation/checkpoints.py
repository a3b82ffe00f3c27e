"""Which checkpoint of a tuning job to ship."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

from runner.errors import ConfigError, Problem
from runner.results import CheckpointScores


def pick_checkpoint(scores: Sequence[CheckpointScores], primary: str) -> str:
    """Id of the checkpoint with the best primary score on validation.

    Ties go to the lower validation loss (an unknown one loses), then to the earlier step: the
    less a model was tuned for the same score, the less it was bent. An undefined score (no
    rows) loses against any number. Raises ValueError for no checkpoints, ConfigError when
    `primary` was not measured.
    """
    if not scores:
        raise ValueError("no checkpoints to pick from")
    known = list(scores[0].validation.overall)
    if any(primary not in item.validation.overall for item in scores):
        message = f"{primary!r} was not measured on validation; measured: {', '.join(known)}"
        raise ConfigError([Problem("suite.primary", message)])
    return reduce(lambda best, item: item if _beats(item, best, primary) else best, scores).id


def _beats(item: CheckpointScores, best: CheckpointScores, primary: str) -> bool:
    scale = item.validation.overall[primary].scale
    ours = item.validation.overall[primary].value
    theirs = best.validation.overall[primary].value
    if scale.better(ours, theirs):
        return True
    if scale.better(theirs, ours):
        return False
    return _tie_break(item) < _tie_break(best)


def _tie_break(item: CheckpointScores) -> tuple[float, int]:
    return (math.inf if math.isnan(item.eval_loss) else item.eval_loss, item.step)
