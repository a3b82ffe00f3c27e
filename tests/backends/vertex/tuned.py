"""An experiment that was tuned on the emulator, as the ledger knows it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.backends.vertex.clients import Clients
from runner.config import VertexBackendSettings
from runner.records import Checkpoint, Resource, TuningResult
from runner.records.experiments import ExperimentResult, Verdict
from runner.records.results import ArmResult, CheckpointScores, Score, Scores
from runner.store.ledger import Ledger
from tests.backends.vertex.asking import LITE

DATA = "gs://sft-emulator/tests/train.jsonl"
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED")


def tune(clients: Clients, epochs: int = 3) -> dict[str, Any]:
    """A finished tuning job of the emulator, as JSON."""
    from google.genai import types

    rows = [
        {
            "contents": [
                {"role": "user", "parts": [{"text": f"question {number}"}]},
                {"role": "model", "parts": [{"text": f"answer {number}"}]},
            ]
        }
        for number in range(20)
    ]
    bucket, _, path = DATA.removeprefix("gs://").partition("/")
    content = "".join(json.dumps(row) + "\n" for row in rows)
    clients.storage.bucket(bucket).blob(path).upload_from_string(content)
    job = clients.tuning.tunings.tune(
        base_model=LITE,
        training_dataset=types.TuningDataset(gcs_uri=DATA),
        config=types.CreateTuningJobConfig(epoch_count=epochs, tuned_model_display_name="t"),
    )
    while job.state.name not in ENDED:
        time.sleep(0.05)
        job = clients.tuning.tunings.get(name=job.name)
    found: dict[str, Any] = job.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def resources(job: dict[str, Any]) -> list[Resource]:
    """What the job left."""
    tuned = job["tunedModel"]
    return [
        Resource("object", DATA),
        Resource("experiment", job["experiment"]),
        Resource("model", tuned["model"]),
        *(Resource("endpoint", item["endpoint"]) for item in tuned["checkpoints"]),
    ]


def arm(
    settings: VertexBackendSettings, job: dict[str, Any], label: str, best: str = "2", **config: Any
) -> ArmResult:
    """A finished tuned arm of this job."""
    score = Score(value=0.5, low=0.4, high=0.6, n=9)
    scores = Scores(split="validation", rows=9, overall={"exact_match": score})
    checkpoints = tuple(
        Checkpoint(
            item["checkpointId"], float(item["epoch"]), int(item["step"]), item["endpoint"], 1.0
        )
        for item in job["tunedModel"]["checkpoints"]
    )
    return ArmResult(
        digest=label * 4,
        name=f"tuned {label}",
        kind="tuned",
        status="done",
        config={"backend": settings.model_dump(mode="json"), **config},
        tuning=TuningResult(checkpoints, (), 20, 100, 1.0, {}, resources=tuple(resources(job))),
        checkpoints=[
            CheckpointScores(
                id=one.id,
                epoch=one.epoch,
                step=one.step,
                eval_loss=1.0,
                path=one.path,
                validation=scores,
            )
            for one in checkpoints
        ],
        best=best,
        artifacts={"tune": f"/store/tune/{label}"},
    )


def experiment(home: Path, name: str, arms: Sequence[ArmResult], form: str = "") -> Ledger:
    """The ledger of a home in which these arms were run; the first one won. `form` tells what
    the YAML of one name was from what it was before."""
    ledger = Ledger(home)
    result = ExperimentResult(
        name=name,
        digest=f"{name}-digest{form}",
        arms=list(arms),
        primary="exact_match",
        home=str(home),
        started_ms=1,
        ended_ms=2,
        verdict=Verdict(headline="it won", winner=arms[0].digest),
    )
    ledger.begin(result)
    for one in arms:
        ledger.put_arm(result.digest, one)
        assert one.tuning
        ledger.add_resources(Path(one.artifacts["tune"]).name, one.tuning.resources)
    ledger.finish(result)
    return ledger
