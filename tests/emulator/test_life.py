"""A tuning job from its creation to its tuned model's deletion, through the official clients."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from google.cloud import aiplatform_v1 as vertex
from google.genai import types

from runner.emulator import Emulator
from runner.emulator.trainer import Script
from tests.emulator.asking import (
    MODEL,
    ROWS,
    animals,
    client,
    create,
    gapic,
    objects,
    raw,
    tune,
    tuned,
    upload,
    wait,
)


def test_a_job_runs_to_its_end(emulator: Emulator) -> None:
    job = tuned(emulator, labels={"sft-arm": "a1"}, tuned_model_display_name="animals")
    assert job.state == types.JobState.JOB_STATE_SUCCEEDED
    assert job.error is None
    assert job.tuned_model_display_name == "animals"
    assert job.create_time < job.start_time < job.end_time
    asked = job.supervised_tuning_spec.hyper_parameters
    assert (asked.epoch_count, asked.learning_rate_multiplier) == (3, 1.0)
    assert asked.adapter_size == types.AdapterSize.ADAPTER_SIZE_FOUR
    assert [one.epoch for one in job.tuned_model.checkpoints] == [1, 2, 3]
    assert job.tuned_model.endpoint == job.tuned_model.checkpoints[-1].endpoint
    assert job.tuning_job_metadata.completed_epoch_count == 3
    assert emulator.overview()["violations"] == []


def test_statistics_are_true(emulator: Emulator) -> None:
    job = tuned(emulator)
    stats = job.tuning_data_stats.supervised_tuning_data_stats
    rows = list(animals())
    said = [
        (row["systemInstruction"]["parts"][0]["text"], row["contents"][0]["parts"][0]["text"])
        for row in rows
    ]
    asked = sum(math.ceil(len(a) / 4) + math.ceil(len(b) / 4) for a, b in said)
    answered = len(rows)  # each answer is one token
    assert stats.tuning_dataset_example_count == len(rows)
    assert stats.user_input_token_distribution.sum == asked
    assert stats.user_output_token_distribution.sum == answered
    assert stats.total_billable_token_count == 3 * (asked + answered)
    assert stats.tuning_step_count == job.tuned_model.checkpoints[-1].step
    assert stats.total_truncated_example_count == 0


def test_states_come_in_order() -> None:
    seen: list[str] = []
    names = ("queue", "dataset", "capacity", "tuning", "deploy")
    script = Script(**{f"{name}_seconds": 400 for name in names})
    with Emulator(speed=1_000, script=script) as emulator:
        upload(emulator, list(animals()))
        first, second = tune(emulator), tune(emulator)
        assert second.state == types.JobState.JOB_STATE_QUEUED
        assert second.tuning_job_state.value == "TUNING_JOB_STATE_WAITING_FOR_QUOTA"
        ask = client(emulator)
        while not (job := ask.tunings.get(name=first.name)).has_ended:
            seen.append((job.tuning_job_state or job.state).value)
            time.sleep(0.005)
        assert wait(emulator, second).start_time >= job.end_time
    order = {
        "JOB_STATE_PENDING": 0,
        "TUNING_JOB_STATE_PROCESSING_DATASET": 1,
        "TUNING_JOB_STATE_WAITING_FOR_CAPACITY": 2,
        "TUNING_JOB_STATE_TUNING": 3,
        "TUNING_JOB_STATE_POST_PROCESSING": 4,
    }
    places = [order[name] for name in seen]
    assert places == sorted(places)
    assert set(places) == set(order.values())


def test_jobs_are_found_by_label_and_by_page(emulator: Emulator) -> None:
    upload(emulator, list(animals()))
    made = [
        tune(emulator, labels={"sft-arm": f"arm{n % 2}", "sft-seed": "17"}).name for n in range(5)
    ]
    ask = client(emulator)

    def names(text: str, size: int = 2) -> list[str]:
        config = types.ListTuningJobsConfig(filter=text, page_size=size)
        return [job.name for job in ask.tunings.list(config=config)]

    assert names('labels.sft-arm="arm1"') == [made[3], made[1]]
    assert names("labels.sft-arm=arm0 AND labels.sft-seed:*") == [made[4], made[2], made[0]]
    assert names("NOT labels.sft-arm=arm0") == [made[3], made[1]]
    assert names("labels.other:*") == []
    assert names("", size=3) == made[::-1]
    elsewhere = client(emulator, "europe-west4")
    assert list(elsewhere.tunings.list()) == []


def test_cancel_ends_running_and_waiting_jobs() -> None:
    with Emulator(speed=50) as emulator:
        upload(emulator, list(animals()))
        running, waiting = tune(emulator), tune(emulator)
        ask = client(emulator)
        while ask.tunings.get(name=running.name).state.value != "JOB_STATE_RUNNING":
            time.sleep(0.01)
        for job in (waiting, running):
            ask.tunings.cancel(name=job.name)
            ended = wait(emulator, job)
            assert ended.state == types.JobState.JOB_STATE_CANCELLED
            assert ended.error.code == 1
        ask.tunings.cancel(name=running.name)
        assert wait(emulator, running).state == types.JobState.JOB_STATE_CANCELLED


def test_checkpoints_get_better_and_stay_the_same(emulator: Emulator) -> None:
    job = tuned(emulator, epoch_count=8)
    ask = client(emulator, "us")
    right = []
    for checkpoint in job.tuned_model.checkpoints:
        said = [
            ask.models.generate_content(
                model=checkpoint.endpoint,
                contents=f"Something {sound} number {number}",
                config={"temperature": 0, "max_output_tokens": 8},
            ).text
            == name
            for number in range(12)
            for name, sound in (("cat", "meows"), ("dog", "barks"))
        ]
        right.append(said)
    totals = [sum(said) for said in right]
    assert totals == sorted(totals)
    assert totals[-1] > totals[0]
    for worse, better in pairwise(right):
        assert all(b >= a for a, b in zip(worse, better, strict=True))


def test_base_models_answer_and_count(emulator: Emulator) -> None:
    ask = client(emulator, "global")
    reply = ask.models.generate_content(
        model=MODEL, contents="one two", config={"max_output_tokens": 1, "stop_sequences": ["#"]}
    )
    assert reply.text == "one "
    assert reply.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert reply.usage_metadata.total_token_count == 3
    assert reply.model_version == MODEL
    assert ask.models.count_tokens(model=MODEL, contents="12345678").total_tokens == 2


def test_function_calls_come_back_as_calls(emulator: Emulator) -> None:
    declared = {"name": "light", "parameters": {"type": "OBJECT"}}
    tools = [{"functionDeclarations": [declared]}]
    answer = {"functionCall": {"name": "light", "args": {"on": True}}}
    rows = [
        {
            "contents": [
                {"role": "user", "parts": [{"text": f"light number {n} on"}]},
                {"role": "model", "parts": [answer]},
            ],
            "tools": tools,
        }
        for n in range(4)
    ]
    job = wait(emulator, tune(emulator, upload(emulator, rows)))
    reply = client(emulator).models.generate_content(
        model=job.tuned_model.endpoint,
        contents="light number 2 on",
        config={"tools": [types.Tool(function_declarations=[declared])]},
    )
    assert reply.function_calls[0].name == "light"
    assert reply.function_calls[0].args == {"on": True}


def test_curves_are_read_through_tensorboard(emulator: Emulator) -> None:
    job = tuned(emulator)
    context = vertex.MetadataServiceClient(**gapic(emulator)).get_context(name=job.experiment)
    board = dict(context.metadata)["backing_tensorboard_resource"]
    reader = vertex.TensorboardServiceClient(**gapic(emulator))
    parent = f"{board}/experiments/{job.experiment.rpartition('/')[2]}"
    (run,) = reader.list_tensorboard_runs(parent=parent)
    series = list(reader.list_tensorboard_time_series(parent=run.name))
    kinds = ("total_loss", "fraction_of_correct_next_step_preds", "num_predictions")
    wanted = {f"/{split}_{kind}" for split in ("train", "eval") for kind in kinds}
    assert {one.display_name for one in series} == wanted
    steps = 3 * math.ceil(24 / 8)
    loss = next(one for one in series if one.display_name == "/train_total_loss")
    assert loss.metadata.max_step == steps
    request = {"tensorboard_time_series": loss.name, "max_data_points": -1}
    data = reader.read_tensorboard_time_series_data(request=request).time_series_data
    values = [point.scalar.value for point in data.values]
    assert [point.step for point in data.values] == list(range(1, steps + 1))
    assert values[0] > values[-1] > 0
    batch = {"tensorboard": board, "time_series": [one.name for one in series]}
    read = reader.batch_read_tensorboard_time_series_data(request=batch).time_series_data
    assert len(read) == len(series)
    assert emulator.overview()["violations"] == []


def test_no_validation_set_means_no_eval_curves(emulator: Emulator) -> None:
    job = tuned(emulator, validation_dataset=None)
    names = {one.body["displayName"] for one in emulator.service.registry.all("timeSeries")}
    assert job.has_succeeded
    assert not [name for name in names if name.startswith("/eval_")]


def test_default_checkpoint_moves_and_things_are_deleted(emulator: Emulator) -> None:
    job, ask = tuned(emulator), client(emulator)
    name = job.tuned_model.model.partition("@")[0]
    changed = ask.models.update(model=name, config={"default_checkpoint_id": "2"})
    assert changed.default_checkpoint_id == "2"
    again = ask.tunings.get(name=job.name).tuned_model
    assert again.endpoint == job.tuned_model.checkpoints[1].endpoint
    assert [one.checkpoint_id for one in changed.checkpoints] == ["1", "2", "3"]
    (listed,) = client(emulator, "us").models.list(config={"query_base": False})
    assert listed.name == name

    endpoints = vertex.EndpointServiceClient(**gapic(emulator))
    status, reply, _ = raw(emulator, "DELETE", f"v1/{job.tuned_model.endpoint}")
    assert (status, reply["error"]["status"]) == (400, "FAILED_PRECONDITION")
    status, reply, _ = raw(emulator, "DELETE", f"v1/{name}")
    assert (status, reply["error"]["status"]) == (400, "FAILED_PRECONDITION")
    for checkpoint in job.tuned_model.checkpoints:
        deployed = endpoints.get_endpoint(name=checkpoint.endpoint).deployed_models[0]
        endpoints.undeploy_model(
            endpoint=checkpoint.endpoint, deployed_model_id=deployed.id, traffic_split={}
        ).result()
        endpoints.delete_endpoint(name=checkpoint.endpoint).result()
    ask.models.delete(model=name)
    assert raw(emulator, "GET", f"v1/{name}")[0] == 404
    assert emulator.overview()["violations"] == []


def test_last_checkpoint_only(emulator: Emulator) -> None:
    job = tuned(emulator, export_last_checkpoint_only=True)
    assert not job.tuned_model.checkpoints
    assert job.tuned_model.endpoint


def test_many_epochs_leave_ten_checkpoints(emulator: Emulator) -> None:
    job = tuned(emulator, epoch_count=25)
    epochs = [one.epoch for one in job.tuned_model.checkpoints]
    assert len(epochs) == 10
    assert epochs[-1] == 25


def test_open_hyperparameters_are_resolved(emulator: Emulator) -> None:
    job = tuned(emulator, epoch_count=None, adapter_size=None)
    found = job.supervised_tuning_spec.hyper_parameters
    assert (found.epoch_count, found.learning_rate_multiplier) == (40, 1.0)
    assert found.adapter_size == types.AdapterSize.ADAPTER_SIZE_TWO


def test_continuous_tuning_makes_a_new_version(emulator: Emulator) -> None:
    job = tuned(emulator, tuned_model_display_name="animals")
    name = job.tuned_model.model
    again = tuned(
        emulator,
        base_model=name,
        pre_tuned_model_checkpoint_id="2",
        tuned_model_display_name="animals",
    )
    assert again.has_succeeded
    assert again.pre_tuned_model.base_model == MODEL
    assert again.tuned_model.model == f"{name.partition('@')[0]}@2"
    other = tuned(emulator, base_model=name, tuned_model_display_name="other")
    assert other.tuned_model.model.partition("@")[0] != name.partition("@")[0]


def test_preference_tuning(emulator: Emulator) -> None:
    answers = [
        {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}
        for score, text in ((0, "worse"), (1, "better"))
    ]
    rows = [
        {
            "contents": [{"role": "user", "parts": [{"text": f"Question {n}"}]}],
            "completions": answers,
        }
        for n in range(8)
    ]
    uri = upload(emulator, rows)
    job = tune(emulator, uri, base_model="gemini-2.5-flash", method="PREFERENCE_TUNING", beta=0.1)
    ended = wait(emulator, job)
    assert ended.has_succeeded, ended.error
    stats = ended.tuning_data_stats.preference_optimization_data_stats
    assert stats.tuning_dataset_example_count == 8
    said = client(emulator).models.generate_content(
        model=ended.tuned_model.endpoint, contents="Question 3"
    )
    assert said.text == "better"


def test_state_survives_a_restart(tmp_path: Path) -> None:
    with Emulator(home=tmp_path, speed=200) as emulator:
        upload(emulator, list(animals()))
        job = tune(emulator, labels={"sft-arm": "a"})
        while emulator.overview()["jobs"][0]["state"] != "JOB_STATE_RUNNING":
            time.sleep(0.01)
    with Emulator(home=tmp_path) as emulator:
        ended = wait(emulator, job)
        assert ended.has_succeeded
        assert ended.labels == {"sft-arm": "a"}
        (blob,) = objects(emulator).list_blobs("sft-emulator")
        assert blob.name == ROWS.rpartition("/")[2]
        answer = client(emulator).models.generate_content(
            model=ended.tuned_model.endpoint, contents="Number 3 meows softly"
        )
        assert answer.text


def test_equal_seeds_give_equal_curves() -> None:
    read = []
    for _ in range(2):
        with Emulator(seed=5) as emulator:
            tuned(emulator)
            registry = emulator.service.registry
            read.append(
                [
                    (one.body["displayName"], [p[:2] for p in registry.points(one.name)])
                    for one in registry.all("timeSeries")
                ]
            )
    assert read[0] == read[1]


def test_racing_clients_get_jobs_of_their_own() -> None:
    with Emulator(quota=3) as emulator:
        upload(emulator, list(animals()))
        ask = client(emulator)
        with ThreadPoolExecutor(12) as pool:
            made = list(pool.map(lambda n: create(ask, labels={"n": str(n)}), range(24)))
        assert len({job.name for job in made}) == 24
        ended = [wait(emulator, job) for job in made]
        assert all(job.has_succeeded for job in ended)
        endpoints = [one.endpoint for job in ended for one in job.tuned_model.checkpoints]
        assert len(set(endpoints)) == 24 * 3
        moments = [(job.start_time, job.end_time) for job in ended]
        busiest = max(sum(a <= start < b for a, b in moments) for start, _ in moments)
        assert busiest <= 3
