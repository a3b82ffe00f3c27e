"""`tuningDataStats` of a job: what became of its rows, and how long they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.emulator.dataset import Dataset

Counts = list[tuple[int, int]]
"""Prompt and target tokens of each row."""
LISTED = 20
"""Dropped rows that are named; the service gives a sample, too."""
SAMPLES = 3
BUCKETS = 10


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """A row that is neither trained nor paid for; `number` is its 1-based place."""

    number: int
    reason: str


def drop_long(
    data: Dataset, counts: Counts, limit: int, forced: float
) -> tuple[Dataset, Counts, list[DroppedRow]]:
    """Drop rows of more than `limit` tokens, and by plan a share `forced` from the start."""
    bad = math.ceil(forced * len(data.rows))
    dropped, kept = [], []
    for place, (number, pair) in enumerate(zip(data.numbers, counts, strict=True)):
        if sum(pair) > limit:
            said = f"The example has {sum(pair)} tokens, which is above the limit of {limit}."
            dropped.append(DroppedRow(number, said))
        elif place < bad:
            dropped.append(DroppedRow(number, "The example could not be processed."))
        else:
            kept.append(place)
    rows = tuple(data.rows[place] for place in kept)
    numbers = tuple(data.numbers[place] for place in kept)
    return Dataset(rows, numbers), [counts[place] for place in kept], dropped


def statistics(
    kept: Dataset, counts: Counts, dropped: Sequence[DroppedRow], epochs: int, preference: bool
) -> dict[str, Any]:
    """The statistics. Billable tokens are those of all epochs."""
    tokens = sum(map(sum, counts)) * epochs
    shared: dict[str, Any] = {
        "tuningDatasetExampleCount": str(len(kept.rows)),
        "totalBillableTokenCount": str(tokens),
        "userDatasetExamples": [row.to_gemini()["contents"][0] for row in kept.rows[:SAMPLES]],
        "droppedExampleReasons": [row.reason for row in dropped[:LISTED]],
    }
    indices = [str(row.number) for row in dropped[:LISTED]]
    ins, outs = [pair[0] for pair in counts], [pair[1] for pair in counts]
    if preference:
        shared |= {
            "droppedExampleIndices": indices,
            "userInputTokenDistribution": distribution(ins),
            "userOutputTokenDistribution": distribution(outs),
        }
        return {"preferenceOptimizationDataStats": shared}
    shared |= {
        "totalTruncatedExampleCount": str(len(dropped)),
        "truncatedExampleIndices": indices,
        "totalTuningCharacterCount": str(sum(len(r.prompt) + len(r.target) for r in kept.rows)),
        "userInputTokenDistribution": _billed(ins),
        "userOutputTokenDistribution": _billed(outs),
        "userMessagePerExampleDistribution": _billed([len(r.contents) + 1 for r in kept.rows]),
    }
    return {"supervisedTuningDataStats": shared}


def _billed(values: Sequence[int]) -> dict[str, Any]:
    """The supervised form of a distribution, whose sums are int64."""
    found = distribution(values)
    whole = str(sum(values))
    return {**found, "sum": whole, "billableSum": whole} if values else found


def distribution(values: Sequence[int]) -> dict[str, Any]:
    """Sum, range, quantiles (nearest rank) and histogram; empty for no values."""
    if not values:
        return {}
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    width = (high - low) / BUCKETS or 1.0

    def rank(share: float) -> float:
        return float(ordered[max(0, math.ceil(share * len(ordered)) - 1)])

    buckets = [0] * BUCKETS
    for value in ordered:
        buckets[min(BUCKETS - 1, int((value - low) / width))] += 1
    return {
        "sum": float(sum(ordered)),
        "min": float(low),
        "max": float(high),
        "mean": sum(ordered) / len(ordered),
        "median": rank(0.5),
        "p5": rank(0.05),
        "p95": rank(0.95),
        "buckets": [
            {"count": float(count), "left": low + n * width, "right": low + (n + 1) * width}
            for n, count in enumerate(buckets)
            if count
        ],
    }


def billed_tokens(job: Mapping[str, Any]) -> int:
    """Tokens of all epochs on the bill of a job as it stands. Google does not say what a job costs
    that was stopped or failed (read 2026-11-26): here, the share of its epochs that were done."""
    spec = job.get("supervisedTuningSpec") or job.get("preferenceOptimizationSpec") or {}
    stats: Mapping[str, Any] = next(iter((job.get("tuningDataStats") or {}).values()), {})
    total = int(stats.get("totalBillableTokenCount") or 0)
    if job.get("state") in ("JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED"):
        return total
    done = int((job.get("tuningJobMetadata") or {}).get("completedEpochCount") or 0)
    epochs = int((spec.get("hyperParameters") or {}).get("epochCount") or 0)
    return total * done // epochs if epochs else 0
