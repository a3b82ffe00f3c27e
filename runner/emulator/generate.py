"""generateContent and countTokens, on base models and on endpoints of tuned ones."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from runner.base.errors import BackendError
from runner.config import GeminiModel
from runner.emulator.call import Call
from runner.emulator.dataset import said, turn
from runner.emulator.refusals import Refusal, Violation, invalid
from runner.emulator.registry import StoredResource, multi_region
from runner.emulator.service import EmulatedService, base_model
from runner.evaluation.metrics.corpus import rouge_f, sentence_bleu
from runner.records import Example, Generation, Origin, Prediction, Request

if TYPE_CHECKING:
    from runner.emulator.service import EmulatedService
    from runner.emulator.trainer import SavedCheckpoint
    from runner.records import Example

FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "error": "OTHER"}
MULTI_REGIONS = ("us", "eu", "global")
MOST_TOKENS = 65_536
"""Output tokens when the request sets no limit."""


def generate(service: EmulatedService, call: Call) -> dict[str, Any]:
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


def count_tokens(service: EmulatedService, call: Call) -> dict[str, Any]:
    """Tokens of a prompt."""
    answerer(service, call)
    asked = request_of("call", call.body)
    example = Example("call", asked.contents, "", Origin("", 1), asked.system)
    total = service.trainer.tokens([example])[0][0]
    characters = sum(len(turn.text.replace(" ", "")) for turn in asked.contents)
    details = [{"modality": "TEXT", "tokenCount": total}]
    reply = {"totalTokens": total, "totalBillableCharacters": characters}
    return {**reply, "promptTokensDetails": details}


def answerer(service: EmulatedService, call: Call) -> tuple[GeminiModel, str]:
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
    service: EmulatedService, answered: Prediction, model: GeminiModel, tools: bool
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


# predict of Google's text embedding model: vectors that are near where texts share words.
#
# They know nothing of meaning; every word, and every pair of neighbours, points in a direction of
# its own, drawn from its hash.

MODELS = {"gemini-embedding-001": 3072}
"""Dimensions each can give at most."""
TASKS = {
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
}
MOST_INPUT_TOKENS = 2048
CHARACTERS_A_TOKEN = 4
WORD = re.compile(r"\w+")


def predict(service: EmulatedService, call: Call) -> dict[str, Any]:
    """The vector of the one instance."""
    model = call.name.rpartition("/")[2]
    if model not in MODELS:
        raise Refusal(404, f"Publisher Model `{call.name}` is not found.")
    text, dimensions = _asked(call.body, MODELS[model])
    tokens = -(-len(text) // CHARACTERS_A_TOKEN)
    read = text[: MOST_INPUT_TOKENS * CHARACTERS_A_TOKEN]
    told = {"token_count": min(tokens, MOST_INPUT_TOKENS), "truncated": tokens > MOST_INPUT_TOKENS}
    found = {"values": _vector(read, dimensions), "statistics": told}
    return {
        "predictions": [{"embeddings": found}],
        "metadata": {"billableCharacterCount": len(re.sub(r"\s", "", read))},
    }


def _asked(body: dict[str, Any], most: int) -> tuple[str, int]:
    """Text and dimensions of a body whose members the discovery document leaves open."""
    instances, parameters = body.get("instances") or [], body.get("parameters") or {}
    if len(instances) != 1:
        raise invalid("instances", f"1 instance is allowed per prediction, got {len(instances)}.")
    (instance,) = instances
    _known("instances[0]", instance, {"content", "task_type", "title"})
    _known("parameters", parameters, {"outputDimensionality", "autoTruncate"})
    text = instance.get("content")
    if not isinstance(text, str) or not text:
        raise invalid("instances[0].content", "The text content is empty.")
    if (task := instance.get("task_type", "RETRIEVAL_QUERY")) not in TASKS:
        raise invalid("instances[0].task_type", f"Unknown task type {task!r}.")
    dimensions = parameters.get("outputDimensionality", most)
    if not isinstance(dimensions, int) or not 1 <= dimensions <= most:
        raise invalid("parameters.outputDimensionality", f"It must be from 1 to {most}.")
    return text, dimensions


def _known(where: str, given: Any, names: set[str]) -> None:
    if not isinstance(given, dict):
        raise invalid(where, "It must be an object.")
    for name in set(given) - names:
        raise invalid(f"{where}.{name}", f"Unknown name {name!r}.")


def _vector(text: str, dimensions: int) -> list[float]:
    import numpy as np

    words = WORD.findall(text.lower())
    total = np.zeros(dimensions, np.float64)
    for term in [*words, *pairwise(words)] or [text]:
        seed = hashlib.blake2b(repr(term).encode(), digest_size=8).digest()
        draw = np.random.default_rng(int.from_bytes(seed, "big"))
        total += draw.standard_normal(dimensions)
    length = np.linalg.norm(total)
    scaled: list[float] = (total / length).astype(np.float32).tolist()
    return scaled


# Evaluation of checkpoints by the service while it tunes (`evaluationConfig`).
#
# Exact match, BLEU and ROUGE of real answers to the validation rows, by the libraries that the
# service's metrics are named after. A job that asks for another metric is refused with 501, so
# that nobody takes silence for a score.

KINDS = ("exactMatch", "bleu", "rouge")
WHERE = "tuning_job.supervised_tuning_spec.evaluation_config"


def evaluation_faults(spec: dict[str, Any], model: GeminiModel, place: str) -> Iterator[Violation]:
    """What the service says against a job's evaluation. Raises a 501 Refusal for metrics that
    are not emulated."""
    config = spec.get("evaluationConfig")
    if config is None:
        return
    if not model.auto_evaluation or place not in model.auto_evaluation_locations:
        places = ", ".join(model.auto_evaluation_locations) or "nowhere"
        said = f"Evaluation while tuning is not supported: {model.id} has it in {places}."
        yield Violation(WHERE, said)
    if not spec.get("validationDatasetUri"):
        yield Violation(WHERE, "Evaluation while tuning needs a validation dataset.")
    if not all(map(kind_of, config["metrics"])):
        raise Refusal(501, f"This emulator evaluates with {', '.join(KINDS)} only.")


def kind_of(metric: dict[str, Any]) -> str:
    """``exactMatch``, ``bleu`` or ``rouge``; empty for any other metric."""
    computed = metric.get("computationBasedMetricSpec", {}).get("type")
    named = {"EXACT_MATCH": "exactMatch", "BLEU": "bleu", "ROUGE": "rouge"}.get(computed, "")
    return next((kind for kind in KINDS if f"{kind}Spec" in metric), named)


def score(kind: str, metric: dict[str, Any], said: str, wanted: str) -> float:
    """One answer's score, from 0 to 1."""
    if kind == "exactMatch":
        return float(said == wanted)
    if kind == "bleu":
        return sentence_bleu(said, wanted)
    spec = metric.get("rougeSpec", {})
    name, stem = spec.get("rougeType") or "rougeL", spec.get("useStemmer", False)
    return rouge_f(said, wanted, name, stem=stem)


def evaluate(
    service: EmulatedService,
    job: StoredResource,
    saved: Sequence[SavedCheckpoint],
    rows: Sequence[Example],
) -> list[dict[str, Any]]:
    """`evaluateDatasetRuns`: one a checkpoint, with average and deviation of each metric over
    the validation rows. Empty when the job asks for no evaluation."""
    config = job.body.get("supervisedTuningSpec", {}).get("evaluationConfig")
    if config is None:
        return []
    folder = config["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
    settings = generation_of({"generationConfig": config.get("inferenceGenerationConfig", {})})
    asked = [Request(row.id, row.contents, row.system) for row in rows]
    runs = []
    for number, one in enumerate(saved, 1):
        said = [answer.text for answer in service.trainer.answer(one.handle, asked, settings)]
        pairs = [(text, row.target) for text, row in zip(said, rows, strict=True)]
        results = [result for metric in config["metrics"] for result in _results(metric, pairs)]
        response = {
            "aggregationOutput": {"aggregationResults": results},
            "outputInfo": {"gcsOutputDirectory": f"{folder}/checkpoint-{number}"},
        }
        runs.append(
            {
                "checkpointId": str(number),
                "operationName": service.new_name(job.name, "operations"),
                "evaluateDatasetResponse": response,
            }
        )
    return runs


def _results(metric: dict[str, Any], pairs: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    kind = kind_of(metric)
    scores = [score(kind, metric, said, wanted) for said, wanted in pairs]
    yield {"aggregationMetric": "AVERAGE", f"{kind}MetricValue": {"score": mean(scores)}}
    if len(scores) > 1:
        spread = {"score": stdev(scores)}
        yield {"aggregationMetric": "STANDARD_DEVIATION", f"{kind}MetricValue": spread}
