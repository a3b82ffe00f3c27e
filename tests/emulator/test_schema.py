"""The strict reader against Google's own protobuf parser, and its normal form."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from google.cloud import aiplatform_v1beta1 as vertex
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.emulator.http import ROUTES
from runner.emulator.schema import VERSIONS, api, camel, read_body, snake

BETA = "v1beta1"

ROW = {
    "systemInstruction": {"role": "system", "parts": [{"text": "Be kind."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "hi"}, {"fileData": {"fileUri": "gs://a/b.png",
                                                               "mimeType": "image/png"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"x": [1, None]}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"y": 1}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}],
    "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW", "temperature": 0.5,
                         "maxOutputTokens": 5, "stopSequences": ["x"]},
    "labels": {"a": "b"},
}  # fmt: skip
JOB = {
    "baseModel": "gemini-2.5-flash",
    "supervisedTuningSpec": {
        "trainingDatasetUri": "gs://a/b.jsonl",
        "validationDatasetUri": "gs://a/c.jsonl",
        "hyperParameters": {
            "epochCount": "3",
            "learningRateMultiplier": 1.5,
            "adapterSize": "ADAPTER_SIZE_FOUR",
        },
        "exportLastCheckpointOnly": True,
    },
    "labels": {"sft-arm": "x"},
    "encryptionSpec": {"kmsKeyName": "projects/p"},
    "tunedModelDisplayName": "name",
}
BODIES = {"GenerateContentRequest": ROW, "TuningJob": JOB}


def faults(schema: str, body: Any) -> list[Any]:
    known = api(BETA)
    return read_body(known, known.full_name(schema), body, required=False)[1]


@cache
def message(schema: str) -> Any:
    return getattr(vertex, schema).pb()


def google_takes(schema: str, body: Any) -> bool:
    """Whether Google's protobuf parser takes the body."""
    try:
        json_format.ParseDict(body, message(schema)())
    except (json_format.ParseError, TypeError, AttributeError, ValueError):
        return False
    return True


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([1.5, 2.0, 2**40, 2**70, "", "x", "7", "-1", "1.5", [], {}, [[]], [{}]]),
    st.sampled_from(["ADAPTER_SIZE_EIGHT", "OBJECT", "gs://a", {"text": "t"}, [{"text": "t"}]]),
).map(deepcopy)
KEYS = st.sampled_from(["text", "role", "parts", "epochCount", "epoch_count", "messages", "weight"])


def places(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything inside a JSON value."""
    inner = list(body.items()) if isinstance(body, dict) else []
    inner += list(enumerate(body)) if isinstance(body, list) else []
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@st.composite
def mutants(draw: st.DrawFn) -> tuple[str, Any]:
    """A good body with up to three things in it replaced, added, renamed or taken away."""
    schema = draw(st.sampled_from(sorted(BODIES)))
    body = json.loads(json.dumps(BODIES[schema]))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.sampled_from([path for path in places(body) if path] or [()]))
        if not place:
            break
        parent = body
        for key in place[:-1]:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "add", "rename", "remove"])):
            case "replace":
                parent[place[-1]] = draw(VALUES)
            case "add" if isinstance(parent, dict):
                parent[draw(KEYS)] = draw(VALUES)
            case "rename" if isinstance(parent, dict):
                parent[draw(st.one_of(KEYS, st.just(snake(place[-1]))))] = parent.pop(place[-1])
            case "remove" if isinstance(parent, dict):
                del parent[place[-1]]
    return schema, body


@settings(max_examples=1500)
@given(mutants())
def test_nothing_passes_that_google_refuses(mutant: tuple[str, Any]) -> None:
    schema, body = mutant
    if not faults(schema, body):
        assert google_takes(schema, body)


@settings(max_examples=300)
@given(mutants())
def test_reading_twice_changes_nothing(mutant: tuple[str, Any]) -> None:
    schema, body = mutant
    known = api(BETA)
    name = known.full_name(schema)
    once, wrong = read_body(known, name, body, required=False)
    if not wrong:
        assert read_body(known, name, once, required=False) == (once, [])


@given(st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)))
def test_nothing_makes_it_crash(body: Any) -> None:
    for schema in BODIES:
        faults(schema, body)


def test_good_bodies_pass_both() -> None:
    for schema, body in BODIES.items():
        assert faults(schema, body) == []
        assert google_takes(schema, body)


@pytest.mark.parametrize("name", ["baseModel", "gcsMetricsUri", "x", "topK"])
def test_names_go_both_ways(name: str) -> None:
    assert camel(snake(name)) == name


def test_what_is_emulated_is_in_googles_api() -> None:
    for version in VERSIONS:
        known = {method.id for found in api(version).methods.values() for method in found}
        missing = set(ROUTES) - known
        # The list of Google's own models is published in v1beta1 only.
        assert missing <= {"publishers.models.list"}
