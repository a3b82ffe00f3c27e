"""What the service refuses, with its own error payloads."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from google.genai import errors, types

from runner.emulator import Emulator
from tests.emulator.asking import (
    MODEL,
    PLACE,
    ROWS,
    animals,
    client,
    fields,
    raw,
    row,
    tune,
    tuned,
    upload,
    wait,
)

SPEC = {"trainingDatasetUri": ROWS}
BODY = {"baseModel": MODEL, "supervisedTuningSpec": SPEC}


def refused(emulator: Emulator, body: Any, path: str = f"{PLACE}/tuningJobs") -> dict[str, Any]:
    """The 400 for a body; nothing was created."""
    status, reply, _ = raw(emulator, "POST", path, body)
    assert status == 400, reply
    assert reply["error"]["code"] == 400
    assert reply["error"]["status"] == "INVALID_ARGUMENT"
    assert emulator.overview()["jobs"] == []
    return reply


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**BODY, "colour": "red"}, "tuning_job"),
        ({**BODY, "tunedModelDisplayName": 7}, "tuning_job.tuned_model_display_name"),
        ({**BODY, "state": "JOB_STATE_QUEUED"}, "tuning_job.state"),
        ({**BODY, "labels": {"a": 1}}, "tuning_job.labels[a]"),
        ({**BODY, "labels": ["a"]}, "tuning_job.labels"),
        ({"baseModel": MODEL, "supervisedTuningSpec": []}, "tuning_job.supervised_tuning_spec"),
        (
            {"baseModel": MODEL, "supervisedTuningSpec": {}},
            "tuning_job.supervised_tuning_spec.training_dataset_uri",
        ),
        ({**BODY, "preTunedModel": {"tunedModelName": "x"}}, "tuning_job.pre_tuned_model"),
        (
            {**BODY, "preferenceOptimizationSpec": SPEC},
            "tuning_job.preference_optimization_spec",
        ),
        (
            {
                "baseModel": MODEL,
                "supervisedTuningSpec": {**SPEC, "hyperParameters": {"epochs": 3}},
            },
            "tuning_job.supervised_tuning_spec.hyper_parameters",
        ),
    ],
)
def test_the_schema_is_held(emulator: Emulator, body: dict[str, Any], field: str) -> None:
    upload(emulator, list(animals()))
    assert fields(refused(emulator, body)) == [field]
    (violation,) = emulator.overview()["violations"]
    assert violation["field"] == field
    assert violation["request"] == f"POST /{PLACE}/tuningJobs"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochCount", 1.5),
        ("epochCount", "three"),
        ("epochCount", 2**63),
        ("epochCount", True),
        ("adapterSize", "ADAPTER_SIZE_SIX"),
        ("adapterSize", 99),
        ("learningRateMultiplier", "fast"),
        ("learningRateMultiplier", [1]),
    ],
)
def test_values_have_types(emulator: Emulator, name: str, value: Any) -> None:
    spec = {**SPEC, "hyperParameters": {name: value}}
    reply = refused(emulator, {"baseModel": MODEL, "supervisedTuningSpec": spec})
    (field,) = fields(reply)
    assert field.startswith("tuning_job.supervised_tuning_spec.hyper_parameters.")
    assert emulator.overview()["violations"]


def test_camel_and_snake_case_numbers_and_texts_are_one(emulator: Emulator) -> None:
    upload(emulator, list(animals()))
    bodies = [
        {**BODY, "supervisedTuningSpec": {**SPEC, "hyperParameters": {"epochCount": "2"}}},
        {
            "base_model": f"publishers/google/models/{MODEL}",
            "supervised_tuning_spec": {
                "training_dataset_uri": ROWS,
                "hyper_parameters": {"epoch_count": 2, "adapter_size": 3},
            },
        },
    ]
    for version in ("v1", "v1beta1"):
        for body in bodies:
            path = f"{version}/projects/lab/locations/us-central1/tuningJobs"
            status, reply, _ = raw(emulator, "POST", path, body)
            assert status == 200, reply
            assert reply["supervisedTuningSpec"]["hyperParameters"]["epochCount"] == "2"
            assert "tuningJobState" not in reply or version == "v1beta1"
    assert emulator.overview()["violations"] == []


def test_all_faults_are_told_at_once(emulator: Emulator) -> None:
    labels = {"Loud": "x"}
    spec = {
        "trainingDatasetUri": "gs://sft-emulator/no.jsonl",
        "hyperParameters": {"epochCount": 0},
    }
    body = {"baseModel": MODEL, "supervisedTuningSpec": spec, "labels": labels}
    assert fields(refused(emulator, body)) == [
        "tuning_job.labels",
        "tuning_job.supervised_tuning_spec.hyper_parameters.epoch_count",
        "tuning_job.supervised_tuning_spec.training_dataset_uri",
    ]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://example.com/rows.jsonl", "has to begin with gs://"),
        ("gs://sft-emulator/missing.jsonl", "does not exist"),
        ("gs://sft-emulator/rows.csv", "should be a GCS object of type JSONL"),
        ("gs://sft-emulator/table.jsonl", "should be a GCS object of type JSONL"),
    ],
)
def test_data_has_to_be_jsonl_in_storage(emulator: Emulator, uri: str, said: str) -> None:
    upload(emulator, "a,b\n1,2\n", "gs://sft-emulator/table.jsonl")
    upload(emulator, "a,b\n1,2\n", "gs://sft-emulator/rows.csv")
    reply = refused(
        emulator, {"baseModel": MODEL, "supervisedTuningSpec": {"trainingDatasetUri": uri}}
    )
    assert said in reply["error"]["message"]


@pytest.mark.parametrize(
    ("model", "size", "location", "said"),
    [
        (MODEL, 32, "us-central1", "The adapter size is not supported for this base model."),
        ("gemini-2.5-pro", 16, "us-central1", "The adapter size is not supported"),
        (MODEL, 4, "asia-east1", "is not supported in location asia-east1"),
    ],
)
def test_models_have_limits(
    emulator: Emulator, model: str, size: int, location: str, said: str
) -> None:
    upload(emulator, list(animals()))
    names = {32: "THIRTY_TWO", 16: "SIXTEEN", 4: "FOUR"}
    spec = {**SPEC, "hyperParameters": {"adapterSize": f"ADAPTER_SIZE_{names[size]}"}}
    path = f"v1/projects/lab/locations/{location}/tuningJobs"
    reply = refused(emulator, {"baseModel": model, "supervisedTuningSpec": spec}, path)
    assert said in reply["error"]["message"]


def test_newer_models_have_no_preference_tuning(emulator: Emulator) -> None:
    upload(emulator, list(animals()))
    reply = refused(emulator, {"baseModel": MODEL, "preferenceOptimizationSpec": SPEC})
    assert "is not supported for preference tuning" in reply["error"]["message"]


def test_encryption_keys_are_refused_where_they_do_not_work(emulator: Emulator) -> None:
    upload(emulator, list(animals()))
    reply = refused(emulator, {**BODY, "encryptionSpec": {"kmsKeyName": "projects/p/k"}})
    assert fields(reply) == ["tuning_job.encryption_spec"]


def test_unknown_models_methods_and_paths_are_not_found(emulator: Emulator) -> None:
    upload(emulator, list(animals()))
    assert raw(emulator, "POST", f"{PLACE}/tuningJobs", {**BODY, "baseModel": "gpt"})[0] == 404
    assert raw(emulator, "GET", f"{PLACE}/tuningJobs/1")[0] == 404
    assert emulator.overview()["violations"] == []
    for verb, path in (
        ("DELETE", f"{PLACE}/tuningJobs/1"),
        ("PATCH", f"{PLACE}/tuningJobs/1"),
        ("GET", f"{PLACE}/tuningjobs"),
        ("POST", f"{PLACE}/tuningJobs/1:stop"),
        ("GET", "v2/projects/lab/locations/us-central1/tuningJobs"),
    ):
        status, reply, _ = raw(emulator, verb, path)
        assert (status, reply["error"]["status"]) == (404, "NOT_FOUND")
    assert len(emulator.overview()["violations"]) == 5


def test_unknown_query_parameters_are_refused(emulator: Emulator) -> None:
    assert raw(emulator, "GET", f"{PLACE}/tuningJobs?page_sise=3")[0] == 400
    (violation,) = emulator.overview()["violations"]
    assert violation["field"] == "page_sise"


@pytest.mark.parametrize("text", ["labels.a=", "= 1", "(state=X", "a=1 OR b=2"])
def test_filters_that_cannot_be_read_are_refused(emulator: Emulator, text: str) -> None:
    with pytest.raises(errors.ClientError, match="Invalid filter"):
        list(client(emulator).tunings.list(config={"filter": text}))


def test_a_method_that_is_not_emulated_says_so(emulator: Emulator) -> None:
    status, reply, _ = raw(emulator, "GET", f"{PLACE}/customJobs")
    assert (status, reply["error"]["status"]) == (501, "UNIMPLEMENTED")
    assert "this emulator does not have it" in reply["error"]["message"]


def test_a_wrong_field_in_a_clients_body_is_a_violation(emulator: Emulator) -> None:
    upload(emulator, list(animals()))
    options = types.HttpOptions(extra_body={"serviceAcount": "a@b"})
    with pytest.raises(errors.ClientError, match="serviceAcount"):
        tune(emulator, http_options=options)
    assert emulator.overview()["violations"]
    good = types.HttpOptions(extra_body={"serviceAccount": "a@b"})
    assert tune(emulator, http_options=good).name


def test_newer_models_answer_in_multi_regions_only(emulator: Emulator) -> None:
    for location in ("us", "eu", "global"):
        assert client(emulator, location).models.generate_content(model=MODEL, contents="x").text
    with pytest.raises(errors.ClientError, match="404"):
        client(emulator, "us-central1").models.generate_content(model=MODEL, contents="x")
    older = "gemini-2.5-flash"
    assert client(emulator, "us-central1").models.generate_content(model=older, contents="x").text
    endpoint = tuned(emulator).tuned_model.endpoint
    assert "/locations/us/" in endpoint
    elsewhere = endpoint.replace("/us/", "/us-central1/")
    with pytest.raises(errors.ClientError, match="404"):
        client(emulator).models.generate_content(model=elsewhere, contents="x")


@pytest.mark.parametrize(
    ("model", "thinking", "good"),
    [
        (MODEL, {"thinkingLevel": "MINIMAL"}, True),
        (MODEL, {"thinkingLevel": "MINIMAL", "thinkingBudget": 0}, False),
        ("gemini-2.5-flash", {"thinkingBudget": 0}, True),
        ("gemini-2.5-flash", {"thinkingLevel": "LOW"}, False),
        ("gemini-2.5-pro", {"thinkingBudget": 0}, False),
        ("gemini-2.5-pro", {"thinkingBudget": 128}, True),
    ],
)
def test_thinking_has_rules(
    emulator: Emulator, model: str, thinking: dict[str, Any], good: bool
) -> None:
    path = f"v1/projects/lab/locations/global/publishers/google/models/{model}:generateContent"
    contents = [{"role": "user", "parts": [{"text": "x"}]}]
    body = {"contents": contents, "generationConfig": {"thinkingConfig": thinking}}
    assert raw(emulator, "POST", path, body)[0] == (200 if good else 400)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"contents": []},
        {"contents": [{"role": "user", "parts": []}]},
        {"contents": [{"role": "user", "parts": {"text": "x"}}]},
        {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]},
        {"contents": [{"role": "model", "parts": [{"text": "x"}]}]},
        {"contents": [{"parts": [{"text": "x", "functionCall": {"name": "f"}}]}]},
        {"contents": [{"parts": [{"text": "x"}]}], "messages": []},
    ],
)
def test_prompts_have_a_form(emulator: Emulator, body: dict[str, Any]) -> None:
    path = f"v1/projects/lab/locations/us/publishers/google/models/{MODEL}:generateContent"
    assert raw(emulator, "POST", path, body)[0] == 400


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ('{"messages": []}', "messages"),
        ('{"contents": [', "not JSON"),
        ("[1]", "a JSON object"),
        (json.dumps({"contents": row("q", "a")["contents"][:1]}), "the last turn has to be model"),
        (
            json.dumps({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}),
            "unrecognized_role",
        ),
        (json.dumps({**row("q", "a"), "labels": {"a": "b"}}), "no meaning in a tuning row"),
        (
            json.dumps({"contents": [*row("q", "a")["contents"], *row("q", "a")["contents"][1:]]}),
            "consecutive_turns",
        ),
    ],
)
def test_bad_rows_fail_the_job_by_line(emulator: Emulator, bad: str, said: str) -> None:
    good = [json.dumps(one) for one in animals(4)]
    uri = upload(emulator, "\n".join([*good[:2], bad, *good[2:]]))
    job = wait(emulator, tune(emulator, uri))
    assert job.state == types.JobState.JOB_STATE_FAILED
    assert job.error.code == 3
    assert "line 3" in job.error.message
    assert said in job.error.message


def test_long_rows_are_dropped_and_not_billed(emulator: Emulator) -> None:
    rows = list(animals())
    rows[4] = row("x" * 600_000, "cat")
    job = wait(emulator, tune(emulator, upload(emulator, rows)))
    stats = job.tuning_data_stats.supervised_tuning_data_stats
    assert job.has_succeeded
    assert [int(number) for number in stats.truncated_example_indices] == [5]
    assert "131072" in stats.dropped_example_reasons[0]
    assert stats.tuning_dataset_example_count == 23
    assert stats.total_billable_token_count < 3 * 150_000 / 2


@pytest.mark.parametrize("sent", [b"", b'{"contents"'])
def test_a_client_that_dies_in_a_request_breaks_no_rule(emulator: Emulator, sent: bytes) -> None:
    place = urlsplit(emulator.url)
    path = f"/v1beta1/{PLACE}/endpoints/1:generateContent"
    with socket.create_connection((place.hostname, place.port)) as line:
        head = f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 90\r\n\r\n"
        line.sendall(head.encode() + sent)
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b""  # the server has seen it and hung up
    (entry,) = emulator.overview()["requests"]
    assert (entry["status"], entry["note"]) == (0, f"{len(sent)} of 90 bytes of the request came")
    assert emulator.overview()["violations"] == []
