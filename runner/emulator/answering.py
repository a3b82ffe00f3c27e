"""generateContent and countTokens, on base models and on endpoints of tuned ones."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from runner.config import GeminiModel
from runner.emulator.call import Call
from runner.emulator.dataset import said, turn
from runner.emulator.facts import multi_region
from runner.emulator.refusals import Refusal, invalid
from runner.emulator.service import Service, base_model
from runner.errors import BackendError
from runner.records import Example, Generation, Origin, Prediction, Request

FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "error": "OTHER"}
MULTI_REGIONS = ("us", "eu", "global")
MOST_TOKENS = 65_536
"""Output tokens when the request sets no limit."""


def generate(service: Service, call: Call) -> dict[str, Any]:
    """One answer."""
    model, handle = answerer(service, call)
    refuse_body(call.body, model)
    asked = request_of("call", call.body)
    try:
        answered = service.trainer.answer(handle, [asked], generation_of(call.body))[0]
    except BackendError as error:
        code = 503 if error.transient else 400
        raise Refusal(code, f"Unable to submit request because {error}") from None
    return reply_of(service, answered, model, bool(call.body.get("tools")))


def count_tokens(service: Service, call: Call) -> dict[str, Any]:
    """Tokens of a prompt."""
    answerer(service, call)
    asked = request_of("call", call.body)
    example = Example("call", asked.contents, "", Origin("", 1), asked.system)
    total = service.trainer.tokens([example])[0][0]
    characters = sum(len(turn.text.replace(" ", "")) for turn in asked.contents)
    details = [{"modality": "TEXT", "tokenCount": total}]
    reply = {"totalTokens": total, "totalBillableCharacters": characters}
    return {**reply, "promptTokensDetails": details}


def answerer(service: Service, call: Call) -> tuple[GeminiModel, str]:
    """Who is asked: the model, and the checkpoint's handle (empty for the base model).
    Raises a 404 Refusal where the model does not answer."""
    if "/endpoints/" in call.name:
        endpoint = service.find("endpoints", call.name)
        if not endpoint.body["deployedModels"]:
            said = f"Endpoint {endpoint.name} has no deployed model."
            raise Refusal(400, said, status="FAILED_PRECONDITION")
        return base_model(endpoint.inner["model"]), endpoint.inner["handle"]
    model = base_model(call.name)
    if multi_region(model) and call.location not in MULTI_REGIONS:
        raise Refusal(
            404,
            f"Publisher Model `{call.name}` was not found or your project does not have access "
            f"to it. It is served in {', '.join(MULTI_REGIONS)}.",
        )
    return model, ""


def refuse_body(body: dict[str, Any], model: GeminiModel) -> None:
    """What the service says against a prompt beyond its schema."""
    contents = body["contents"]
    for number, content in enumerate(contents):
        if content.get("role", "user") not in ("user", "model", "function"):
            said = "Please use a valid role: user, model."
            raise invalid(f"contents[{number}].role", said)
        if not content.get("parts"):
            said = "Unable to submit request because it must have a parts field."
            raise invalid(f"contents[{number}].parts", said)
    if contents[-1].get("role", "user") == "model":
        said = "Please ensure that multiturn requests end with a user role or a function response."
        raise invalid("contents", said)
    _thinking(body.get("generationConfig", {}).get("thinkingConfig", {}), model)


def _thinking(config: dict[str, Any], model: GeminiModel) -> None:
    where = "generation_config.thinking_config"
    rule = model.thinking
    if "thinkingLevel" in config and rule.kind != "level":
        raise invalid(where, "Thinking level is not supported for this model.")
    if "thinkingLevel" in config and "thinkingBudget" in config:
        raise invalid(where, "Only one of thinking level and thinking budget may be set.")
    budget = config.get("thinkingBudget")
    least = rule.least if isinstance(rule.least, int) else 0
    if rule.kind == "budget" and budget is not None and -1 < budget < least:
        said = f"The thinking budget {budget} is invalid. Please choose a value from {least} up."
        raise invalid(where, said)


def request_of(name: str, body: dict[str, Any]) -> Request:
    """A request body as the record that trainers take."""
    contents = tuple(turn(content) for content in body["contents"])
    return Request(name, contents, said(body.get("systemInstruction", {})))


def generation_of(body: dict[str, Any]) -> Generation:
    """The generation settings of a body. Google's default temperature is 1."""
    config = body.get("generationConfig", {})
    return Generation(
        max_tokens=config.get("maxOutputTokens", MOST_TOKENS),
        temperature=config.get("temperature", 1.0),
        seed=config.get("seed", 0),
        stop=tuple(config.get("stopSequences", ())),
    )


def reply_of(
    service: Service, answered: Prediction, model: GeminiModel, tools: bool
) -> dict[str, Any]:
    """An answer as a GenerateContentResponse."""
    if answered.error:
        raise Refusal(400, f"Unable to submit request because {answered.error}.")
    total = answered.prompt_tokens + answered.output_tokens
    return {
        "candidates": [
            {
                "index": 0,
                "content": {"role": "model", "parts": parts_of(answered.text, tools)},
                "finishReason": FINISH[answered.finish],
            }
        ],
        "usageMetadata": {
            "promptTokenCount": answered.prompt_tokens,
            "candidatesTokenCount": answered.output_tokens,
            "totalTokenCount": total,
            "trafficType": "ON_DEMAND",
        },
        "modelVersion": model.id,
        "createTime": service.clock.stamp(),
        "responseId": uuid.uuid4().hex,
    }


def parts_of(text: str, tools: bool) -> Sequence[dict[str, Any]]:
    """The parts of an answer. A model that was given tools answers with function calls where
    its text is one, or a list of them: ``{"name": ..., "args": ...}``."""
    import orjson

    try:
        read = orjson.loads(text) if tools else None
    except orjson.JSONDecodeError:
        read = None
    calls = read if isinstance(read, list) else [read]
    if calls and all(isinstance(one, dict) and set(one) == {"name", "args"} for one in calls):
        return [{"functionCall": one} for one in calls]
    return [{"text": text}]
