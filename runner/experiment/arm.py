"""Running one arm: its stages in order, its result or its failure as a record."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runner.base.errors import INCOMPLETE, SftError
from runner.experiment.answer_sets import answer_sets, checkpoint_scores, chosen
from runner.experiment.arms import Arm
from runner.experiment.looks import split_rows
from runner.experiment.score_stage import ScoreStage, check_targets, rows_file
from runner.experiment.stage import AnswerSet, ArmRun
from runner.experiment.stages import Stages, in_order
from runner.experiment.tune_stage import TuneStage
from runner.records.gates import GUARD
from runner.records.results import ArmResult
from runner.store.artifacts import Artifact
from runner.store.ledger import now_ms

Save = Callable[[ArmResult], None]


def run_arm(
    arm: Arm,
    run: ArmRun,
    stages: Stages,
    logs: Path,
    set_up: Callable[[], None],
    save: Save,
    warn: Callable[[str], None],
) -> ArmResult:
    """Run the arm to its end and return its result; a failure is a result as well.

    `set_up` makes the backend ready (weights, credentials) and may be called for each arm.
    `save` records each new state; `warn` is told what to know before scores are believed. The
    whole traceback of a failure goes to a file in `logs`.
    """
    result = arm.pending().model_copy(update={"status": "running", "started_ms": now_ms()})
    save(result)
    try:
        set_up()
        for line in check_targets(run):
            warn(line)
        made = {stage.name: run.make(stage) for stage in in_order(run, stages)}
        found = _tuned(run) if arm.kind == "tuned" else _untuned(arm, run)
        steps = {**found, **_accounts(made)}
        result = result.model_copy(update={**steps, "status": "done", "ended_ms": now_ms()})
    except Exception as error:  # one arm's failure must never stop the others
        result = result.model_copy(update=_failure(arm, error, logs))
    save(result)
    return result


def _untuned(arm: Arm, run: ArmRun) -> dict[str, Any]:
    """The test split, and validation where that chooses among several baselines."""
    sets = {each.split: each for each in answer_sets(run)}
    told = {"train_examples": arm.shots, **_tested(run, sets)}
    if validation := sets.get("validation"):
        told["validation"] = run.read(ScoreStage(validation))
    return told


def _tuned(run: ArmRun) -> dict[str, Any]:
    """Every checkpoint is scored on validation; the best one answers the test split."""
    tuning, checkpoints, best = run.read(TuneStage()), checkpoint_scores(run), chosen(run)
    sets = {each.split: each for each in answer_sets(run) if each.by == best}
    return {
        "train_examples": tuning.train_examples,
        "tuning": tuning,
        "checkpoints": checkpoints,
        "best": best.id,
        "validation": next((each.validation for each in checkpoints if each.id == best.id), None),
        **_tested(run, sets),
    }


def _tested(run: ArmRun, sets: Mapping[str, AnswerSet]) -> dict[str, Any]:
    """The rows of each split, and what test came to where it was answered."""
    found: dict[str, Any] = {
        "predictions": {split: str(rows_file(run, answers)) for split, answers in sets.items()}
    }
    if test := sets.get("test"):
        found |= {"test": run.read(ScoreStage(test)), "tested": split_rows(run).digest}
    if guard := sets.get(GUARD):
        found["guard"] = run.read(ScoreStage(guard))
    return found


def _accounts(made: dict[str, Artifact]) -> dict[str, Any]:
    """Where the last artifact of each stage is, and what it took."""
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
