"""What a client has to be told of the arm: how prompts are made, and what all rows share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config import GenerationSettings, Template
from runner.records import Generation, read_jsonl
from runner.records.results import ArmResult
from runner.records.summaries import read_prepared
from runner.store.artifacts import sound

SERVED = ("tools", "toolConfig")
OF_GENERATION = ("mediaResolution",)


def client_of(arm: ArmResult) -> dict[str, Any]:
    """Columns, templates and generation of an arm that was run.

    Tools and media resolution belong to rows; where all rows of the test split have the same
    ones, the client sends them, too.
    """
    config = arm.config
    template = Template.model_validate(config["template"])
    prepared = sound(Path(arm.artifacts["prepare"]) / "summary.json").parent
    return {
        "arm": arm.name,
        "checkpoint": arm.best,
        "columns": list(read_prepared(prepared).columns),
        "media": config.get("source", {}).get("media") or {},
        "template": {"system": template.system, "prompt": template.prompt},
        "extras": _shared(sound(Path(arm.artifacts["render"]) / "test.jsonl")),
    }


def generation_of(config: Mapping[str, Any]) -> Generation:
    """The generation settings as evaluation used them."""
    chosen = GenerationSettings.model_validate(config["suite"]["generation"])
    return Generation(
        chosen.max_tokens, chosen.temperature, int(config["seed"]), tuple(chosen.stop)
    )


def _shared(file: Path) -> dict[str, Any]:
    found: dict[str, Any] | None = None
    for row in read_jsonl(file):
        extras = row.get("extras", {})
        if found is not None and extras != found:
            return {}
        found = extras
    extras = found or {}
    of_generation = extras.get("generationConfig") or {}
    return {
        **{name: extras[name] for name in SERVED if name in extras},
        **{name: of_generation[name] for name in OF_GENERATION if name in of_generation},
    }
