"""Every error of Google's packages comes out as a sentence with a cure, never as a traceback."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import google.api_core.exceptions as api
import google.auth.exceptions as auth
import google.cloud.storage.exceptions as storage
import httpx
import pytest
import requests
from google.genai import errors as genai

from runner.backends.vertex.errors import ServiceError, foreign, service_error, translated
from runner.base.errors import BackendError, ConfigError, SftError

RESPONSE = {"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}


def classes() -> Iterator[type[Exception]]:
    """Every exception class that the SDKs and their HTTP clients define."""
    for module in (api, auth, storage, httpx, requests.exceptions, genai):
        for _, found in inspect.getmembers(module, inspect.isclass):
            mere = found.__module__ in ("builtins", "json.decoder")  # only imported there
            if issubclass(found, Exception) and not issubclass(found, Warning) and not mere:
                yield found


CLASSES = sorted(set(classes()), key=lambda kind: f"{kind.__module__}.{kind.__name__}")


def made(kind: type[Exception]) -> Exception:
    """An instance, however it wants to be made."""
    request = httpx.Request("GET", "http://x")
    for arguments in (
        ("it broke",),
        ("it broke", "document", 0),
        (403, RESPONSE),
        (),
        ("it broke", RuntimeError("cause")),
        (requests.Response(), "it broke"),
    ):
        try:
            return kind(*arguments)
        except (TypeError, AttributeError, ValueError):
            continue
    for more in ({"request": request, "response": httpx.Response(500)}, {"request": request}):
        try:
            return kind("it broke", **more)
        except TypeError:
            continue
    raise AssertionError(f"{kind} cannot be made")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_class_of_the_sdks_is_translated(kind: type[Exception]) -> None:
    with pytest.raises(BackendError, match="tuning") as caught, translated("tuning"):
        raise made(kind)
    assert isinstance(caught.value.__cause__, kind)
    assert "Traceback" not in str(caught.value)


def test_that_list_is_not_empty() -> None:
    assert len(CLASSES) > 80


def of_service(code: int, message: str, status: str = "X") -> ServiceError:
    body = {"error": {"code": code, "message": message, "status": status}}
    kind = genai.ServerError if code >= 500 else genai.ClientError
    return service_error("submitting", kind(code, body))


@pytest.mark.parametrize(
    ("code", "message", "cure"),
    [
        (401, "Request had invalid authentication credentials.", "gcloud auth application-default"),
        (403, "Permission 'aiplatform.tuningJobs.create' denied", "roles/aiplatform.user"),
        (403, "Vertex AI API has not been used in project 7", "gcloud services enable"),
        (403, "This API method requires billing to be enabled", "console.cloud.google.com/billing"),
        (403, "You do not have permission to act as service account", "tuningServiceAgent"),
        (404, "The specified bucket does not exist.", "backend.bucket"),
        (404, "Publisher Model `gemini-1.5-pro-002` was not found", "retires"),
        (400, "The adapter size is not supported for this base model.", "tuning.adapter_size"),
        (400, "should be a GCS object of type JSONL.", "sft check EXP"),
        (400, "Base model gemini-9 is not supported.", "the group model"),
        (400, "Unsupported region for this model", "backend.location"),
        (429, "Quota exceeded for global concurrent tuning jobs", "backend.concurrency"),
        (500, "Internal error encountered.", "same command again"),
        (503, "The service is currently unavailable.", "same command again"),
    ],
)
def test_a_refusal_says_what_to_do(code: int, message: str, cure: str) -> None:
    found = of_service(code, message)
    assert message in str(found)
    assert cure in str(found)
    assert found.code == code


@pytest.mark.parametrize("code", [401, 408, 429, 500, 502, 503, 504])
def test_what_may_work_later_is_transient(code: int) -> None:
    assert of_service(code, "x").transient


@pytest.mark.parametrize("code", [400, 403, 404, 409, 412])
def test_what_will_not_work_later_is_not(code: int) -> None:
    assert not of_service(code, "x").transient


@pytest.mark.parametrize(
    ("error", "ambiguous"),
    [
        (genai.ServerError(503, {"error": {}}), True),
        (genai.ClientError(429, {"error": {}}), False),
        (genai.ClientError(400, {"error": {}}), False),
        (httpx.ReadTimeout("late"), True),
        (httpx.RemoteProtocolError("cut"), True),
        (ConnectionResetError("reset"), True),
        (requests.exceptions.ChunkedEncodingError("cut"), True),
        (api.ServiceUnavailable("x"), True),
        (auth.DefaultCredentialsError("none"), False),
    ],
)
def test_only_a_lost_answer_leaves_open_what_was_done(error: Exception, ambiguous: bool) -> None:
    assert service_error("submitting", error).ambiguous is ambiguous


def test_no_credentials_are_no_network_trouble() -> None:
    found = service_error("signing in", auth.DefaultCredentialsError("Your default ..."))
    assert not found.transient
    assert "gcloud auth application-default login" in str(found)


def test_a_body_that_fits_no_schema_is_told_without_its_values() -> None:
    from google.genai import types

    with pytest.raises(BackendError) as caught, translated("submitting"):
        types.CreateTuningJobConfig.model_validate({"epoch_count": "the secret text"})
    assert "epoch" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), FileNotFoundError(2, "x")])
def test_our_own_mistakes_pass_as_they_are(error: Exception) -> None:
    assert not foreign(error)
    with pytest.raises(type(error)), translated("tuning"):
        raise error


@pytest.mark.parametrize("error", [ConfigError("x"), BackendError("x")])
def test_our_own_errors_pass_as_they_are(error: SftError) -> None:
    with pytest.raises(type(error)) as caught, translated("tuning"):
        raise error
    assert caught.value is error
