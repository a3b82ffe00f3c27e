"""One arm as an MLflow run: its tags, params, datasets, checkpoints, tables and traces."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.manifest import digest_of
from runner.records import read_rows
from runner.results import ArmResult, CheckpointScores, ExperimentResult
from runner.tracking.arm_note import arm_note
from runner.tracking.facts import DatasetFact, ModelFact, Places, RunFacts, RunState, TraceFact
from runner.tracking.measures import arm_measures
from runner.tracking.names import MAX_NAME, key, model_name, value
from runner.tracking.tables import predictions_table

MAX_TRACES, FEWEST_TRACES, ALL_TRACES = 40, 5, 400
"""Traces of an arm, at most and at least, and of all arms together: enough for people to judge
an arm by. Every answer stands in the table anyway."""

ENDED: Mapping[str, RunState] = {"done": "FINISHED", "failed": "FAILED"}
"""States of arms that came to an end; any other was cut off when nobody works on it."""

REHEARSAL = "on the emulator: cost/usd is what it would have cost, nothing was paid"

NAMED = frozenset(
    [
        "model",
        "template",
        "tuning.epochs",
        "tuning.learning_rate_multiplier",
        "tuning.adapter_size",
    ]
)
"""Swept keys that have a short param name anyway, so that they keep one column."""


def arm_tags(result: ExperimentResult, arm: ArmResult, colour: str) -> dict[str, str]:
    """What identifies the run: it is found again by ``sweep.id`` and ``arm.digest``."""
    tags = {
        "run.kind": "tuning" if arm.kind == "tuned" else "baseline",
        "arm.kind": arm.kind,
        "arm.digest": arm.digest,
        "sweep.id": result.digest,
        "mlflow.runColor": colour,
    }
    if label := _job_label(arm):
        tags["job.label"] = label
    if arm.rehearsal:
        tags["rehearsal"] = REHEARSAL
    return tags


def arm_params(arm: ArmResult) -> dict[str, str]:
    """The varying keys and the few that identify an arm. Empty values are left out: MLflow
    would show the word None and stop treating the axis as a number."""
    config = arm.config
    params: dict[str, Any] = {
        "model": arm.model or _at(config, "model.name"),
        "template": _at(config, "template.name"),
    }
    if arm.kind == "tuned":
        params |= {
            "epochs": _at(config, "tuning.epochs"),
            "learning_rate_multiplier": _at(config, "tuning.learning_rate_multiplier"),
            "adapter_size": _at(config, "tuning.adapter_size"),
            "train_examples": arm.train_examples or None,
        }
    else:
        params["shots"] = arm.shots
    params |= {name: text for name, text in arm.varying.items() if name not in NAMED}
    return {
        key(name): value(str(item))
        for name, item in params.items()
        if item is not None and str(item) not in ("", "None", "null")
    }


def arm_run(result: ExperimentResult, arm: ArmResult, colour: str, places: Places) -> RunFacts:
    """The whole run of an arm that nobody works on any more."""
    import yaml

    tables = {
        f"eval/{split}.json": predictions_table(read_rows(Path(file)))
        for split, file in sorted(arm.predictions.items())
        if Path(file).is_file()
    }
    texts = {"config.yaml": yaml.safe_dump(arm.config, sort_keys=False, allow_unicode=True)}
    if arm.traceback:
        texts["traceback.txt"] = arm.traceback
    return RunFacts(
        name=arm.name[:MAX_NAME],
        state=ENDED.get(arm.status, "KILLED"),
        start_ms=arm.started_ms or result.started_ms,
        end_ms=arm.ended_ms or result.ended_ms or arm.started_ms or result.started_ms,
        tags=arm_tags(result, arm, colour)
        | {
            "mlflow.parentRunId": places.parent,
            "mlflow.note.content": arm_note(result, arm, places),
        },
        params=arm_params(arm),
        measures=arm_measures(result, arm),
        datasets=arm_datasets(result, arm),
        models=tuple(_model(arm, item) for item in arm.checkpoints),
        traces=_traces(arm, len(result.arms)),
        texts=texts,
        tables=tables,
    )


def arm_datasets(result: ExperimentResult, arm: ArmResult) -> tuple[DatasetFact, ...]:
    """The splits the arm used, each with a digest of its rows. The test rows are named before
    templating, so that arms which differ in their template share them."""
    wanted = {
        "train": ("render", "prepare") if arm.kind == "tuned" else (),
        "validation": ("prepare", "render") if arm.checkpoints or arm.validation else (),
        "test": ("prepare", "render") if arm.test else (),
    }
    rows = {
        "train": arm.train_examples,
        "validation": arm.validation.rows if arm.validation else None,
        "test": arm.test.rows if arm.test else None,
    }
    found = []
    for split, stages in wanted.items():
        for stage in stages:
            file = Path(arm.artifacts.get(stage, "")) / f"{split}.jsonl"
            if stage in arm.artifacts and file.is_file():
                name = f"{result.name} {split}"
                found.append(DatasetFact(split, name, _digest(file), rows[split], str(file)))
                break
    return tuple(found)


def _model(arm: ArmResult, item: CheckpointScores) -> ModelFact:
    params = {**arm_params(arm), "epoch": f"{item.epoch:g}", "step": str(item.step)}
    return ModelFact(
        checkpoint=item.id,
        name=model_name(f"{arm.name} - epoch {item.epoch:g}"),
        params=params,
        tags={
            "checkpoint": item.id,
            "chosen": "yes" if item.id == arm.best else "no",
            "path": value(item.path),
        },
    )


def _traces(arm: ArmResult, arms: int) -> tuple[TraceFact, ...]:
    """The same rows in every arm, picked by a digest of their id, so that answers pair up."""
    count = max(FEWEST_TRACES, min(MAX_TRACES, ALL_TRACES // arms))
    file = Path(arm.predictions.get("test", ""))
    if "test" not in arm.predictions or not file.is_file():
        return ()
    rows = sorted(read_rows(file), key=lambda row: digest_of(row.id))[:count]
    return tuple(
        TraceFact(
            row=row.id,
            prompt=row.prompt,
            response=row.text,
            error=row.error,
            expected=row.target,
            scores=row.scores,
            slices=row.slices,
            time_ms=arm.ended_ms,
        )
        for row in rows
    )


def _job_label(arm: ArmResult) -> str:
    """The tuning job's label is the name of the artifact it left."""
    return Path(arm.artifacts["tune"]).name if "tune" in arm.artifacts else ""


def _digest(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:24]


def _at(config: Mapping[str, Any], path: str) -> Any:
    found: Any = config
    for part in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found
