"""What the tests of answers have in common."""

from __future__ import annotations

from typing import Any

from runner.config import GeminiModel, VertexBackendSettings
from runner.emulator import Emulator
from runner.emulator.registry import models
from runner.records import Generation, Request, Turn

SETTINGS = Generation(max_tokens=32, temperature=0.0, seed=5, stop=("\n",))
LITE, PRO = "gemini-3.1-flash-lite", "gemini-2.5-pro"


def model(name: str = LITE) -> GeminiModel:
    """A row of the model table."""
    return models()[name]


def backend(emulator: Emulator, /, **changes: Any) -> VertexBackendSettings:
    """The group `backend` for this emulator."""
    online = {"attempts": 3, "timeout_seconds": 20, **changes.pop("online", {})}
    raw = {
        "kind": "vertex",
        "project": "p",
        "bucket": "gs://sft-emulator/tests",
        "emulator": emulator.url,
        "poll_seconds": 0.05,
        "visible_seconds": 2.0,
        "lock_seconds": 3.0,
        "online": online,
    }
    return VertexBackendSettings.model_validate({**raw, **changes})


def questions(count: int) -> list[Request]:
    """Requests whose answers by the scripted base model are known: it repeats the question."""
    return [
        Request(f"row {number}", (Turn("user", f"question {number}"),), "Answer.")
        for number in range(count)
    ]
