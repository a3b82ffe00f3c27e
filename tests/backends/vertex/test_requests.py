"""What a call says, what an answer is taken for, and where both go."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from runner.backends.vertex.clients import Clients, serving_location
from runner.backends.vertex.online import answer
from runner.backends.vertex.requests import ROOM, body_of, prediction_of
from runner.emulator import Emulator
from runner.records import Prediction, Request, Turn
from tests.backends.vertex.asking import LITE, PRO, SETTINGS, backend, model
from tests.backends.vertex.recording import camel, recorded

WEATHER = {
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Of a town.",
                    "parameters": {
                        "type": "OBJECT",
                        "properties": {"town": {"type": "STRING"}},
                        "required": ["town"],
                    },
                }
            ]
        }
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    "generationConfig": {
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "responseMimeType": "application/json",
    },
}
PHOTO = {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}}


def request() -> Request:
    look = Turn("user", "Look.", ({"text": "Look."}, PHOTO))
    turns = (Turn("user", "Hi"), Turn("model", "Hello"), look)
    return Request("r", turns, "Be brief.", WEATHER)


def test_the_body_has_what_the_row_has_and_no_controlled_generation() -> None:
    assert body_of(request(), SETTINGS, model(), "least") == {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Hello"}]},
            {"role": "user", "parts": [{"text": "Look."}, PHOTO]},
        ],
        "systemInstruction": {"role": "system", "parts": [{"text": "Be brief."}]},
        "tools": WEATHER["tools"],
        "toolConfig": WEATHER["toolConfig"],
        "generationConfig": {
            "temperature": 0.0,
            "maxOutputTokens": 32,
            "seed": 5,
            "stopSequences": ["\n"],
            "thinkingConfig": {"thinkingLevel": "MINIMAL"},
            "mediaResolution": "MEDIA_RESOLUTION_LOW",
        },
    }


def test_the_client_sends_the_body_as_it_is() -> None:
    """google-genai may add to a body or rename in it; it must not."""
    with Emulator() as emulator, recorded(emulator.url) as recording:
        settings = backend(emulator).model_copy(update={"emulator": recording.url})
        clients = Clients(settings)
        list(answer(clients, settings, model(), None, [request()], SETTINGS))
        assert not emulator.overview()["violations"]
    ((path, body),) = recording.bodies
    assert path.endswith(
        "/projects/p/locations/global/publishers/google/models/"
        "gemini-3.1-flash-lite:generateContent"
    )
    assert camel(body) == body_of(request(), SETTINGS, model(), "least")


@pytest.mark.parametrize(
    ("name", "how", "thinking", "room"),
    [
        (LITE, "least", {"thinkingLevel": "MINIMAL"}, 0),
        (LITE, "default", None, ROOM),
        ("gemini-2.5-flash", "least", {"thinkingBudget": 0}, 0),
        (PRO, "least", {"thinkingBudget": 128}, 128),
        (PRO, "default", None, ROOM),
        ("gemini-1.5-pro-002", "least", None, 0),
    ],
)
def test_thinking_is_as_little_as_the_model_takes(
    name: str, how: Any, thinking: dict[str, Any] | None, room: int
) -> None:
    config = body_of(request(), SETTINGS, model(name), how)["generationConfig"]
    assert config.get("thinkingConfig") == thinking
    assert config["maxOutputTokens"] == 32 + room, "thoughts must not use up the answer's tokens"


@pytest.mark.parametrize(
    ("name", "job", "endpoint", "wanted"),
    [
        (LITE, "us-central1", None, "global"),
        (LITE, "europe-west4", None, "global"),
        (LITE, "us-central1", "9", "us"),
        (LITE, "europe-west4", "9", "eu"),
        (LITE, "us-central1", "projects/p/locations/eu/endpoints/9", "eu"),
        (PRO, "europe-west1", None, "europe-west1"),
        (PRO, "europe-west1", "projects/p/locations/europe-west1/endpoints/9", "europe-west1"),
    ],
)
def test_each_model_is_asked_where_it_answers(
    name: str, job: str, endpoint: str | None, wanted: str
) -> None:
    assert serving_location(model(name), job, endpoint) == wanted


HOSTS = {
    "us": "https://aiplatform.us.rep.googleapis.com/",
    "eu": "https://aiplatform.eu.rep.googleapis.com/",
    "global": "https://aiplatform.googleapis.com/",
    "us-central1": "https://us-central1-aiplatform.googleapis.com/",
}


@pytest.mark.parametrize("location", HOSTS)
def test_the_host_follows_the_location(location: str) -> None:
    from google import genai
    from google.oauth2.credentials import Credentials

    client = genai.Client(
        vertexai=True, project="p", location=location, credentials=Credentials(token="x")
    )
    assert client._api_client._http_options.base_url == HOSTS[location]


def reply(*parts: dict[str, Any], reason: str = "STOP") -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 3, "thoughtsTokenCount": 20}
    return {"candidates": [{"content": content, "finishReason": reason}], "usageMetadata": usage}


def test_thoughts_are_paid_for_and_no_part_of_the_answer() -> None:
    found = prediction_of(
        "r",
        reply(
            {"text": "Hm.", "thought": True},
            {"text": "It is ", "thoughtSignature": "x"},
            {"text": "4."},
        ),
    )
    assert found == Prediction("r", "It is 4.", prompt_tokens=7, output_tokens=23)


def test_function_calls_become_the_text_that_targets_have() -> None:
    one = {"functionCall": {"id": "1", "name": "weather", "args": {"unit": "C", "town": "Ulm"}}}
    two = {"functionCall": {"name": "time"}, "thoughtSignature": "x"}
    weather = '{"name":"weather","args":{"town":"Ulm","unit":"C"}}'
    assert prediction_of("r", reply(one)).text == weather
    assert prediction_of("r", reply(one, two)).text == f'[{weather},{{"name":"time","args":{{}}}}]'


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "SPII", "PROHIBITED_CONTENT", "OTHER"])
def test_a_withheld_answer_is_an_error_that_says_why(reason: str) -> None:
    found = prediction_of("r", reply({"text": "half of it"}, reason=reason))
    assert (found.text, found.finish, found.cause) == ("", "error", "blocked")
    assert reason in found.error
    assert found.prompt_tokens == 7, "it is paid for all the same"


def test_a_cut_answer_counts_as_cut_and_a_botched_call_as_an_answer() -> None:
    assert prediction_of("r", reply({"text": "It i"}, reason="MAX_TOKENS")).finish == "length"
    botched = prediction_of("r", reply(reason="MALFORMED_FUNCTION_CALL"))
    assert (botched.text, botched.error, botched.finish) == ("", "", "stop")


def test_a_blocked_prompt_says_so() -> None:
    found = prediction_of("r", {"promptFeedback": {"blockReason": "SAFETY"}})
    assert found.error == "the prompt was blocked: SAFETY"


@given(
    st.lists(st.fixed_dictionaries({}, optional={"text": st.text(), "thought": st.booleans()})),
    st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "SOMETHING_NEW", None]),
    st.fixed_dictionaries({}, optional={"promptTokenCount": st.integers(0, 9) | st.none()}),
)
def test_any_reply_is_an_answer_or_an_error_never_both(
    parts: list[dict[str, Any]], reason: str | None, usage: dict[str, Any]
) -> None:
    raw = {
        "candidates": [{"content": {"parts": parts}, "finishReason": reason}],
        "usageMetadata": usage,
    }
    found = prediction_of("r", raw)
    said = "".join(part.get("text", "") for part in parts if not part.get("thought"))
    if reason in ("SAFETY", "SOMETHING_NEW"):
        assert found.error
        assert not found.text
    else:
        assert (found.error, found.text) == ("", said)
