"""The door to answers from Gemini: who is asked, where, and by which way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from runner.config import GeminiModel, VertexBackend
from runner.records import Checkpoint, Generation, Prediction, Request
from runner.vertex.batch import ask_in_batch
from runner.vertex.crew import ask_online, caller
from runner.vertex.places import serving_location

if TYPE_CHECKING:
    from runner.vertex.clients import Clients

Meter = Callable[[int, int], None]
"""Told of the prompt and output tokens of every answer; may raise BudgetError."""


def free(prompt_tokens: int, output_tokens: int) -> None:
    """The meter of someone who counts elsewhere."""


def answer(
    clients: Clients,
    settings: VertexBackend,
    model: GeminiModel,
    checkpoint: Checkpoint | None,
    requests: Sequence[Request],
    generation: Generation,
    meter: Meter = free,
) -> Iterator[Prediction]:
    """Answers to the requests in any order, by a checkpoint's endpoint or by the base model.

    Many requests to the base model go by batch prediction when `backend.batch_from` says so;
    checkpoints are asked online, since batch prediction takes models and no endpoints. Raises
    BackendError, and whatever `meter` raises; a request that has no answer yields a Prediction
    with `error`.
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
        answers = ask_in_batch(clients, client, settings, model, requests, generation)
    else:
        timeout = settings.online.timeout_seconds
        name = endpoint or model.id
        call = caller(client, name, model, settings.thinking, generation, timeout)
        answers = ask_online(call, requests, settings.online)
    for prediction in answers:
        meter(prediction.prompt_tokens, prediction.output_tokens)
        yield prediction
