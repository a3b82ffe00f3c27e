"""The rule that fires for some data and a model, and the values it comes to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from runner.base.errors import ConfigError, Problem
from runner.base.text import plural
from runner.config import Advice, AdviceRule, Conversion, DataRange, GeminiModel, ModelBase
from runner.config.advice import MODALITIES, TASKS
from runner.records.advice import DataProfile, Recommendation


def recommend(advice: Advice, profile: DataProfile, model: ModelBase) -> Recommendation:
    """What the one rule says that fires for this data and model; where the model has no rule of
    its own, what a conversion makes of an older model's.

    Raises ConfigError when no rule fires, with what rules there are, and when several do. Where
    the mean number of tokens is an estimate that reaches over the border of a rule, its `note`
    says so.
    """
    name = name_of(model)
    found = list(firing(advice, profile, name)) or list(_converted(advice, profile, name))
    if not found:
        raise ConfigError([_none(advice, profile, name)])
    if len(found) > 1:
        rules = " and ".join(each.rule for each in found)
        message = f"{rules} both fire for {name} with {said(profile)}"
        hint = f"give one of them other data, or take it out: ~advice.rules.{found[0].rule}"
        raise ConfigError([Problem("advice.rules", message, hint=hint)])
    return _with_doubt(found[0], advice, profile, name)


def recommend_beside(
    advice: Advice, profile: DataProfile, model: ModelBase
) -> tuple[Recommendation, ...]:
    """What conversions would say of a model that has a rule of its own."""
    name = name_of(model)
    direct = any(_is_for(rule.models, name) for rule in advice.rules.values())
    return tuple(_converted(advice, profile, name)) if direct else ()


def name_of(model: ModelBase) -> str:
    """What rules call a model."""
    return model.id if isinstance(model, GeminiModel) else model.name


def firing(advice: Advice, profile: DataProfile, name: str) -> Iterator[Recommendation]:
    """What every rule says that fires for data and model; one of them, if the rules are sound."""
    for rule_name, rule in advice.rules.items():
        if _is_for(rule.models, name) and _fires(rule, profile):
            yield _as_it_is(rule_name, rule)


def _is_for(patterns: list[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _fires(rule: AdviceRule, profile: DataProfile) -> bool:
    return (
        profile.modality in rule.modalities
        and profile.task in rule.tasks
        and profile.method == rule.method
        and fits(rule.data, profile)
    )


def fits(ranges: list[DataRange], profile: DataProfile) -> bool:
    """Whether data of this profile is of one of these sizes."""
    return any(
        profile.rows in each.rows
        and profile.mean_tokens in each.mean_tokens
        and profile.max_tokens in each.max_tokens
        for each in ranges
    )


def _as_it_is(name: str, rule: AdviceRule) -> Recommendation:
    return Recommendation(
        rule=name,
        epochs=rule.epochs,
        learning_rate_multiplier=rule.learning_rate_multiplier,
        adapter_size=rule.adapter_size,
        most_epochs=rule.most_epochs,
        fires_for=f"{' and '.join(rule.models)} with {_conditions(rule)}",
        why=rule.why,
        source=rule.source,
        date=rule.date.isoformat(),
        note=rule.note,
    )


def _with_doubt(
    found: Recommendation, advice: Advice, profile: DataProfile, name: str
) -> Recommendation:
    """The recommendation, with the rule that fires at another end of the estimate."""
    others = {
        each.rule
        for mean in (profile.least_mean, profile.most_mean)
        for each in firing(advice, replace(profile, mean_tokens=mean), name)
    } - {found.rule}
    if not others or found.rule not in advice.rules:
        return found
    doubt = (
        f"by the estimate a row may have {profile.least_mean:.0f} to {profile.most_mean:.0f} tokens"
        f" on average, and {' or '.join(sorted(others))} fires at the other end"
    )
    return replace(found, note="; ".join(filter(None, (found.note, doubt))))


# Rules of older models, carried over to those that came after them.


def _converted(advice: Advice, profile: DataProfile, name: str) -> Iterator[Recommendation]:
    for title, conversion in advice.conversions.items():
        if _is_for(conversion.models, name):
            for old in firing(advice, profile, conversion.of):
                yield convert(title, conversion, old, profile)


def convert(
    title: str, conversion: Conversion, old: Recommendation, profile: DataProfile
) -> Recommendation:
    """An older model's recommendation for a newer one; formulas in `runner.config.advice`."""
    epochs, rate = old.epochs, old.learning_rate_multiplier
    if epochs is not None and fits(conversion.epochs.data, profile):
        epochs = converted_epochs(conversion, epochs)
    if epochs is not None and conversion.most_epochs is not None:
        epochs = min(epochs, conversion.most_epochs)
    if rate is not None:
        rate = round(min(conversion.most_learning_rate_multiplier, math.log2(1 + rate)), 2)
    return Recommendation(
        rule=f"{title} of {old.rule}",
        epochs=epochs,
        learning_rate_multiplier=rate,
        adapter_size=old.adapter_size,
        most_epochs=conversion.most_epochs,
        fires_for=f"{' and '.join(conversion.models)}, as {old.rule} does for {old.fires_for}",
        why=f"{old.why}; {conversion.why}",
        source=f"{old.source}, converted by {conversion.source}",
        date=conversion.date.isoformat(),
        note=old.note,
    )


def converted_epochs(conversion: Conversion, epochs: int) -> int:
    """Epochs of the older model as the newer one needs them."""
    rule = conversion.epochs
    if epochs <= rule.same_to:
        return epochs
    if epochs >= rule.share_from:
        return max(1, round(rule.share * epochs))
    # The slope is a decimal number, so a whole result may come out a little above itself.
    return math.ceil(rule.same_to + rule.slope * (epochs - rule.same_to) - 1e-9)


# Words for what does not fire.


def said(profile: DataProfile) -> str:
    """``240 rows of 95 tokens on average, text, classification``."""
    rows = plural(profile.rows, "row")
    about = f"{rows} of {profile.mean_tokens:,.0f} tokens on average, {profile.modality}"
    method = f", {profile.method} tuning" if profile.method != "supervised" else ""
    return f"{about}, {profile.task}{method}"


def _none(advice: Advice, profile: DataProfile, name: str) -> Problem:
    """What rules there are: for the model where it has any, else which models have."""
    own = {key: rule for key, rule in advice.rules.items() if _is_for(rule.models, name)}
    if own:
        message = f"no rule of advice fires for {name} with {said(profile)}; there are: "
        message += "; ".join(f"{key} ({_conditions(rule)})" for key, rule in own.items())
    else:
        models = sorted({pattern for rule in advice.rules.values() for pattern in rule.models})
        models += sorted({model for each in advice.conversions.values() for model in each.models})
        known = ", ".join(dict.fromkeys(models)) or "none"
        message = f"no rule of advice is for {name}; there are rules for: {known}"
    hint = "set the numbers yourself (tuning=default has some), or write a rule: conf/advice/"
    return Problem("tuning", message, hint=f"{hint}default.yaml shows how")


def _conditions(rule: AdviceRule) -> str:
    """``text, fewer than 1,000 rows and fewer than 500 tokens a row``."""
    sizes = [_size(data) for data in rule.data]
    size = " or ".join(sizes) if all(sizes) else "any number of rows"
    every = len(rule.modalities) == len(MODALITIES)
    modality = "text or media" if every else " or ".join(rule.modalities)
    tasks = "" if len(rule.tasks) == len(TASKS) else " or ".join(rule.tasks)
    method = "" if rule.method == "supervised" else f"{rule.method} tuning"
    return ", ".join(filter(None, (modality, size, tasks, method)))


def _size(data: DataRange) -> str:
    words = {"rows": data.rows, "tokens a row": data.mean_tokens, "tokens at most": data.max_tokens}
    parts = []
    for word, span in words.items():
        if span.below is not None:
            parts.append(f"fewer than {span.below:,.0f} {word}")
        if span.at_most is not None:
            parts.append(f"up to {span.at_most:,.0f} {word}")
        if span.at_least:
            parts.append(f"{span.at_least:,.0f} {word} or more")
    return " and ".join(parts)
