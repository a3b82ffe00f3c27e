"""From a request to the body of a call, and from a response to an answer.

One body serves online calls, batch prediction and the snippet that `sft ship` writes, so what
is served is what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from runner.config import GeminiModel
from runner.records import Generation, Prediction, Request
from runner.records.rows import parts_text

TOOLS = ("tools", "toolConfig")
OF_THE_ROW = ("mediaResolution",)
"""Generation settings that belong to a row. No other one goes along: controlled generation
(`responseSchema` and its like) makes tuned models worse (About supervised fine-tuning)."""

OWN_DOING = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS")
"""Ends that are the model's fault: an answer, most likely a wrong one, and no error."""

ANSWERED = ("STOP", "MAX_TOKENS", "FINISH_REASON_UNSPECIFIED", *OWN_DOING)


def body_of(
    request: Request, generation: Generation, model: GeminiModel, how: How
) -> dict[str, Any]:
    """The `GenerateContentRequest` as REST has it."""
    body: dict[str, Any] = {"contents": [turn.to_gemini() for turn in request.contents]}
    if request.system:
        body["systemInstruction"] = {"role": "system", "parts": [{"text": request.system}]}
    body |= {name: request.extras[name] for name in TOOLS if name in request.extras}
    of_row = request.extras.get("generationConfig") or {}
    body["generationConfig"] = {
        **settings_of(generation, model, how),
        **{name: of_row[name] for name in OF_THE_ROW if name in of_row},
    }
    return body


def settings_of(generation: Generation, model: GeminiModel, how: How) -> dict[str, Any]:
    """The `generationConfig` that all rows share."""
    settings: dict[str, Any] = {
        "temperature": generation.temperature,
        "maxOutputTokens": generation.max_tokens + room(model, how),
        "seed": generation.seed,
    }
    if generation.stop:
        settings["stopSequences"] = list(generation.stop)
    if thinking := thinking_config(model, how):
        settings["thinkingConfig"] = thinking
    return settings


def sdk_config(body: Mapping[str, Any]) -> dict[str, Any]:
    """A body as google-genai wants it: everything but `contents`, in one flat config."""
    flat = {
        name: value for name, value in body.items() if name not in ("contents", "generationConfig")
    }
    return {**flat, **body["generationConfig"]}


def prediction_of(name: str, response: Mapping[str, Any]) -> Prediction:
    """A `GenerateContentResponse` as the answer to the request called `name`.

    An answer that was withheld (safety, recitation ...) is an error that says why, and blocked.
    Thoughts are no part of the text; they are paid for as output.
    """
    usage = response.get("usageMetadata") or {}
    text, error = _outcome(response)
    return Prediction(
        name,
        text,
        error,
        "error" if error else _finish(response),
        prompt_tokens=_sum(usage, "promptTokenCount", "toolUsePromptTokenCount"),
        output_tokens=_sum(usage, "candidatesTokenCount", "thoughtsTokenCount"),
        cause="blocked" if error else "",
    )


def _outcome(response: Mapping[str, Any]) -> tuple[str, str]:
    """The answer's text, or why there is none."""
    candidates = response.get("candidates") or []
    if not candidates:
        blocked = (response.get("promptFeedback") or {}).get("blockReason", "no reason given")
        return "", f"the prompt was blocked: {blocked}"
    reason = candidates[0].get("finishReason") or "STOP"
    if reason not in ANSWERED:
        return "", f"the answer was withheld: {reason}"
    return parts_text(_said((candidates[0].get("content") or {}).get("parts") or [])), ""


def _finish(response: Mapping[str, Any]) -> Literal["stop", "length"]:
    cut = response["candidates"][0].get("finishReason") == "MAX_TOKENS"
    return "length" if cut else "stop"


def _said(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The parts that are the answer, without the marks of thoughts. A part may be nothing else
    but such a mark."""
    marks = ("thought", "thoughtSignature")
    shown = [part for part in parts if not part.get("thought")]
    bare = [{name: part[name] for name in part if name not in marks} for part in shown]
    return [part for part in bare if part]


def _sum(usage: Mapping[str, Any], *names: str) -> int:
    return sum(int(usage.get(name) or 0) for name in names)


# Keeping thinking out of the way: tuned models answer best with as little of it as can be.
#
# Supervised tuning trains without thoughts, so Google advises to switch them off, or to the least
# the model takes, at inference (Tune Gemini models, read 2026-10-01): a budget of tokens on
# Gemini 2.5, a level in words on 3.x. The untuned model is asked in the same way, and once at its
# own default besides.

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
