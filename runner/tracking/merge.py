"""What of a run's metrics is missing in the store, and whether the store holds wrong ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from runner.tracking.adapter import TrackedRun
from runner.tracking.facts import Measure

CURVES = ("train/", "validation/", "curve/")
"""Groups with a value per step. One wrong point spoils such a picture for good."""
LARGEST = 1.7976931348623157e308
"""What MLflow stores for infinity."""

History = Callable[[str, Iterable[str]], list[Measure]]
"""Every stored point of some metrics of a run."""


def spoiled(
    found: TrackedRun,
    params: Mapping[str, str],
    measures: Sequence[Measure] | None,
    history: History,
) -> bool:
    """Whether the run holds a param value or a curve point that is not so. Points are not
    looked at when `measures` is None."""
    if any(found.params[name] != params.get(name) for name in found.params):
        return True
    if measures is None:
        return False
    wanted = {_identity(item) for item in measures}
    stored = history(found.id, [name for name in found.metrics if name.startswith(CURVES)])
    return any(_identity(item) not in wanted for item in stored)


def unwritten(found: TrackedRun, measures: Sequence[Measure], history: History) -> list[Measure]:
    """The measures to write. Curve points that are there are left out; a single value is
    written when it differs, late enough to become the latest one. Scores of a checkpoint are
    always written, because their model may not have them; repetitions are recognised."""
    single = [item for item in measures if not item.key.startswith(CURVES)]
    curves = [item for item in measures if item.key.startswith(CURVES)]
    stored = {_identity(item) for item in history(found.id, _known(found, curves))}
    out = [item for item in curves if item.checkpoint or _identity(item) not in stored]
    changed = [item for item in single if not _equal(found.metrics.get(item.key), item.value)]
    latest = {item.key: item.time_ms for item in history(found.id, _known(found, changed))}
    out += [
        replace(item, time_ms=max(item.time_ms, latest.get(item.key, 0) + 1)) for item in changed
    ]
    return out + [item for item in single if item.checkpoint and item not in changed]


def _known(found: TrackedRun, measures: Iterable[Measure]) -> list[str]:
    return list(dict.fromkeys(item.key for item in measures if item.key in found.metrics))


def _identity(measure: Measure) -> tuple[str, int, int, str]:
    return measure.key, measure.step, measure.time_ms, repr(_stored(measure.value))


def _stored(value: float) -> float:
    """The value as MLflow gives it back."""
    if math.isinf(value):
        return math.copysign(LARGEST, value)
    return value


def _equal(stored: float | None, value: float) -> bool:
    return stored is not None and repr(float(stored)) == repr(_stored(value))
