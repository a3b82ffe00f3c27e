"""The door to answers from Gemini: who is asked, where, and by which way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runner.config import GeminiModel, VertexBackend
from runner.inference import Call, ask_all
from runner.records import Checkpoint, Generation, Prediction, Request
from runner.vertex.batch import ask_in_batch
from runner.vertex.places import serving_location
from runner.vertex.requests import body_of, prediction_of, sdk_config
from runner.vertex.thinking import How
from runner.vertex.trouble import classify

if TYPE_CHECKING:
    from runner.vertex.clients import Clients


def answer(
    clients: Clients,
    settings: VertexBackend,
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
