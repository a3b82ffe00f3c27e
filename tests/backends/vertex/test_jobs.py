"""A tuning job from its request to what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.backends.vertex.jobs import STATES, state_of, statistics
from runner.backends.vertex.result import links_of
from runner.base.errors import BackendError
from runner.config import TunedModel
from runner.emulator import Emulator
from runner.records import Generation, Request, Turn, quiet
from tests.backends.vertex.asking import backend
from tests.backends.vertex.jobs import Watch, jobs, tuning_job, vertex
from tests.backends.vertex.recording import recorded

FLASH = "gemini-2.5-flash"


def created(emulator: Emulator, job: Any, name: str = FLASH, **settings: Any) -> dict[str, Any]:
    """The body of the create call."""
    with recorded(emulator.url) as recording:
        chosen = vertex(emulator, name, **{"emulator": recording.url, **settings})
        chosen.submit(job)
        (body,) = [body for path, body in recording.bodies if path.endswith("/tuningJobs")]
    return body


def test_what_is_asked_for(emulator: Emulator, tmp_path: Path) -> None:
    body = created(emulator, tuning_job(tmp_path), labels={"team": "mail"})
    spec = body["supervisedTuningSpec"]
    assert body["baseModel"] == FLASH
    assert spec["hyperParameters"] == {
        "epochCount": 3,
        "learningRateMultiplier": 1.0,
        "adapterSize": "ADAPTER_SIZE_FOUR",
    }
    assert spec["trainingDatasetUri"].startswith("gs://sft-emulator/tests/")
    assert spec["validationDatasetUri"] != spec["trainingDatasetUri"]
    assert body["labels"] == {
        "team": "mail",
        "sft-arm": "a1",
        "sft-experiment": "my-experiment--1",
        "sft-seed": "11",
    }
    assert not {"serviceAccount", "encryptionSpec", "preTunedModel"} & set(body)


def test_what_is_null_is_not_sent(emulator: Emulator, tmp_path: Path) -> None:
    job = tuning_job(tmp_path, epochs=None, learning_rate_multiplier=None, adapter_size=None)
    assert not created(emulator, job)["supervisedTuningSpec"].get("hyperParameters")


def test_a_service_account_and_a_key(emulator: Emulator, tmp_path: Path) -> None:
    key = "projects/p/locations/us-central1/keyRings/r/cryptoKeys/k"
    account = "tuner@p.iam.gserviceaccount.com"
    body = created(emulator, tuning_job(tmp_path), service_account=account, kms_key=key)
    assert body["serviceAccount"] == account
    spec = body["encryptionSpec"]
    assert spec.get("kmsKeyName", spec.get("kms_key_name")) == key


def test_the_last_checkpoint_only(emulator: Emulator, tmp_path: Path) -> None:
    chosen = vertex(emulator, FLASH, last_checkpoint_only=True)
    (one,) = Watch().run(chosen, tuning_job(tmp_path)).checkpoints
    assert (one.epoch, one.path.partition("/locations/")[0][:9]) == (3.0, "projects/")


def test_preference_tuning(emulator: Emulator, tmp_path: Path) -> None:
    job = tuning_job(tmp_path, method="preference", beta=0.2)
    result = Watch().run(vertex(emulator, FLASH), job)
    assert len(result.checkpoints) == 3
    assert result.train_examples == 20
    assert result.resolved["beta"] == pytest.approx(0.2)


def test_tuning_goes_on_from_a_checkpoint(emulator: Emulator, tmp_path: Path) -> None:
    first = Watch().run(vertex(emulator, FLASH), tuning_job(tmp_path))
    (model,) = [item.name for item in first.resources if item.kind == "model"]
    start = TunedModel(model=model, checkpoint="2")
    body = created(emulator, tuning_job(tmp_path, label="b2", start_from=start))
    assert "baseModel" not in body
    source = body["preTunedModel"]
    assert source.get("tunedModelName", source.get("tuned_model_name")) == model
    assert source.get("checkpointId", source.get("checkpoint_id")) == "2"


def test_what_a_job_leaves(emulator: Emulator, tmp_path: Path) -> None:
    watch = Watch()
    result = watch.run(vertex(emulator), tuning_job(tmp_path))
    assert [(one.id, one.epoch) for one in result.checkpoints] == [("1", 1), ("2", 2), ("3", 3)]
    losses = {p.step: p.value for p in result.curves if p.name == "eval_total_loss"}
    assert [one.eval_loss for one in result.checkpoints] == [
        losses[one.step] for one in result.checkpoints
    ]
    assert result.billable_tokens == 3 * result.train_tokens > 0
    assert result.train_examples == 20
    assert [item.kind for item in result.resources] == [
        *("object", "object", "endpoint", "endpoint", "endpoint", "model", "experiment")
    ]
    assert {point.name for point in watch.points} == {
        f"{split}_{name}"
        for split in ("train", "eval")
        for name in ("total_loss", "fraction_of_correct_next_step_preds", "num_predictions")
    }
    assert sorted((p.name, p.step) for p in watch.points) == sorted(
        (p.name, p.step) for p in result.curves
    )
    assert max(point.epoch for point in result.curves) == 3.0


def test_without_validation_there_is_no_validation_curve(
    emulator: Emulator, tmp_path: Path
) -> None:
    from dataclasses import replace

    result = Watch().run(vertex(emulator), replace(tuning_job(tmp_path), validation=None))
    assert not any(point.name.startswith("eval_") for point in result.curves)
    assert all(one.eval_loss != one.eval_loss for one in result.checkpoints)


def test_a_checkpoint_answers(emulator: Emulator, tmp_path: Path) -> None:
    chosen = vertex(emulator)
    last = Watch().run(chosen, tuning_job(tmp_path)).checkpoints[-1]
    ask = [Request("r", (Turn("user", "train question 1"),), "Answer.")]
    (found,) = chosen.generate(last, ask, Generation(8, 0.0, 0, ()))
    assert found.error == ""


def test_one_label_is_one_job(emulator: Emulator, tmp_path: Path) -> None:
    for _ in range(3):
        watch = Watch()
        watch.run(vertex(emulator), tuning_job(tmp_path))
    assert watch.intents == 0
    assert len(jobs(emulator)) == 1


def test_setup_finds_a_missing_bucket(emulator: Emulator) -> None:
    vertex(emulator).setup(quiet)
    with pytest.raises(BackendError, match="gs://nowhere"):
        vertex(emulator, bucket="gs://nowhere").setup(quiet)


def test_identity_knows_no_project_and_no_port_but_what_is_no_real_service(
    emulator: Emulator,
) -> None:
    here = vertex(emulator).identity()
    assert here == vertex(emulator, project="q", emulator="http://127.0.0.1:1").identity()
    assert here != vertex(emulator, emulator=None).identity()
    assert here != vertex(emulator, thinking="default").identity()
    assert here != vertex(emulator, FLASH).identity()


def test_every_state_is_known() -> None:
    from google.genai import types

    assert {state.value for state in types.JobState} == set(STATES)
    assert state_of({"state": "JOB_STATE_OF_TOMORROW"}) == "running"


def test_samples_of_rows_are_stripped() -> None:
    raw = {"totalBillableTokenCount": "7", "userDatasetExamples": [{"parts": [{"text": "s"}]}]}
    found = statistics({"tuningDataStats": {"supervisedTuningDataStats": raw}})
    assert found == {"totalBillableTokenCount": "7"}


def test_links_lead_to_the_console_of_the_real_service_only(emulator: Emulator) -> None:
    place = "projects/7/locations/us-central1"
    job = {"name": f"{place}/tuningJobs/5", "experiment": f"{place}/metadataStores/d/contexts/e"}
    assert links_of(job, backend(emulator)) == {}
    found = links_of(job, backend(emulator, emulator=None))
    assert found["console"].endswith("locations/us-central1/tuning/tuningJob/5?project=p")
    assert found["tensorboard"].endswith("/experiments/e/runs?project=p")
