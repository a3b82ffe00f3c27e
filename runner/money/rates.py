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
    """The multiplier for the place that answers: certain for a tuned model in the single region
    of its job, else with and without the surcharge."""
    by = model.prices.regional_multiplier
    if tuned and model.serving_locations == ["job"]:
        return Band(by, by)
    return Band(min(1.0, by), max(1.0, by))


def train_rate(model: GeminiModel) -> float | None:
    """US dollars for a token of one pass of tuning; None when it is not published."""
    return None if model.prices.train is None else model.prices.train / MILLION


def by_batch(batch_from: int | None, requests: float, *, tuned: bool) -> bool:
    """Whether so many requests are answered by batch prediction, which the untuned model is
    when `backend.batch_from` says so; checkpoints are asked online."""
    return not tuned and batch_from is not None and requests >= batch_from
