"""Training data in a few numbers: how many rows, how long, of what kind, for which task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runner.config import Suite, Task
from runner.records.advice import DataProfile
from runner.records.rows import Example

KINDS = {"image": "image", "audio": "audio", "video": "video", "application": "document"}
"""First half of a MIME type to the kind of media."""

TASKS: Mapping[str, Task] = {
    "classification": "classification",
    "json_fields": "extraction",
    "token_f1": "answering",
    "number": "number",
    "sacrebleu": "generation",
    "rouge": "generation",
}
"""What a metric measures. Others, such as exact match, go with any task."""


def task_of(suite: Suite | Mapping[str, Any]) -> Task:
    """The task that a suite, or its stored configuration, measures: that of its first metric
    which goes with one task only."""
    if isinstance(suite, Suite):
        kinds: list[Any] = [metric.kind for metric in suite.metrics]
    else:
        kinds = [metric.get("kind") for metric in suite.get("metrics", ())]
    return next((TASKS[kind] for kind in kinds if kind in TASKS), "other")


def media_of(example: Example) -> set[str]:
    """Kinds of media in a row's prompt."""
    files = (
        part["fileData"] for turn in example.contents for part in turn.parts if "fileData" in part
    )
    found = (str(file.get("mimeType", "")).partition("/")[0] for file in files)
    return {KINDS[kind] for kind in found if kind in KINDS}


def profile_of(
    bands: Sequence[tuple[int, int]], media: Iterable[Iterable[str]], rows: int
) -> DataProfile:
    """The profile of training rows with so many tokens each (fewest and most; equal where they
    were counted) and such kinds of media; `rows` of them.

    The modality is what most rows are: those without media count as text, and of kinds that stand
    in as many rows text comes first, then image, audio, video, document.
    """
    import numpy as np

    tokens = np.array(bands, dtype=np.float64).reshape(-1, 2)
    middle = tokens.mean(axis=1) if rows else np.zeros(1)
    low, high = tokens.mean(axis=0).tolist() if rows else (0.0, 0.0)
    kinds, plain = Counter[str](), 0
    for found in media:
        held = set(found)
        kinds.update(held)
        plain += not held
    order = ("text", *KINDS.values())
    counts = {"text": plain, **kinds}
    return DataProfile(
        rows=rows,
        mean_tokens=round(float(middle.mean()), 1),
        p95_tokens=round(float(np.percentile(middle, 95)), 1),
        max_tokens=round(float(middle.max()), 1),
        least_mean=round(low, 1),
        most_mean=round(high, 1),
        modality=max(order, key=lambda kind: (counts.get(kind, 0), -order.index(kind))),
        media={kind: kinds[kind] for kind in order if kind in kinds},
    )
