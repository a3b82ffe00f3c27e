"""Texts as vectors, by Google's embedding model: single calls, one text each.

The model takes one instance a call, reads 2,048 tokens of it and silently leaves out the rest
(text embeddings API, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.config import GeminiEncoder, VertexBackend
from runner.inference import ask_all
from runner.records import Prediction, Request, packed
from runner.vertex.clients import Clients
from runner.vertex.trouble import classify

TASK = "SEMANTIC_SIMILARITY"
"""What the vectors are for: which texts mean the same."""


def embed(
    clients: Clients,
    settings: VertexBackend,
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
