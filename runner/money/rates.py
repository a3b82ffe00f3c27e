"""What a token costs here: the model's prices with the multipliers that apply."""

from __future__ import annotations

from runner.config import GeminiModel
from runner.money.band import Band

MILLION = 1_000_000


def answer_rates(model: GeminiModel, *, tuned: bool, batch: bool) -> tuple[Band, Band]:
    """US dollars for a token of a prompt and for one of an answer. They are bands because it is
    not published whether the ``us`` and ``eu`` multi-regions count as regional."""
    prices = model.prices
    factor = prices.tuned_multiplier if tuned else 1.0
    factor *= prices.batch_multiplier if batch else 1.0
    where = regional(model, tuned=tuned) * factor
    return where * (prices.input / MILLION), where * (prices.output / MILLION)


def regional(model: GeminiModel, *, tuned: bool) -> Band:
    """The multiplier for the place that answers. Models that answer where the job ran are in one
    region; else untuned ones answer at ``global``, and tuned ones in a multi-region."""
    by = model.prices.regional_multiplier
    if "job" in model.serving_locations:
        return Band(by, by)
    return Band(min(1.0, by), max(1.0, by)) if tuned else Band(1.0, 1.0)


def train_rate(model: GeminiModel) -> float | None:
    """US dollars for a token of one pass of tuning; None when it is not published."""
    return None if model.prices.train is None else model.prices.train / MILLION


def by_batch(batch_from: int | None, requests: float, *, tuned: bool) -> bool:
    """Whether so many requests are answered by batch prediction, which the untuned model is
    when `backend.batch_from` says so; checkpoints are asked online."""
    return not tuned and batch_from is not None and requests >= batch_from
