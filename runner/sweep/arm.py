"""Running one arm: its stages in order, its result or its failure as a record."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.config import Suite
from runner.errors import INCOMPLETE, SftError
from runner.ledger import now_ms
from runner.pipeline import Pipeline, Scored
from runner.records import Checkpoint, read_rows
from runner.results import ArmResult, CheckpointScores, Scores
from runner.store import Artifact
from runner.sweep.arms import Arm
from runner.sweep.same_rows import common_scores

Save = Callable[[ArmResult], None]


def run_arm(
    arm: Arm, pipeline: Pipeline, logs: Path, set_up: Callable[[], None], save: Save
) -> ArmResult:
    """Run the arm to its end and return its result; a failure is a result as well.

    `set_up` makes the backend ready (weights, credentials) and may be called for each arm.
    `save` records each new state. The whole traceback of a failure goes to a file in `logs`.
    """
    result = arm.pending().model_copy(update={"status": "running", "started_ms": now_ms()})
    save(result)
    try:
        set_up()
        pipeline.check_targets()
        steps = _tuned(arm, pipeline) if arm.kind == "tuned" else _untuned(arm, pipeline)
        result = result.model_copy(update={**steps, "status": "done", "ended_ms": now_ms()})
    except Exception as error:  # one arm's failure must never stop the others
        result = result.model_copy(update=_failure(arm, error, logs))
    save(result)
    return result


def _untuned(arm: Arm, pipeline: Pipeline) -> dict[str, Any]:
    """Baselines are measured on the test split only: they have no checkpoint to choose."""
    test = pipeline.scored("test", None, arm.shots)
    made = {"prepare": pipeline.prepared, "render": pipeline.rendered, "score": test.artifact}
    made["predict"] = pipeline.predicted("test", None, arm.shots)
    return {
        "train_examples": arm.shots,
        "test": test.scores,
        "predictions": {"test": str(test.rows)},
        **_accounts(made),
    }


def _tuned(arm: Arm, pipeline: Pipeline) -> dict[str, Any]:
    """Every checkpoint is scored on validation; the best one answers the test split."""
    from runner.evaluation import pick_checkpoint

    tuning, suite = pipeline.tuning_result, arm.experiment.suite
    on_validation = _on_validation(pipeline, tuning.checkpoints)
    scores = _comparable(on_validation, suite, arm.experiment.seed)
    scored = [
        CheckpointScores(
            id=checkpoint.id,
            epoch=checkpoint.epoch,
            step=checkpoint.step,
            eval_loss=checkpoint.eval_loss,
            path=checkpoint.path,
            validation=scores[checkpoint.id],
        )
        for checkpoint in tuning.checkpoints
        if checkpoint.id in on_validation
    ]
    # Without validation rows there is nothing to choose by: the last checkpoint it is.
    best = pick_checkpoint(scored, suite.primary) if scored else tuning.checkpoints[-1].id
    chosen = next(item for item in tuning.checkpoints if item.id == best)
    test = pipeline.scored("test", chosen)
    made = {"prepare": pipeline.prepared, "render": pipeline.rendered, "tune": pipeline.tuned}
    made["predict"] = pipeline.predicted("test", chosen)
    made["score"] = test.artifact
    files = {"test": str(test.rows)}
    if best in on_validation:
        files["validation"] = str(on_validation[best].rows)
    return {
        "train_examples": tuning.train_examples,
        "tuning": tuning,
        "checkpoints": scored,
        "best": best,
        "validation": scores.get(best),
        "test": test.scores,
        "predictions": files,
        **_accounts(made),
    }


def _on_validation(pipeline: Pipeline, checkpoints: tuple[Checkpoint, ...]) -> dict[str, Scored]:
    if not pipeline.examples("validation"):
        return {}
    return {item.id: pipeline.scored("validation", item) for item in checkpoints}


def _comparable(on_validation: dict[str, Scored], suite: Suite, seed: int) -> dict[str, Scores]:
    """Scores by checkpoint over the same rows: none is picked for having left the hard ones out."""
    if suite.unanswered == "wrong":
        return {name: each.scores for name, each in on_validation.items()}
    rows = {name: list(read_rows(each.rows)) for name, each in on_validation.items()}
    return common_scores(rows, suite, "validation", seed)


def _accounts(made: dict[str, Artifact]) -> dict[str, Any]:
    return {
        "artifacts": {stage: str(artifact.path) for stage, artifact in made.items()},
        "seconds": {stage: item.seconds for stage, item in made.items() if not item.reused},
        "reused": [stage for stage, artifact in made.items() if artifact.reused],
    }


def _failure(arm: Arm, error: Exception, logs: Path) -> dict[str, Any]:
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{arm.digest}.log"
    trace = "".join(traceback.format_exception(error))
    log.write_text(trace, encoding="utf-8")
    code = getattr(error, "exit_code", 1)
    # A bug of ours has no message for people: say so, and where the traceback is.
    message = str(error) if isinstance(error, SftError) else f"{type(error).__name__}: {error}"
    return {
        "status": "incomplete" if code == INCOMPLETE else "failed",
        "ended_ms": now_ms(),
        "error": message,
        "exit_code": code,
        "traceback": trace,
        "log": getattr(error, "log", "") or str(log),
    }
