"""What a run would do: each arm, what is done already, what is reused, tokens and time.

The plan prepares and renders the data (cheap, kept in the store), because token counts and the
keys of everything later depend on it. Nothing is tuned and no model is asked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runner.errors import MissingExtraError
from runner.ledger import JobRecord, Ledger
from runner.pipeline import Pipeline
from runner.store import digest_of
from runner.sweep.arms import Arm
from runner.sweep.console import Console
from runner.sweep.run import Sweep


@dataclass(frozen=True, slots=True)
class PlannedArm:
    """One line of the plan. Token counts are of all epochs; `tokens_low` and `tokens_high`
    differ where only an estimate is possible. `seconds` of tuning are a guess, 0 where there is
    nothing to tune, None when the speed of this model is not known here."""

    name: str
    kind: str
    digest: str
    state: str
    """``done``, ``tuned`` (only answers and scores are missing), ``interrupted`` or ``new``."""
    train_rows: int
    validation_rows: int
    test_rows: int
    tokens_low: int
    tokens_high: int
    price_low: float
    price_high: float
    """US dollars; 0 on this machine."""
    seconds: float | None


def plan(sweep: Sweep, console: Console) -> list[PlannedArm]:
    """The plan of every arm, in the order in which they would run."""
    set_up: set[int] = set()
    for pipeline in sweep.pipelines.values():
        if id(pipeline.backend) not in set_up:
            set_up.add(id(pipeline.backend))
            ready(pipeline, console)
    known = sweep.ledger.experiment(sweep.result.digest)
    done = {arm.digest for arm in known.arms if arm.status == "done"} if known else set()
    lines = [_line(arm, sweep, arm.digest in done) for arm in sweep.arms]
    console.close()
    return lines


def ready(pipeline: Pipeline, console: Console) -> None:
    """Get the tokenizer for exact counts; without the extra, counts are estimates."""
    try:
        pipeline.backend.setup(console.watch("model"))
    except MissingExtraError as error:
        console.say(f"token counts are estimates: {error}")


def _line(arm: Arm, sweep: Sweep, done: bool) -> PlannedArm:
    pipeline = sweep.pipelines[arm.digest]
    summary = json.loads((pipeline.rendered.path / "summary.json").read_text(encoding="utf-8"))
    rows, tokens = summary["rows"], summary["tokens"]["train"]
    tuned = arm.kind == "tuned"
    epochs = arm.experiment.tuning.most_epochs if tuned else 0
    low = tokens["exact"] if tokens["exact"] is not None else tokens["low"]
    high = tokens["exact"] if tokens["exact"] is not None else tokens["high"]
    state = "done" if done else _state(pipeline) if tuned else "new"
    finished = state in ("done", "tuned")
    return PlannedArm(
        name=arm.name,
        kind=arm.kind,
        digest=arm.digest,
        state=state,
        train_rows=rows["train"] if tuned else arm.shots,
        validation_rows=rows["validation"] if tuned else 0,
        test_rows=rows["test"],
        tokens_low=low * epochs,
        tokens_high=high * epochs,
        price_low=0.0,
        price_high=0.0,
        seconds=0.0 if finished else _guess(arm, sweep.ledger, high * epochs),
    )


def _state(pipeline: Pipeline) -> str:
    if pipeline.house.store.get("tune", digest_of({"stage": "tune", **pipeline.tune_key})):
        return "tuned"
    status = pipeline.backend.find(pipeline.job_label)
    return status.state if status else "new"


def _guess(arm: Arm, ledger: Ledger, tokens: int) -> float | None:
    """Tuning seconds from the speed of earlier jobs of this model here, else from the
    model's measured speed in conf."""
    if not tokens:
        return 0.0
    speed = _measured(ledger.jobs(), arm.experiment.model.name)
    speed = speed or arm.experiment.model.cpu_tokens_per_second
    return tokens / speed if speed else None


def _measured(jobs: Sequence[JobRecord], model: str) -> float | None:
    done = [job for job in jobs if job.model == model and job.seconds > 0 and job.tokens > 0]
    if not done:
        return None
    return sum(job.tokens for job in done) / sum(job.seconds for job in done)


def as_json(lines: Sequence[PlannedArm]) -> list[dict[str, Any]]:
    """The plan for scripts."""
    return [asdict(line) for line in lines]
