"""The emulator that tunes for real: what comes out is what the local backend gives."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.genai import types

from runner.backends.protocol import TuningJob
from runner.backends.registry import make_backend
from runner.config import Experiment
from runner.emulator import Emulator
from runner.records import Example, Generation, Origin, Request, Turn, quiet, write_jsonl
from tests.compose.composing import MINIMAL, compose_text
from tests.emulator.asking import animals, client, tune, upload, wait

SEED = 17
ASKED = [f"Number {n} {sound}" for n in range(8) for sound in ("meows softly", "sings early")]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """The tiny random model, quick enough to learn something."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "lab" / "data").mkdir(parents=True)
    (folder / "lab" / "data" / "train.jsonl").write_text("{}\n")
    faster = ("model.base_learning_rate=0.02", "backend.threads=1")
    return compose_text(folder, MINIMAL, *faster).points[0].experiment


@pytest.fixture(scope="module")
def running(experiment: Experiment) -> Iterator[Emulator]:
    with Emulator(experiment=experiment) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def job(running: Emulator) -> types.TuningJob:
    """Tuned through the service."""
    uri = upload(running, list(animals()))
    data = types.TuningValidationDataset(gcs_uri=uri)
    labels = {"sft-seed": str(SEED)}
    return wait(running, tune(running, uri, labels=labels, validation_dataset=data), 300)


def examples() -> Iterator[Example]:
    """The rows as the pipeline renders them."""
    for number, raw in enumerate(animals(), 1):
        asked, answered = (content["parts"][0]["text"] for content in raw["contents"])
        system = raw["systemInstruction"]["parts"][0]["text"]
        origin = Origin("animals.jsonl", number)
        yield Example(f"animal-{number}", (Turn("user", asked),), answered, origin, system)


def test_curves_and_answers_are_the_local_backends(
    job: types.TuningJob, running: Emulator, experiment: Experiment, tmp_path: Path
) -> None:
    assert job.has_succeeded, job.error
    backend = make_backend(experiment, tmp_path)
    rows = tmp_path / "rows.jsonl"
    write_jsonl(rows, (example.to_json() for example in examples()))
    tuning = experiment.tuning.model_copy(
        update={"epochs": 3, "adapter_size": 4, "learning_rate_multiplier": 1.0}
    )
    backend.setup(quiet)
    backend.submit(TuningJob("direct", rows, rows, tuning, SEED))
    while (status := backend.find("direct")) and status.state in ("queued", "running"):
        time.sleep(0.1)
    direct = backend.result("direct")
    try:
        assert _curves(running) == {
            (f"/{point.name}", point.step): point.value for point in direct.curves
        }
        asked = [
            Request(str(n), (Turn("user", text),), "Name the animal.")
            for n, text in enumerate(ASKED)
        ]
        generation = Generation(max_tokens=8)
        last = {
            int(said.id): said.text
            for said in backend.generate(direct.checkpoints[-1], asked, generation)
        }
        base = {int(s.id): s.text for s in backend.generate(None, asked, generation)}
        assert _answers(running, job.tuned_model.endpoint) == [last[n] for n in range(len(ASKED))]
        where = "gemini-3.1-flash-lite"
        assert _answers(running, where) == [base[n] for n in range(len(ASKED))]
        assert last != base
    finally:
        backend.close()


def _curves(emulator: Emulator) -> dict[tuple[str, int], float]:
    registry = emulator.service.registry
    return {
        (one.body["displayName"], step): value
        for one in registry.all("timeSeries")
        for step, value, _ in registry.points(one.name)
    }


def _answers(emulator: Emulator, model: str) -> list[str]:
    """All questions at once, one call each."""
    ask = client(emulator, "us")
    config = {"temperature": 0, "max_output_tokens": 8, "system_instruction": "Name the animal."}

    def one(text: str) -> str:
        reply = ask.models.generate_content(model=model, contents=text, config=config)
        return reply.text or ""

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, ASKED))


def test_tokens_are_the_models_own(job: types.TuningJob, running: Emulator) -> None:
    counts = running.service.trainer.tokens(list(examples()))
    stats = job.tuning_data_stats.supervised_tuning_data_stats
    assert stats.total_billable_token_count == 3 * sum(map(sum, counts))
    counted = client(running, "us").models.count_tokens(
        model="gemini-3.1-flash-lite", contents="Number 0 meows softly"
    )
    assert counted.total_tokens < counts[0][0]


def test_a_real_job_can_be_cancelled(running: Emulator) -> None:
    uri = upload(running, list(animals()))
    job, ask = tune(running, uri, epoch_count=100), client(running)
    while not (ask.tunings.get(name=job.name).tuning_job_metadata):
        time.sleep(0.05)
    assert len(_answers(running, "gemini-3.1-flash-lite")) == len(ASKED)
    assert ask.tunings.get(name=job.name).state == types.JobState.JOB_STATE_RUNNING
    ask.tunings.cancel(name=job.name)
    assert wait(running, job).state == types.JobState.JOB_STATE_CANCELLED


def test_rows_longer_than_the_open_model_takes_are_dropped(
    running: Emulator, experiment: Experiment
) -> None:
    rows = list(animals())
    rows[6]["contents"][0]["parts"][0]["text"] = "x" * (experiment.model.context_tokens + 1)
    job = wait(running, tune(running, upload(running, rows), epoch_count=1), 120)
    stats = job.tuning_data_stats.supervised_tuning_data_stats
    assert job.has_succeeded, job.error
    assert [int(number) for number in stats.truncated_example_indices] == [7]


def test_what_only_a_script_can_do_is_refused_in_words(running: Emulator) -> None:
    answers = [
        {"score": score, "completion": {"role": "model", "parts": [{"text": "x"}]}}
        for score in (0, 1)
    ]
    content = {"role": "user", "parts": [{"text": "q"}]}
    uri = upload(running, json.dumps({"contents": [content], "completions": answers}))
    model = "gemini-2.5-flash"
    job = wait(running, tune(running, uri, base_model=model, method="PREFERENCE_TUNING"))
    assert job.state == types.JobState.JOB_STATE_FAILED
    assert "with a script only" in job.error.message
