"""Evaluation: from answers to scores with intervals, to differences, to a checkpoint.

The doors are the names below; see `runner.evaluation.measure` for how a metric is added.
"""

from runner.evaluation.checkpoints import pick_checkpoint
from runner.evaluation.comparison import compare
from runner.evaluation.names import better, check_suite, known_scores
from runner.evaluation.rows import check_targets
from runner.evaluation.scoring import SCORE_VERSION, score
from runner.evaluation.significance import holm

__all__ = [
    "SCORE_VERSION",
    "better",
    "check_suite",
    "check_targets",
    "compare",
    "holm",
    "known_scores",
    "pick_checkpoint",
    "score",
]
