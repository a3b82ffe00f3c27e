"""Rules of pricing that hold for all numbers, and the two readings of a conversation."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from runner.compose.folders import packaged_conf
from runner.config import GeminiModel
from runner.money import (
    Band,
    Calls,
    DatasetTokens,
    Price,
    answer_part,
    by_batch,
    checkpoints,
    dataset_tokens,
    queue_seconds,
    readings,
    total,
    tuning_parts,
)
from runner.records import Example, Origin, Request, Turn

MODELS = sorted(path.stem for path in (packaged_conf() / "model").glob("gemini_*.yaml"))
COUNTS = st.integers(0, 10**9)


@cache
def model(option: str = "gemini_3_1_flash_lite", **prices: Any) -> GeminiModel:
    text = (packaged_conf() / "model" / f"{option}.yaml").read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    raw["prices"].update(prices)
    return TypeAdapter(GeminiModel).validate_python(raw)


@st.composite
def bands(draw: st.DrawFn) -> Band:
    low = draw(COUNTS)
    return Band(low, low + draw(COUNTS))


@st.composite
def datasets(draw: st.DrawFn) -> DatasetTokens:
    last = draw(bands())
    return DatasetTokens(last, last + draw(bands()))


def ordered(price: Price) -> bool:
    return all(0 <= part.usd.low <= part.usd.high for part in price.parts if part.usd)


@given(datasets(), datasets(), st.integers(1, 100), st.integers(0, 50))
def test_tuning_is_ordered_and_adds_up(
    train: DatasetTokens, validation: DatasetTokens, low: int, more: int
) -> None:
    price = Price(tuning_parts(model(), train, validation, Band(low, low + more)))
    assert ordered(price)
    usd = price.usd
    assert usd is not None
    assert usd.low <= usd.high
    assert usd.high == pytest.approx(sum(part.usd.high for part in price.parts if part.usd))
    assert price.groups == {"train": usd}
    tokens = train.every_turn.high + validation.every_turn.high
    assert usd.high == pytest.approx(tokens * (low + more) * 3.00 / 1e6)


@given(datasets(), datasets(), datasets(), st.integers(1, 99))
def test_more_rows_or_epochs_never_cost_less(
    train: DatasetTokens, more: DatasetTokens, validation: DatasetTokens, epochs: int
) -> None:
    def cost(rows: DatasetTokens, passes: int) -> Band:
        usd = Price(tuning_parts(model(), rows, validation, Band(passes, passes))).usd
        assert usd is not None
        return usd

    least = cost(train, epochs)
    for other in (cost(train + more, epochs), cost(train, epochs + 1)):
        assert least.low <= other.low
        assert least.high <= other.high


@given(bands(), bands(), bands(), st.booleans(), st.booleans(), st.sampled_from(MODELS))
def test_more_tokens_never_cost_less_to_ask(
    prompt: Band, output: Band, more: Band, tuned: bool, batch: bool, option: str
) -> None:
    calls = Calls("evaluation", "test", Band(1, 1), prompt, output, tuned=tuned, batch=batch)
    dearer = replace(calls, output=output + more)
    first, second = (answer_part(model(option), item).usd for item in (calls, dearer))
    assert first is not None
    assert second is not None
    assert 0 <= first.low <= first.high
    assert first.low <= second.low
    assert first.high <= second.high


@given(st.lists(bands()))
def test_a_sum_is_the_sum_of_its_parts(given_bands: list[Band]) -> None:
    assert total(given_bands).low == pytest.approx(sum(band.low for band in given_bands))
    assert total(given_bands).high == pytest.approx(sum(band.high for band in given_bands))


@given(st.integers(1, 100))
def test_checkpoints_never_get_fewer_with_epochs(epochs: int) -> None:
    fewer, more = (checkpoints(count, last_only=False) for count in (epochs, epochs + 1))
    assert fewer <= more <= 11
    assert checkpoints(epochs, last_only=True) == 1


def test_an_unknown_price_is_no_sum() -> None:
    nothing = DatasetTokens(Band(), Band())
    rows = DatasetTokens(Band(10, 20), Band(10, 20))
    parts = tuning_parts(model(train=None), rows, nothing, Band(1, 1))
    calls = Calls("evaluation", "test", Band(1, 1), Band(5, 5), Band(5, 5), tuned=True)
    price = Price((*parts, answer_part(model(train=None), calls)))
    assert price.usd is None
    assert price.groups["train"] is None
    assert price.groups["evaluation"] is not None
    assert price.to_json()["total"] is None


@pytest.mark.parametrize("option", MODELS)
def test_every_model_of_the_table_can_be_asked(option: str) -> None:
    untuned, tuned = (
        answer_part(
            model(option), Calls("g", "w", Band(1, 1), Band(1e6, 1e6), Band(), tuned=is_tuned)
        ).usd
        for is_tuned in (False, True)
    )
    assert untuned is not None
    assert tuned is not None
    prices = model(option).prices
    assert tuned.high == pytest.approx(
        prices.input * prices.tuned_multiplier * max(1, prices.regional_multiplier)
    )
    assert untuned.low <= tuned.low


def letters(request: Request) -> tuple[int, int]:
    """One token a character, two at most."""
    text = request.system + "".join(turn.text for turn in request.contents)
    return len(text), 2 * len(text)


def example(*turns: str, target: str = "T" * 4, **more: str) -> Example:
    roles = [Turn("model" if at % 2 else "user", text) for at, text in enumerate(turns)]
    return Example("a", tuple(roles), target, Origin("f", 1), **more)


def test_a_conversation_is_read_in_two_ways() -> None:
    row = example("u" * 10, "m" * 20, "u" * 30, system="s" * 5)
    tokens = dataset_tokens([row], letters)
    # Last turn: 5 + 10 + 20 + 30 + 4. Every turn: 5 + 10 + 20, and all of the last one again.
    assert tokens.last_turn == Band(69, 2 * 69 + 8)
    assert tokens.every_turn == Band(35 + 69, 2 * (35 + 69) + 2 * 8)
    assert tokens.band == Band(69, 2 * (35 + 69) + 2 * 8)
    price = Price((), readings(model(), tokens, Band(2, 2)))
    assert price.conversations
    assert price.readings["last_turn"] == Band(2 * 69 * 3e-6, 2 * 146 * 3e-6)


def test_single_turns_leave_nothing_to_read() -> None:
    tokens = dataset_tokens([example("u" * 10), example("u" * 7)], letters)
    assert tokens.last_turn == tokens.every_turn == Band(14 + 11, 2 * 25 + 16)
    assert not Price((), readings(model(), tokens, Band(1, 1))).conversations


def test_preference_rows_cost_two_prompts_and_both_completions() -> None:
    row = example("u" * 10, system="s" * 5, rejected="r" * 6)
    low = 2 * 15 + 4 + 6
    assert dataset_tokens([row], letters).last_turn == Band(low, 2 * low + 16)


def test_batches_are_for_the_untuned_model() -> None:
    assert by_batch(100, 100, tuned=False)
    assert not by_batch(100, 99, tuned=False)
    assert not by_batch(100, 1000, tuned=True)
    assert not by_batch(None, 1000, tuned=False)


def test_a_queue_takes_one_job_after_the_other() -> None:
    assert queue_seconds([30, 10, 20], 1) == 60
    assert queue_seconds([30, 10, 20], 2) == 30
    assert queue_seconds([], 1) == 0
