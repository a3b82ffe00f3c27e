"""What a client of a model that was tuned on this machine has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from runner.backends.local.chat import Chat
from runner.backends.local.weights import DEFAULT_CACHE, Weights
from runner.base.digests import tree_damage
from runner.base.errors import BackendError
from runner.config import OpenModel
from runner.records import Checkpoint, Generation, TuningResult, quiet


def ship(
    config: Mapping[str, Any], tuned: TuningResult, checkpoint: Checkpoint, generation: Generation
) -> dict[str, Any]:
    """See `runner.backends.protocol.Shipper`."""
    print(f"adapter: {checkpoint.path}")
    return client_facts(config, checkpoint, generation)


def client_facts(
    config: Mapping[str, Any], checkpoint: Checkpoint, generation: Generation
) -> dict[str, Any]:
    """Model folder, adapter, the tokens that end an answer, generation settings.

    `config` is the arm's whole config. The model's folder is made again if it is gone. Raises
    BackendError, also for a checkpoint that is not what tuning left.
    """
    if fault := tree_damage(Path(checkpoint.path), checkpoint.digest):
        raise BackendError(
            f"checkpoint {checkpoint.id} is damaged: {fault}\n"
            "  the 'sft run' that tuned it, given again, tunes it anew"
        )
    model: OpenModel = TypeAdapter(OpenModel).validate_python(config["model"])
    cache = Path(config["paths"].get("models") or DEFAULT_CACHE).expanduser().resolve()
    folder = Weights(model, cache).folder(quiet)
    return {
        "kind": "local",
        "model": str(folder),
        "adapter": checkpoint.path,
        "end_ids": sorted(Chat(folder).end_ids),
        "generation": asdict(generation),
    }
