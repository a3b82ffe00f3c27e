"""The scores a suite can give, and whether its primary score is one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import entry_points

from runner.base.errors import ConfigError, Problem
from runner.config import JsonFields, Metric, PluginMetric, Suite
from runner.evaluation.extract import extraction_problems
from runner.evaluation.measure import MetricKind, ScoredAnswer
from runner.evaluation.metrics import (
    classification,
    constraints,
    corpus,
    exact_match,
    json_fields,
    number,
    rouge,
    token_f1,
)
from runner.evaluation.metrics.json_fields import fields_of
from runner.evaluation.tokenizers import missing_packages
from runner.records import SHARE, Scale
from runner.statistics.measure import is_mean

FIELD = "json_field/"


def known_scores(suite: Suite, fields: Sequence[str] = ()) -> list[str]:
    """Names of the scores that `suite` gives, in the order of its metrics.

    `fields` are the JSON fields that stand in the references; without them the
    ``json_field/...`` names of a `json_fields` metric that takes every field are missing.
    Raises ConfigError for an unknown plug-in.
    """
    return [name for metric in suite.metrics for name in kind_of(metric).names(metric, fields)]


def check_suite(suite: Suite, fields: Sequence[str] = ()) -> None:
    """Raise ConfigError with everything that is wrong in a suite that has the right shape:
    the extraction, scores given twice, a primary score that no metric gives or that has no worst
    value for rows without a usable answer."""
    names = known_scores(suite, fields)
    problems = extraction_problems(suite.extract, list(suite.normalize))
    problems += missing_packages(suite)
    for name, count in Counter(names).items():
        if count > 1:
            message = f"{name} is given by {count} metrics"
            problems.append(Problem("suite.metrics", message, hint="keep one of them"))
    problems += _score_problems(suite, fields, names, "suite.primary")
    for at, gate in enumerate(suite.not_worse):
        if gate.score not in (None, suite.primary):
            asked = suite.model_copy(update={"primary": gate.score})
            problems += _score_problems(asked, fields, names, f"suite.not_worse[{at}].score")
    if problems:
        raise ConfigError(problems)


def _score_problems(
    suite: Suite, fields: Sequence[str], names: list[str], key: str
) -> list[Problem]:
    """What is wrong with the primary score of `suite`, which stands at `key`."""
    if suite.primary not in names and not _open_field(suite, fields):
        return [_unknown_score(suite.primary, names, key)]
    return _bottomless(suite, key) if suite.unanswered == "wrong" else []


def _bottomless(suite: Suite, key: str) -> list[Problem]:
    """The problem with a plug-in's primary score that is a mean of rows and has no worst value."""
    for metric in suite.metrics:
        if not isinstance(metric, PluginMetric):
            continue
        for item in kind_of(metric).measure([], metric, suite).measures:
            if item.name == suite.primary and is_mean(item) and item.scale.worst is None:
                bound = "highest" if not item.scale.higher_is_better else "lowest"
                message = (
                    f"{item.name} has no worst value, which rows without a usable answer count "
                    "with under suite.unanswered: wrong"
                )
                hint = (
                    f"let the plug-in {metric.name!r} declare it, as {bound} of the score's Scale; "
                    "or compare on rows that all answered: suite.unanswered: common"
                )
                return [Problem(key, message, hint=hint)]
    return []


def primary_scale(suite: Suite) -> Scale | None:
    """What the values of the primary score mean, known before anything is scored; None where only
    the references tell that there is such a score. Raises ConfigError for an unknown plug-in."""
    for metric in suite.metrics:
        if suite.primary in kind_of(metric).names(metric, []):
            for item in kind_of(metric).measure([], metric, suite).measures:
                if item.name == suite.primary:
                    return item.scale
    return SHARE if suite.primary.startswith(FIELD) else None


def reference_fields(rows: Sequence[ScoredAnswer], suite: Suite) -> list[str]:
    """The JSON fields of the references, when a metric of the suite asks for them."""
    wanted = any(isinstance(metric, JsonFields) for metric in suite.metrics)
    return fields_of(rows) if wanted else []


def _open_field(suite: Suite, fields: Sequence[str]) -> bool:
    """A field score whose fields are not known before the references are read."""
    takes_all = any(isinstance(item, JsonFields) and item.fields is None for item in suite.metrics)
    return takes_all and not fields and suite.primary.startswith(FIELD)


def _unknown_score(wanted: str, names: list[str], key: str) -> Problem:
    near = get_close_matches(wanted, names, n=1, cutoff=0.5)
    message = f"no metric of the suite gives {wanted!r}; it gives {', '.join(names)}"
    return Problem(key, message, hint=f"did you mean {near[0]}?" if near else "")


# Which code measures which kind of metric, plug-ins included.

ENTRY_POINTS = "runner.metrics"

KINDS: dict[str, MetricKind] = {
    "exact_match": exact_match,
    "classification": classification,
    "token_f1": token_f1,
    "sacrebleu": corpus,
    "rouge": rouge,
    "json_fields": json_fields,
    "number": number,
    "constraints": constraints,
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
