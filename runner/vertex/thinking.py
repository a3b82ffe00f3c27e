"""Keeping thinking out of the way: tuned models answer best with as little of it as can be.

Supervised tuning trains without thoughts, so Google advises to switch them off, or to the least
the model takes, at inference (Tune Gemini models, read 2026-10-01): a budget of tokens on
Gemini 2.5, a level in words on 3.x. The untuned model is asked in the same way, and once at its
own default besides.
"""

from __future__ import annotations

from typing import Any, Literal

from runner.config import GeminiModel

ROOM = 8192
"""Tokens for the thoughts of a model at its default. They count against the limit of an answer,
which would otherwise be used up before the answer begins."""

How = Literal["least", "default"]


def thinking_config(model: GeminiModel, how: How) -> dict[str, Any]:
    """The `thinkingConfig` of a request; empty where none may be sent."""
    rule = model.thinking
    if how == "default" or rule.kind == "none" or rule.least is None:
        return {}
    if rule.kind == "budget":
        return {"thinkingBudget": int(rule.least)}
    return {"thinkingLevel": str(rule.least)}


def room(model: GeminiModel, how: How) -> int:
    """Tokens to allow for thoughts on top of the answer's own."""
    if model.thinking.kind == "none":
        return 0
    if how == "default":
        return ROOM
    return int(model.thinking.least or 0) if model.thinking.kind == "budget" else 0
