"""What a job that has ended left: checkpoints, facts, findings, links, resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from runner.config import VertexBackend
from runner.plural import plural
from runner.records import Checkpoint, CurvePoint, DroppedRow, Resource, TuningResult
from runner.vertex.auto_evaluation import evaluation_findings, evaluation_resources
from runner.vertex.curves import value_at
from runner.vertex.states import PARTIAL, Job, hyperparameters, spec_of, statistics, whole

CONSOLE = "https://console.cloud.google.com/vertex-ai"
EVAL_LOSS = "eval_total_loss"
SIZES = {"ONE": 1, "TWO": 2, "FOUR": 4, "EIGHT": 8, "SIXTEEN": 16, "THIRTY_TWO": 32}


def outcome_of(
    job: Job,
    settings: VertexBackend,
    curves: Sequence[CurvePoint],
    more: Sequence[str] = (),
) -> TuningResult:
    """The result of a succeeded job; `more` are findings from elsewhere."""
    stats, resolved = statistics(job), resolved_of(job)
    billable, epochs = whole(stats.get("totalBillableTokenCount")), resolved.get("epochCount") or 1
    return TuningResult(
        checkpoints=tuple(checkpoints_of(job, curves)),
        curves=tuple(curves),
        train_examples=whole(stats.get("tuningDatasetExampleCount")),
        train_tokens=round(billable / epochs),
        seconds=seconds_of(job),
        resolved=resolved,
        billable_tokens=billable,
        findings=(*findings_of(job), *evaluation_findings(job), *more),
        links=links_of(job, settings),
        resources=tuple(dict.fromkeys(resources_of(job))),
        dropped=tuple(dropped_of(stats)),
    )


def resolved_of(job: Job) -> dict[str, Any]:
    """The hyperparameters that the service trained with, as numbers."""
    found: dict[str, Any] = {}
    for name, value in hyperparameters(job).items():
        if name == "adapterSize":
            found[name] = SIZES.get(str(value).removeprefix("ADAPTER_SIZE_"), value)
        else:
            found[name] = int(value) if name == "epochCount" else float(value)
    return found


def checkpoints_of(job: Job, curves: Sequence[CurvePoint]) -> Iterator[Checkpoint]:
    """Every checkpoint with its endpoint, by step; the last one alone when no others are kept."""
    tuned = job.get("tunedModel") or {}
    found = tuned.get("checkpoints") or []
    for entry in sorted(found, key=lambda entry: whole(entry.get("step"))):
        step = whole(entry.get("step"))
        yield Checkpoint(
            id=str(entry["checkpointId"]),
            epoch=float(entry.get("epoch") or 0),
            step=step,
            path=str(entry.get("endpoint", "")),
            eval_loss=value_at(curves, EVAL_LOSS, step),
        )
    if not found and tuned.get("endpoint"):
        step = last_step(job, curves)
        loss = value_at(curves, EVAL_LOSS, step)
        epochs = float(resolved_of(job).get("epochCount", 0))
        yield Checkpoint("1", epochs, step, tuned["endpoint"], loss)


def last_step(job: Job, curves: Sequence[CurvePoint]) -> int:
    """Optimiser steps of the whole job."""
    done = whole((job.get("tuningJobMetadata") or {}).get("completedStepCount"))
    planned = whole(statistics(job).get("tuningStepCount"))
    return done or planned or max((point.step for point in curves), default=0)


def seconds_of(job: Job) -> float:
    """From start to end by the service's clock, whatever ours says."""
    begin, end = (job.get(name) for name in ("startTime", "endTime"))
    if not begin or not end:
        return 0.0
    return (_time(end) - _time(begin)).total_seconds()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def findings_of(job: Job) -> Iterator[str]:
    """What a person should know: half a success, rows that were left out."""
    if job.get("state") == PARTIAL:
        kept = plural(len((job.get("tunedModel") or {}).get("checkpoints") or []), "checkpoint")
        yield f"Vertex AI says that the job succeeded in part only; it left {kept}"
    stats = statistics(job)
    lost = whole(stats.get("totalTruncatedExampleCount")) or len(list(dropped_of(stats)))
    if lost:
        yield f"Vertex AI dropped {plural(lost, 'training row')}: neither trained nor paid for"


def dropped_of(stats: Mapping[str, Any]) -> Iterator[DroppedRow]:
    """The dropped rows that the service names (a sample), with its reasons."""
    numbers = stats.get("truncatedExampleIndices") or stats.get("droppedExampleIndices") or []
    reasons = list(stats.get("droppedExampleReasons") or [])
    reasons += [""] * (len(numbers) - len(reasons))
    for number, reason in zip(numbers, reasons, strict=False):
        yield DroppedRow(int(number), str(reason))


def links_of(job: Job, settings: VertexBackend) -> dict[str, str]:
    """The job's pages in Google's console, at the addresses google-genai uses; none for the
    emulator, which has no console."""
    if settings.emulator:
        return {}
    _, _, _, location, *_, number = job["name"].split("/")
    place = f"locations/{location}"
    end = f"?project={settings.project}"
    found = {"console": f"{CONSOLE}/generative/language/{place}/tuning/tuningJob/{number}{end}"}
    if experiment := job.get("experiment"):
        name = experiment.rpartition("/")[2]
        found["tensorboard"] = f"{CONSOLE}/experiments/{place}/experiments/{name}/runs{end}"
    return found


def resources_of(job: Job) -> Iterator[Resource]:
    """Everything that the job used or made and that stays behind."""
    spec, tuned = spec_of(job), job.get("tunedModel") or {}
    for name in ("trainingDatasetUri", "validationDatasetUri"):
        if uri := spec.get(name):
            yield Resource("object", uri)
    entries = [*(tuned.get("checkpoints") or []), tuned]
    for endpoint in dict.fromkeys(entry["endpoint"] for entry in entries if entry.get("endpoint")):
        yield Resource("endpoint", endpoint)
    if model := tuned.get("model"):
        yield Resource("model", model)
    if experiment := job.get("experiment"):
        yield Resource("experiment", experiment)
    yield from evaluation_resources(job)
