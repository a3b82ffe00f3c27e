"""The official clients, pointed at an emulator, and rows to tune on."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from google import genai
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.genai import types
from google.oauth2.credentials import Credentials

from runner.emulator import Emulator

MODEL = "gemini-3.1-flash-lite"
ROWS = "gs://sft-emulator/rows.jsonl"
ENDED = {
    "JOB_STATE_SUCCEEDED",
    "JOB_STATE_FAILED",
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
}
PLACE = "v1beta1/projects/lab/locations/us-central1"


def client(emulator: Emulator, location: str = "us-central1") -> genai.Client:
    """google-genai, one client a place."""
    return _client(emulator.url, location)


@cache
def _client(url: str, location: str) -> genai.Client:
    return genai.Client(
        vertexai=True,
        project="lab",
        location=location,
        credentials=Credentials(token="x"),
        http_options=types.HttpOptions(base_url=url),
    )


def gapic(emulator: Emulator) -> dict[str, Any]:
    """What google-cloud-aiplatform's clients are made with."""
    return {
        "transport": "rest",
        "client_options": ClientOptions(api_endpoint=emulator.url),
        "credentials": AnonymousCredentials(),
    }


def objects(emulator: Emulator) -> storage.Client:
    """google-cloud-storage."""
    options = {"api_endpoint": emulator.storage.url}
    return storage.Client("lab", AnonymousCredentials(), client_options=options)


def row(question: str, answer: str, system: str = "Name the animal.") -> dict[str, Any]:
    """A tuning row."""
    return {
        "systemInstruction": {"role": "system", "parts": [{"text": system}]},
        "contents": [
            {"role": "user", "parts": [{"text": question}]},
            {"role": "model", "parts": [{"text": answer}]},
        ],
    }


def animals(count: int = 24) -> Iterator[dict[str, Any]]:
    """Rows of three kinds."""
    sounds = {"cat": "meows softly", "dog": "barks loudly", "bird": "sings early"}
    for number in range(count):
        name = list(sounds)[number % 3]
        yield row(f"Number {number} {sounds[name]}", name)


def upload(emulator: Emulator, rows: Sequence[dict[str, Any]] | str, uri: str = ROWS) -> str:
    """Put rows into Cloud Storage, with the official client."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    text = rows if isinstance(rows, str) else "\n".join(map(json.dumps, rows))
    objects(emulator).bucket(bucket).blob(name).upload_from_string(text)
    return uri


def tune(emulator: Emulator, uri: str = ROWS, **config: Any) -> types.TuningJob:
    """Create a tuning job."""
    return create(client(emulator), uri, **config)


def create(ask: genai.Client, uri: str = ROWS, **config: Any) -> types.TuningJob:
    """Create a tuning job with this client."""
    base = config.pop("base_model", MODEL)
    settings = types.CreateTuningJobConfig(
        **{"epoch_count": 3, "adapter_size": 4, **_sized(config)}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK calls tuning experimental
        data = types.TuningDataset(gcs_uri=uri)
        return ask.tunings.tune(base_model=base, training_dataset=data, config=settings)


def _sized(config: dict[str, Any]) -> dict[str, Any]:
    names = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}
    size = config.get("adapter_size", 4)
    return {**config, "adapter_size": size and f"ADAPTER_SIZE_{names[size]}"}


def wait(emulator: Emulator, job: types.TuningJob, seconds: float = 60) -> types.TuningJob:
    """The job once it has ended."""
    ask, deadline = client(emulator), time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = ask.tunings.get(name=job.name)
        if job.state.value in ENDED:
            return job
        time.sleep(0.02)
    raise AssertionError(f"{job.name} is still {job.state}")


def tuned(emulator: Emulator, **config: Any) -> types.TuningJob:
    """A job that has ended, on the animals."""
    rows = upload(emulator, list(animals()))
    validation = types.TuningValidationDataset(gcs_uri=rows)
    return wait(emulator, tune(emulator, rows, **{"validation_dataset": validation, **config}))


def raw(
    emulator: Emulator, verb: str, path: str, body: Any = None
) -> tuple[int, dict[str, Any], Any]:
    """Status, reply and headers of a plain HTTP request."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{emulator.url}/{path}", content, method=verb)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read()), reply.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers


def fields(reply: dict[str, Any]) -> list[str]:
    """The fields that an error payload names."""
    (detail,) = reply["error"]["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    return [violation["field"] for violation in detail["fieldViolations"]]
