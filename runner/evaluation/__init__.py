"""Evaluation: from answers to scores with intervals, to differences, to a checkpoint.

The doors are the names below; see `runner.evaluation.measure` for how a metric is added.
"""

from runner.evaluation.checkpoints import pick_checkpoint
from runner.evaluation.comparison import compare
from runner.evaluation.names import check_suite, known_scores
from runner.evaluation.rows import check_targets
from runner.evaluation.same_rows import only, shared_rows
from runner.evaluation.scoring import NOT_SCORED, SCORE_VERSION, score, score_among
from runner.evaluation.significance import holm

__all__ = [
    "NOT_SCORED",
    "SCORE_VERSION",
    "check_suite",
    "check_targets",
    "compare",
    "holm",
    "known_scores",
    "only",
    "pick_checkpoint",
    "score",
    "score_among",
    "shared_rows",
]
