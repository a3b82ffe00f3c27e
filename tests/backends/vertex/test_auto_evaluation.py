"""The service's own evaluation: asked for as its schema wants it, read back as sentences."""

from __future__ import annotations

from pathlib import Path

from runner.backends.vertex.jobs import find_job, plain
from runner.backends.vertex.submit import evaluation_notes, evaluation_resources
from runner.emulator import Emulator
from runner.records import Resource
from tests.backends.vertex.jobs import Watch, tuning_job, vertex

FLASH = "gemini-2.5-flash"
FOLDER = "gs://sft-emulator/tests/evaluation/job1/"


def test_the_service_takes_what_is_asked_for(tmp_path: Path) -> None:
    with Emulator() as emulator:
        vertex(emulator, FLASH, auto_evaluation=True).submit(tuning_job(tmp_path, "job1"))
        assert not emulator.overview()["violations"]
        (job,) = emulator.service.registry.all("tuningJobs")
        config = job.body["supervisedTuningSpec"]["evaluationConfig"]
        assert config["outputConfig"]["gcsDestination"]["outputUriPrefix"] == FOLDER
        assert [metric["exactMatchSpec"] for metric in config["metrics"]] == [{}]
        assert config["inferenceGenerationConfig"]["temperature"] == 0


def test_nothing_is_asked_for_unless_it_is_switched_on(tmp_path: Path) -> None:
    with Emulator() as emulator:
        vertex(emulator, FLASH).submit(tuning_job(tmp_path, "job1"))
        (job,) = emulator.service.registry.all("tuningJobs")
        assert "evaluationConfig" not in job.body["supervisedTuningSpec"]


def test_its_figures_come_back_as_findings(tmp_path: Path) -> None:
    with Emulator() as emulator:
        asked = vertex(emulator, FLASH, auto_evaluation=True)
        result = Watch().run(asked, tuning_job(tmp_path, "job1"))
        assert not emulator.overview()["violations"]
    said = [line for line in result.findings if "own evaluation" in line]
    assert len(said) == len(result.checkpoints) == 3
    assert all(": exactMatch " in line for line in said)
    assert Resource("object", FOLDER) in result.resources


def result(metric: str, kind: str, score: float) -> dict[str, object]:
    return {"aggregationMetric": kind, f"{metric}MetricValue": {"score": score}}


def test_figures_and_failures_become_findings_through_the_official_types(tmp_path: Path) -> None:
    from google.genai import types

    results = [
        result("exactMatch", "AVERAGE", 0.8537),
        result("exactMatch", "STANDARD_DEVIATION", 0.3),
        result("rouge", "AVERAGE", 0.5),
    ]
    runs = [
        {
            "checkpointId": "1",
            "evaluateDatasetResponse": {
                "aggregationOutput": {"aggregationResults": results},
                "outputInfo": {"gcsOutputDirectory": f"{FOLDER}run-7/1"},
            },
        },
        {"checkpointId": "2", "error": {"code": 8, "message": "no quota"}},
    ]
    with Emulator() as emulator:
        asked = vertex(emulator, FLASH, auto_evaluation=True)
        asked.submit(tuning_job(tmp_path, "job1"))
        known = find_job(asked.clients, "job1")
        assert known
        assert list(evaluation_notes(known)) == []
    raw = {**known, "evaluateDatasetRuns": runs}
    job = plain(types.TuningJob.model_validate(raw))
    assert list(evaluation_notes(job)) == [
        "Vertex AI's own evaluation of checkpoint 1: exactMatch 0.854, rouge 0.5",
        "Vertex AI's own evaluation of checkpoint 2 failed: no quota",
    ]
    assert list(evaluation_resources(job)) == [Resource("object", FOLDER)]
    strange = {**job, "labels": {"sft-arm": "another"}}
    assert list(evaluation_resources(strange)) == [], "a folder that we did not name is not ours"
