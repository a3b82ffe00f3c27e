"""Which code measures which kind of metric, plug-ins included."""

from __future__ import annotations

from importlib.metadata import entry_points

from runner.config import Metric, PluginMetric
from runner.errors import ConfigError, Problem
from runner.evaluation.measure import MetricKind
from runner.evaluation.metrics import (
    classification,
    exact_match,
    json_fields,
    rouge,
    sacrebleu_scores,
    token_f1,
)

ENTRY_POINTS = "runner.metrics"

KINDS: dict[str, MetricKind] = {
    "exact_match": exact_match,
    "classification": classification,
    "token_f1": token_f1,
    "sacrebleu": sacrebleu_scores,
    "rouge": rouge,
    "json_fields": json_fields,
}


def kind_of(metric: Metric) -> MetricKind:
    """The code behind a metric of a suite. Raises ConfigError for an unknown plug-in."""
    if isinstance(metric, PluginMetric):
        return _plugin(metric.name)
    return KINDS[metric.kind]


def _plugin(name: str) -> MetricKind:
    known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in known:
        listed = ", ".join(sorted(known)) or "none is installed"
        message = f"no metric plug-in {name!r}; installed: {listed}"
        hint = f"a package adds one under the entry point {ENTRY_POINTS}"
        raise ConfigError([Problem("suite.metrics", message, hint=hint)])
    plugin: MetricKind = known[name].load()
    return plugin
