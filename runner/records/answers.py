"""What a model is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from runner.records.jsonl import compact
from runner.records.rows import Turn


@dataclass(frozen=True, slots=True)
class Generation:
    """Generation settings of a request; part of the prediction cache's key."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for a model: rendered example, with `shots` put before the last user turn."""

    id: str
    contents: tuple[Turn, ...]
    system: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """As in `Row`: tools and other settings that the model is given with the prompt."""
    files: str = ""
    """Digest of the content of the local files that `contents` names; empty without any. It is
    part of what is asked, since a path says nothing about what is there."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to one request. `error` non-empty means there is no answer: an
    outcome of its own, never counted as a wrong answer."""

    id: str
    text: str
    error: str = ""
    finish: Literal["stop", "length", "error"] = "stop"
    prompt_tokens: int = 0
    output_tokens: int = 0

    def to_json(self) -> dict[str, object]:
        return compact(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(**{"text": "", **raw})
