"""The advice that is shipped, read without Hydra, and models and data to ask it about."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from runner.compose.folders import packaged_conf
from runner.config import Advice, ModelBase
from runner.records.advice import DataProfile

CONF = packaged_conf()


@cache
def advice(option: str = "default") -> Advice:
    return Advice.model_validate(_merged(option))


def _merged(option: str) -> dict[str, Any]:
    """The option with those that it builds on, as Hydra merges them."""
    own = yaml.safe_load((CONF / "advice" / f"{option}.yaml").read_text())
    parts = [_merged(name) for name in own.pop("defaults", []) if name != "_self_"]
    merged: dict[str, Any] = {}
    for part in [*parts, own]:
        for key, value in part.items():
            both = isinstance(value, dict) and key in merged
            merged[key] = {**merged[key], **value} if both else value
    return merged


def model(name: str) -> ModelBase:
    """A model that rules know by this name."""
    return ModelBase(name=name)


def data(rows: int, tokens: float, modality: str = "text", **more: Any) -> DataProfile:
    """Rows of one length."""
    sizes = {
        "p95_tokens": tokens,
        "max_tokens": tokens,
        "least_mean": tokens,
        "most_mean": tokens,
        "task": "generation",
    }
    return DataProfile(rows=rows, mean_tokens=tokens, modality=modality, **{**sizes, **more})
