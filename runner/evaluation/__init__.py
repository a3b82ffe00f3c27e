"""Evaluation: from answers to scores with intervals, to differences, to a checkpoint.

The doors are the names below; see `runner.evaluation.measure` for how a metric is added.
"""

from runner.evaluation.comparison import compare, contributions, pick_checkpoint, tied
from runner.evaluation.row_changes import (
    STAND_INS,
    RowScores,
    changed_rows,
    row_lists,
    row_scores,
    said,
    shared_share,
)
from runner.evaluation.scoring import (
    NOT_SCORED,
    SCORE_VERSION,
    only,
    score,
    score_among,
    shared_rows,
)
from runner.evaluation.self_score import SelfScore, self_score
from runner.evaluation.suite import check_suite, known_scores, primary_scale
from runner.evaluation.targets import check_targets
from runner.evaluation.tokenizers import settled
from runner.statistics.significance import holm

__all__ = [
    "NOT_SCORED",
    "SCORE_VERSION",
    "STAND_INS",
    "RowScores",
    "SelfScore",
    "changed_rows",
    "check_suite",
    "check_targets",
    "compare",
    "contributions",
    "holm",
    "known_scores",
    "only",
    "pick_checkpoint",
    "primary_scale",
    "row_lists",
    "row_scores",
    "said",
    "score",
    "score_among",
    "self_score",
    "settled",
    "shared_rows",
    "shared_share",
    "tied",
]
