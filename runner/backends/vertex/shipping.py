"""Making a checkpoint the one that a tuned model answers with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.backends.vertex.clients import Clients, location_of, serving_location
from runner.backends.vertex.errors import translated
from runner.backends.vertex.requests import settings_of
from runner.config import GeminiModel, VertexBackendSettings
from runner.records import Checkpoint, Generation, TuningResult


def ship(
    config: Mapping[str, Any], tuned: TuningResult, checkpoint: Checkpoint, generation: Generation
) -> dict[str, Any]:
    """See `runner.backends.protocol.Shipper`: the tuned model answers with the checkpoint by
    default."""
    settings = VertexBackendSettings.model_validate(config["backend"])
    print(f"endpoint: {checkpoint.path}")
    models = [item.name for item in tuned.resources if item.kind == "model"]
    if models:
        before = set_default(Clients(settings), models[0], checkpoint.id)
        note = "was it before" if before == checkpoint.id else f"in place of {before or 'none'}"
        print(f"default checkpoint of {models[0]}: {checkpoint.id} ({note})")
    model = GeminiModel.model_validate(config["model"])
    return client_facts(settings, model, checkpoint, generation)


def set_default(clients: Clients, model: str, checkpoint: str) -> str:
    """Make the checkpoint the default of the model (``projects/.../models/ID``, with or without
    ``@VERSION``); returns what was the default before. Raises BackendError."""
    with translated(f"setting the default checkpoint of {model}"):
        service = clients.serving(location_of(model)).models
        before = str(service.get(model=model).default_checkpoint_id or "")
        if before != checkpoint:
            service.update(model=model, config={"default_checkpoint_id": checkpoint})
    return before


def client_facts(
    settings: VertexBackendSettings,
    model: GeminiModel,
    checkpoint: Checkpoint,
    generation: Generation,
) -> dict[str, Any]:
    """What a client of this checkpoint has to know besides its prompts."""
    return {
        "kind": "vertex",
        "project": settings.project,
        "location": serving_location(model, settings.location, checkpoint.path),
        "emulator": settings.emulator,
        "model": checkpoint.path,
        "generationConfig": settings_of(generation, model, settings.thinking),
    }
