"""What single groups cannot see: which backend takes which model, place and knobs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from runner.config.backend import LocalBackendSettings, PluginBackend, VertexBackendSettings
from runner.config.model import GeminiModel, OpenModel
from runner.config.prepare import Prepare
from runner.config.select import GeminiEncoder
from runner.config.source import SourceBase
from runner.config.suite import Suite
from runner.config.tuning import RECOMMENDED, TuningSettings

TODAY = "SFT_TODAY"
"""Environment variable with the date (``2026-11-22``) to take for today's, for rehearsals of an
old experiment and for tests; the clock's when it is not set."""


@dataclass(frozen=True, slots=True)
class Incompatibility:
    """One value that does not go with the others."""

    key: str
    """Dotted key to change."""
    message: str


def today() -> date:
    """The day that retirement dates are held against. Raises ValueError for a bad `TODAY`."""
    given = os.environ.get(TODAY)
    if not given:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise ValueError(f"{TODAY}={given} is no date; write it like 2026-11-22") from None


def misfits(
    model: OpenModel | GeminiModel,
    backend: LocalBackendSettings | VertexBackendSettings | PluginBackend,
    tuning: TuningSettings,
    day: date,
) -> Iterator[Incompatibility]:
    """Everything that does not go together on `day`. A plug-in validates for itself."""
    if isinstance(backend, PluginBackend):
        return
    if isinstance(backend, VertexBackendSettings):
        if isinstance(model, GeminiModel):
            yield from _retirement(model, day)
            yield from _abilities(model, backend, tuning)
        else:
            wanted = "choose model=gemini_3_1_flash_lite or another gemini_..."
            yield Incompatibility(
                "model.kind", f"backend=vertex tunes Gemini only, not {model.kind}: {wanted}"
            )
    elif isinstance(model, GeminiModel):
        yield Incompatibility("model.kind", "is gemini, which only backend=vertex can tune")
    else:
        yield from _vertex_only(tuning)


def encoder_misfits(
    prepare: Prepare, backend: LocalBackendSettings | VertexBackendSettings | PluginBackend
) -> Iterator[Incompatibility]:
    """Encoders that the backend cannot be asked for."""
    encoders = {
        "prepare.leakage.semantic.encoder.kind": prepare.leakage.semantic,
        "prepare.select.diverse.encoder.kind": prepare.select.diverse,
    }
    for key, asked in encoders.items():
        if (
            asked
            and isinstance(asked.encoder, GeminiEncoder)
            and isinstance(backend, LocalBackendSettings)
        ):
            message = (
                "is gemini, which needs backend=vertex; on this machine there are lexical, and "
                "sentence with the model of your choice"
            )
            yield Incompatibility(key, message)


def seal_misfits(suite: Suite, source: SourceBase, prepare: Prepare) -> Iterator[Incompatibility]:
    """A sealed test split that nothing else can choose the finalists for."""
    if suite.sealed and source.validation is None and not prepare.split.validation:
        message = (
            "is true, and there are no validation rows to choose the finalists by: give some "
            "(source.validation, prepare.split.validation), or type suite.sealed=false"
        )
        yield Incompatibility("suite.sealed", message)


def _retirement(model: GeminiModel, day: date) -> Iterator[Incompatibility]:
    use = f"use model={model.successor}" if model.successor else "choose another model=gemini_..."
    if not model.tunable:
        yield Incompatibility("model.id", f"{model.id} cannot be tuned; {use}")
    if model.retires and day >= model.retires and not model.force_retired:
        message = f"{model.id} retired on {model.retires}; {use}"
        yield Incompatibility(
            "model.id", f"{message}, or try it all the same: model.force_retired=true"
        )


def _abilities(
    model: GeminiModel, backend: VertexBackendSettings, tuning: TuningSettings
) -> Iterator[Incompatibility]:
    """What the model's file says about adapters, methods, places, keys and evaluation."""
    place, sizes = backend.location, model.adapter_sizes
    if tuning.adapter_size not in (None, RECOMMENDED, *sizes):
        message = f"{model.id} takes {_listed(sizes)} (or null), not {tuning.adapter_size}"
        yield Incompatibility("tuning.adapter_size", message)
    if tuning.method not in model.methods:
        message = f"{model.id} can be tuned by {_listed(model.methods)}, not {tuning.method}"
        yield Incompatibility("tuning.method", message)
    if model.tuning_locations and place not in model.tuning_locations:
        message = f"{model.id} is tuned in {_listed(model.tuning_locations)}, not in {place}"
        yield Incompatibility("backend.location", message)
    if backend.kms_key and not model.kms:
        message = f"{model.id} does not work with customer-managed keys; set it to null"
        yield Incompatibility("backend.kms_key", message)
    if backend.auto_evaluation and not model.auto_evaluation:
        message = f"the service cannot evaluate {model.id} while it tunes; set it to false"
        yield Incompatibility("backend.auto_evaluation", message)
    elif backend.auto_evaluation and place not in (model.auto_evaluation_locations or [place]):
        where = _listed(model.auto_evaluation_locations)
        yield Incompatibility("backend.auto_evaluation", f"works in {where} only, not in {place}")


def _vertex_only(tuning: TuningSettings) -> Iterator[Incompatibility]:
    """The local backend leaves no knob to a service, and knows supervised tuning only."""
    for key in ("epochs", "learning_rate_multiplier", "adapter_size"):
        if getattr(tuning, key) is None:
            yield Incompatibility(f"tuning.{key}", "is null, which only backend=vertex can decide")
    if tuning.method != "supervised":
        yield Incompatibility(
            "tuning.method", f"is {tuning.method}, which only backend=vertex can do"
        )
    if tuning.start_from:
        yield Incompatibility("tuning.start_from", "is set, which only backend=vertex can do")


def _listed(values: Sequence[object]) -> str:
    return " or ".join(", ".join(map(str, values)).rsplit(", ", 1))
