"""What a job's hyperparameters come to when the client leaves some of them open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.config import GeminiModel
from runner.emulator.facts import ADAPTERS, SIZES

DEFAULT_ADAPTER = 2
"""As the service chose for a set of 166 rows."""
EVERY_EPOCH = 10
"""Up to this many epochs each has its checkpoint; with more there are ten, evenly spaced,
and the last."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The numbers, and `body`: the same as the job's `hyperParameters` show them."""

    epochs: int
    multiplier: float
    adapter: int
    body: Mapping[str, Any]


def resolved(spec: Mapping[str, Any], model: GeminiModel, default_epochs: int) -> Resolved:
    """Every hyperparameter of a tuning spec."""
    asked = spec.get("hyperParameters", {})
    epochs = int(asked.get("epochCount") or default_epochs)
    multiplier = float(asked.get("learningRateMultiplier") or 1.0)
    sizes = model.adapter_sizes
    default = DEFAULT_ADAPTER if DEFAULT_ADAPTER in sizes else sizes[0]
    adapter = SIZES.get(asked.get("adapterSize", ""), default)
    body = {
        **asked,
        "epochCount": str(epochs),
        "learningRateMultiplier": multiplier,
        "adapterSize": ADAPTERS[adapter],
    }
    return Resolved(epochs, multiplier, adapter, body)


def kept_epochs(epochs: int, last_only: bool) -> set[int]:
    """The epochs after which a checkpoint is kept."""
    if last_only:
        return {epochs}
    if epochs <= EVERY_EPOCH:
        return set(range(1, epochs + 1))
    return {round(epochs * part / EVERY_EPOCH) for part in range(1, EVERY_EPOCH + 1)}
