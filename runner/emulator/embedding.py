"""predict of Google's text embedding model: vectors that are near where texts share words.

They know nothing of meaning; every word, and every pair of neighbours, points in a direction of
its own, drawn from its hash.
"""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from typing import Any

from runner.emulator.call import Call
from runner.emulator.refusals import Refusal, invalid
from runner.emulator.service import Service

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
MOST_TOKENS = 2048
CHARACTERS_A_TOKEN = 4
WORD = re.compile(r"\w+")


def predict(service: Service, call: Call) -> dict[str, Any]:
    """The vector of the one instance."""
    model = call.name.rpartition("/")[2]
    if model not in MODELS:
        raise Refusal(404, f"Publisher Model `{call.name}` is not found.")
    text, dimensions = _asked(call.body, MODELS[model])
    tokens = -(-len(text) // CHARACTERS_A_TOKEN)
    read = text[: MOST_TOKENS * CHARACTERS_A_TOKEN]
    told = {"token_count": min(tokens, MOST_TOKENS), "truncated": tokens > MOST_TOKENS}
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
