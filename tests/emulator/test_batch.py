"""Batch prediction through google-genai."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from google.genai import errors, types

from runner.emulator import Emulator
from tests.emulator.asking import MODEL, client, objects, tuned, upload

ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")


def asked(text: str) -> dict[str, Any]:
    content = {"role": "user", "parts": [{"text": text}]}
    settings = {"temperature": 0, "maxOutputTokens": 8}
    return {"request": {"contents": [content], "generationConfig": settings}, "key": text}


def answered(emulator: Emulator, model: str, rows: list[dict[str, Any]]) -> types.BatchJob:
    """The batch job, ended."""
    uri = upload(emulator, rows, "gs://sft-emulator/batch/in.jsonl")
    ask = client(emulator, "us")
    config = types.CreateBatchJobConfig(dest="gs://sft-emulator/batch/out", display_name="try")
    job = ask.batches.create(model=model, src=uri, config=config)
    deadline = time.monotonic() + 30
    while job.state.value not in ENDED and time.monotonic() < deadline:
        time.sleep(0.02)
        job = ask.batches.get(name=job.name)
    return job


def lines(emulator: Emulator) -> list[dict[str, Any]]:
    (blob,) = objects(emulator).list_blobs("sft-emulator", prefix="batch/out/")
    return [json.loads(line) for line in blob.download_as_bytes().splitlines()]


def test_base_and_tuned_models_answer_batches(emulator: Emulator) -> None:
    tuned_model = tuned(emulator).tuned_model
    ask = client(emulator, "us")
    texts = [f"Number {n} barks loudly" for n in range(6)]
    for model in (MODEL, tuned_model.model.partition("@")[0]):
        for blob in objects(emulator).list_blobs("sft-emulator", prefix="batch/out/"):
            blob.delete()
        job = answered(emulator, model, [asked(text) for text in texts])
        assert job.state == types.JobState.JOB_STATE_SUCCEEDED, job.error
        assert job.completion_stats.successful_count == 6
        online = MODEL if model == MODEL else tuned_model.endpoint
        config = {"temperature": 0, "max_output_tokens": 8}
        for line in lines(emulator):
            (candidate,) = line["response"]["candidates"]
            text = candidate["content"]["parts"][0]["text"]
            said = ask.models.generate_content(model=online, contents=line["key"], config=config)
            assert text == said.text
    assert emulator.overview()["violations"] == []


def test_a_bad_row_fails_alone(emulator: Emulator) -> None:
    wrong = {"request": {"contents": [], "messages": []}, "key": "wrong"}
    job = answered(emulator, MODEL, [asked("fine"), wrong])
    assert job.completion_stats.successful_count == 1
    assert job.completion_stats.failed_count == 1
    found = {line["key"]: line for line in lines(emulator)}
    assert found["fine"]["status"] == ""
    assert "messages" in found["wrong"]["status"]
    assert found["wrong"]["response"] == {}


@pytest.mark.parametrize(
    ("model", "said"),
    [("gpt-5", "404"), ("projects/lab/locations/us/models/1", "404")],
)
def test_unknown_models_are_not_found(emulator: Emulator, model: str, said: str) -> None:
    with pytest.raises(errors.ClientError, match=said):
        answered(emulator, model, [asked("x")])


def test_missing_input_is_refused(emulator: Emulator) -> None:
    config = types.CreateBatchJobConfig(dest="gs://sft-emulator/out")
    with pytest.raises(errors.ClientError, match="does not exist"):
        client(emulator, "us").batches.create(
            model=MODEL, src="gs://sft-emulator/none.jsonl", config=config
        )


def test_a_batch_can_be_cancelled_listed_and_deleted() -> None:
    with Emulator(speed=0.1) as emulator:
        ask = client(emulator, "us")
        uri = upload(emulator, [asked("x")], "gs://sft-emulator/batch/in.jsonl")
        config = types.CreateBatchJobConfig(dest="gs://sft-emulator/batch/out")
        job = ask.batches.create(model=MODEL, src=uri, config=config)
        ask.batches.cancel(name=job.name)
        assert ask.batches.get(name=job.name).state == types.JobState.JOB_STATE_CANCELLED
        assert [one.name for one in ask.batches.list()] == [job.name]
        ask.batches.delete(name=job.name)
        assert list(ask.batches.list()) == []
        assert emulator.overview()["violations"] == []


@pytest.mark.parametrize("wait", [0.0, 0.05])
def test_a_batch_outlives_the_emulator_that_took_it(tmp_path: Path, wait: float) -> None:
    rows = [asked(f"question {number}") for number in range(400)]
    with Emulator(home=tmp_path, speed=1e5) as emulator:
        uri = upload(emulator, rows, "gs://sft-emulator/batch/in.jsonl")
        config = types.CreateBatchJobConfig(dest="gs://sft-emulator/batch/out")
        job = client(emulator, "us").batches.create(model=MODEL, src=uri, config=config)
        time.sleep(wait)
    # Nothing may go on without the files it would write to.
    assert not [one for one in threading.enumerate() if one.name == "batch"]
    with Emulator(home=tmp_path, speed=1e5) as emulator:
        ask = client(emulator, "us")
        deadline = time.monotonic() + 30
        while job.state.value not in ENDED and time.monotonic() < deadline:
            time.sleep(0.02)
            job = ask.batches.get(name=job.name)
        assert job.state == types.JobState.JOB_STATE_SUCCEEDED
        assert len(lines(emulator)) == 400
