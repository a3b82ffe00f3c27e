"""What was recommended, in lines for the terminal: the data, the rule, why, and what was found
before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runner.base.text import plural
from runner.records.advice import Advised, DataProfile, EarlierSetting, Recommendation


def rule_words(found: Recommendation, beside: Sequence[Recommendation]) -> Iterator[str]:
    """What the rule says, for what it fires, why, and where that is from; then what others say."""
    yield f"recommended by the rule {found.rule}: {values_words(found.values)}{_cap(found)}"
    yield f"  it fires for {found.fires_for}"
    yield f"  why: {found.why}"
    if found.note:
        yield f"  note: {found.note}"
    yield f"  source: {found.source}; {found.date}"
    for other in beside:
        yield f"  beside it, {other.rule}: {values_words(other.values)}"


def taken_words(advised: Advised) -> str:
    """The knobs that an arm left to advice, and what they came to."""
    return "; ".join(filter(None, (values_words(advised.taken), advised.capped)))


def profile_words(profile: DataProfile) -> str:
    """``240 training rows, 95 tokens a row (95 % have at most 110, the longest 130), text, ...``"""
    counted = profile.least_mean == profile.most_mean
    about = "" if counted else f", estimated: {profile.least_mean:,.0f} to {profile.most_mean:,.0f}"
    media = "".join(f", {kind} in {rows:,}" for kind, rows in profile.media.items())
    return (
        f"{plural(profile.rows, 'training row')}, {profile.mean_tokens:,.0f} tokens a row (95 % "
        f"have at most {profile.p95_tokens:,.0f}, the longest {profile.max_tokens:,.0f}{about}), "
        f"{profile.modality}{media}, task {profile.task}"
    )


def values_words(values: Mapping[str, float | None]) -> str:
    """``epochs 3, learning_rate_multiplier 1, adapter_size left to the service``."""
    return ", ".join(f"{knob} {value_words(value)}" for knob, value in values.items())


def value_words(value: float | None) -> str:
    """``3``, or that there is none."""
    return "left to the service" if value is None else f"{value:g}"


def _cap(found: Recommendation) -> str:
    return f" (at most {plural(found.most_epochs, 'epoch')})" if found.most_epochs else ""


def earlier_words(earlier: Sequence[EarlierSetting], looked_at: int) -> Iterator[str]:
    """What earlier experiments found, or that there is none, and how many were looked through."""
    looked = plural(looked_at, "earlier experiment")
    if not earlier:
        yield f"on like data: none among {looked} in the ledger"
    for setting in earlier:
        yield f"on like data: {setting_words(setting)}"


def setting_words(setting: EarlierSetting) -> str:
    """``tickets (2026-11-22), 240 rows, smollm2-135m: epochs 3, ...: exact_match 0.88 on test``."""
    values = {
        "epochs": setting.epochs,
        "learning_rate_multiplier": setting.learning_rate_multiplier,
        "adapter_size": setting.adapter_size,
    }
    chosen = "" if setting.best_epoch is None else f", epoch {setting.best_epoch:g} chosen"
    return (
        f"{setting.experiment} ({setting.ended}), {setting.rows:,} rows, {setting.model}: "
        f"{values_words(values)}{chosen}: {setting.metric} {setting.score:.3g} on {setting.split}, "
        f"best of {plural(setting.arms, 'tuned arm')}"
    )
