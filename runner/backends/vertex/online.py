"""The door to answers from Gemini: who is asked, where, and by which way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runner.backends.vertex.batch import ask_in_batch
from runner.backends.vertex.clients import Clients, serving_location
from runner.backends.vertex.requests import How, body_of, prediction_of, sdk_config
from runner.backends.vertex.retry_policy import classify
from runner.config import GeminiEncoder, GeminiModel, VertexBackendSettings
from runner.inference import Call, ask_all
from runner.records import Checkpoint, Generation, Prediction, Request, packed

if TYPE_CHECKING:
    from runner.backends.vertex.clients import Clients


def answer(
    clients: Clients,
    settings: VertexBackendSettings,
    model: GeminiModel,
    checkpoint: Checkpoint | None,
    requests: Sequence[Request],
    generation: Generation,
) -> Iterator[Prediction]:
    """Answers to the requests in any order, by a checkpoint's endpoint or by the base model.

    Many requests to the base model go by batch prediction when `backend.batch_from` says so;
    checkpoints are asked online, since batch prediction takes models and no endpoints. Raises
    BackendError; a request that has no answer yields a Prediction with `error`.
    """
    if not requests:
        return
    endpoint = checkpoint.path if checkpoint else None
    client = clients.serving(serving_location(model, settings.location, endpoint))
    if (
        endpoint is None
        and settings.batch_from is not None
        and len(requests) >= settings.batch_from
    ):
        yield from ask_in_batch(clients, client, settings, model, requests, generation)
        return
    timeout = settings.online.timeout_seconds
    name = endpoint or model.id
    call = caller(client, name, model, settings.thinking, generation, timeout)
    yield from ask_all(call, classify, requests, settings.online)


def caller(
    client: Any, name: str, model: GeminiModel, how: How, generation: Generation, timeout: float
) -> Call:
    """Calls `generateContent` on `name`: a full endpoint name, or the id of a base model."""

    def call(request: Request) -> Prediction:
        body = body_of(request, generation, model, how)
        config = {
            **sdk_config(body),
            "automaticFunctionCalling": {"disable": True},
            "httpOptions": {"timeout": int(1000 * timeout)},
        }
        response = client.models.generate_content(
            model=name, contents=body["contents"], config=config
        )
        found: dict[str, Any] = response.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response", "parsed"}
        )
        return prediction_of(request.id, found)

    return call


# Texts as vectors, by Google's embedding model: single calls, one text each.
#
# The model takes one instance a call, reads 2,048 tokens of it and silently leaves out the rest
# (text embeddings API, read 2026-11).

TASK = "SEMANTIC_SIMILARITY"
"""What the vectors are for: which texts mean the same."""


def embed(
    clients: Clients,
    settings: VertexBackendSettings,
    encoder: GeminiEncoder,
    requests: Sequence[Request],
) -> Iterator[Prediction]:
    """A vector a request, in the order in which they come; see `ask_all` for what is raised."""
    client = clients.serving(settings.location)
    config = {
        "taskType": TASK,
        "outputDimensionality": encoder.dimensions,
        "autoTruncate": True,
        "httpOptions": {"timeout": int(1000 * settings.online.timeout_seconds)},
    }

    def call(request: Request) -> Prediction:
        text = request.contents[0].text
        response = client.models.embed_content(model=encoder.model, contents=[text], config=config)
        found: dict[str, Any] = response.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response"}
        )
        return _vector(request.id, found, encoder.dimensions)

    return ask_all(call, classify, requests, settings.online)


def _vector(name: str, response: Mapping[str, Any], dimensions: int) -> Prediction:
    found = response.get("embeddings") or [{}]
    values = found[0].get("values") or []
    if len(found) != 1 or len(values) != dimensions:
        error = f"the service gave {len(found)} vectors, of {len(values)} dimensions, for one text"
        return Prediction(name, "", error, "error", cause="refused")
    told = found[0].get("statistics") or {}
    tokens = int(told.get("tokenCount") or 0)
    return Prediction(name, packed(values), prompt_tokens=tokens)
