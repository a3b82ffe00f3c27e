"""Running one arm: its stages in order, its result or its failure as a record."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.errors import SftError
from runner.ledger import now_ms
from runner.pipeline import Pipeline, Scored
from runner.records import Checkpoint
from runner.results import ArmResult, CheckpointScores
from runner.store import Artifact
from runner.sweep.arms import Arm

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

    tuning = pipeline.tuning_result
    on_validation = _on_validation(pipeline, tuning.checkpoints)
    scored = [
        CheckpointScores(
            id=checkpoint.id,
            epoch=checkpoint.epoch,
            step=checkpoint.step,
            eval_loss=checkpoint.eval_loss,
            path=checkpoint.path,
            validation=on_validation[checkpoint.id].scores,
        )
        for checkpoint in tuning.checkpoints
        if checkpoint.id in on_validation
    ]
    # Without validation rows there is nothing to choose by: the last checkpoint it is.
    best = (
        pick_checkpoint(scored, arm.experiment.suite.primary)
        if scored
        else tuning.checkpoints[-1].id
    )
    chosen = next(item for item in tuning.checkpoints if item.id == best)
    test = pipeline.scored("test", chosen)
    made = {"prepare": pipeline.prepared, "render": pipeline.rendered, "tune": pipeline.tuned}
    made["predict"] = pipeline.predicted("test", chosen)
    made["score"] = test.artifact
    rows = {"test": str(test.rows)}
    if best in on_validation:
        rows["validation"] = str(on_validation[best].rows)
    return {
        "train_examples": tuning.train_examples,
        "tuning": tuning,
        "checkpoints": scored,
        "best": best,
        "validation": on_validation[best].scores if best in on_validation else None,
        "test": test.scores,
        "predictions": rows,
        **_accounts(made),
    }


def _on_validation(pipeline: Pipeline, checkpoints: tuple[Checkpoint, ...]) -> dict[str, Scored]:
    if not pipeline.examples("validation"):
        return {}
    return {item.id: pipeline.scored("validation", item) for item in checkpoints}


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
    # A bug of ours has no message for people: say so, and where the traceback is.
    message = str(error) if isinstance(error, SftError) else f"{type(error).__name__}: {error}"
    return {
        "status": "failed",
        "ended_ms": now_ms(),
        "error": message,
        "exit_code": getattr(error, "exit_code", 1),
        "traceback": trace,
        "log": getattr(error, "log", "") or str(log),
    }
