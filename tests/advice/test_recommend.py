"""Which rule fires: the guide's table cell by cell, its borders, conversions, gaps and overlaps."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import pytest
import yaml
from pydantic import TypeAdapter

from runner.advice import recommend, recommend_beside
from runner.advice.recommend import convert, converted_epochs, firing, name_of
from runner.base.errors import ConfigError
from runner.config import Advice, Model
from runner.config.advice import MODALITIES, TASKS, Span
from tests.advice.shipped import CONF, advice, data, model

SMALL = data(999, 499)
PRO, FLASH = "gemini-1.5-pro-002", "gemini-1.5-flash-002"

TABLE = {
    # model, modality: small (epochs, learning rate multiplier, adapter), large; None is "default"
    (PRO, "text"): ((20, 10, 4), (10, None, 4)),
    (FLASH, "text"): ((None, 10, 4), (None, None, 8)),
    (FLASH, "image"): ((15, 5, 16), (15, None, 4)),
    (FLASH, "audio"): ((20, 1, 4), (20, 1, 4)),
}
"""The guide's table, typed from the text."""

NOTES = {
    (PRO, "text", "large"): "multiplier of 5",
    (FLASH, "image", "small"): "15 epochs is the least",
    (FLASH, "image", "large"): "15 epochs is the most",
    (FLASH, "audio", "small"): "speech recognition may need more epochs",
    (FLASH, "audio", "large"): "speech recognition may need more epochs",
}
"""What the table's cells say besides."""


@pytest.mark.parametrize(("name", "modality"), TABLE, ids=lambda value: str(value))
@pytest.mark.parametrize("size", ["small", "large"])
def test_every_cell_of_the_guide(name: str, modality: str, size: str) -> None:
    cell = TABLE[name, modality][size == "large"]
    sizes = [(1, 1), (999, 499)] if size == "small" else [(1000, 499), (999, 500), (10**6, 9999)]
    for rows, tokens in sizes:
        found = recommend(advice(), data(rows, tokens, modality), model(name))
        assert tuple(found.values.values()) == cell, (rows, tokens, found.rule)
        assert NOTES.get((name, modality, size), "") in found.note
        assert "best practices guide" in found.source
        assert found.why
        size_words = "fewer than 1,000 rows" if size == "small" else "1,000 rows or more or 500 tok"
        assert (size_words if modality != "audio" else "any number of rows") in found.fires_for


def test_the_borders_of_small_are_1000_rows_and_500_tokens() -> None:
    def rule(rows: int, tokens: float) -> str:
        return recommend(advice(), data(rows, tokens), model(PRO)).rule.rpartition("_")[2]

    assert [rule(rows, 100) for rows in (999, 1000)] == ["small", "large"]
    assert [rule(10, tokens) for tokens in (499.9, 500)] == ["small", "large"]
    assert rule(1000, 500) == "large"


def test_an_estimate_that_reaches_over_a_border_says_so() -> None:
    found = recommend(advice(), data(100, 450, least_mean=340, most_mean=560), model(PRO))
    assert found.rule == "guide_1_5_pro_text_small"
    assert "340 to 560 tokens on average, and guide_1_5_pro_text_large fires" in found.note
    assert not recommend(advice(), data(100, 450), model(PRO)).note


# --- newer models ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gemini-3.1-flash-lite", "gemini-3.5-flash", "gemini-2.5-pro"])
@pytest.mark.parametrize("modality", MODALITIES)
def test_newer_gemini_models_have_capped_epochs(name: str, modality: str) -> None:
    few, many = (recommend(advice(), data(n, 5000, modality), model(name)) for n in (999, 1000))
    assert (few.epochs, many.epochs) == (8, 4)
    for found in (few, many):
        assert found.most_epochs == 8  # the service's own number has been 40
        assert found.learning_rate_multiplier is None
        assert found.adapter_size is None


CONVERTED = {
    # data of 1.5 Flash to what is converted: (epochs, multiplier, adapter)
    (900, 100, "text"): (None, 3.46, 4),
    (1000, 100, "text"): (None, None, 8),
    (900, 100, "image"): (11, 2.58, 16),  # 15 epochs: ceil(10 + 6 * 5 / 70)
    (100, 100, "audio"): (11, 1.0, 4),
}


@pytest.mark.parametrize(("rows", "tokens", "modality"), CONVERTED)
def test_the_guide_for_1_5_flash_is_converted_for_2_5_flash(
    rows: int, tokens: int, modality: str
) -> None:
    expected = CONVERTED[rows, tokens, modality]
    seen = data(rows, tokens, modality)
    found = recommend(advice("migrated"), seen, model("gemini-2.5-flash"))
    assert tuple(found.values.values()) == expected
    assert found.rule.startswith("flash_1_5_to_2_5 of guide_1_5_flash_")
    assert "sft_gemini_migration_recipe" in found.source
    # With a rule of its own, the converted values stand beside it.
    own = recommend(advice(), seen, model("gemini-2.5-flash"))
    assert own.rule.startswith("gemini_2_5_")
    assert recommend_beside(advice(), seen, model("gemini-2.5-flash")) == (found,)
    assert recommend_beside(advice(), seen, model("gemini-2.5-pro")) == ()


def test_the_formulas_of_the_conversion() -> None:
    """Google's own examples: 20 epochs to 11, 40 to 13; a multiplier of 10 to 3.5, 5 to 2.6."""
    conversion = advice("migrated").conversions["flash_1_5_to_2_5"]
    asked = [1, 10, 11, 20, 40, 45, 79, 80, 100]
    found = [converted_epochs(conversion, epochs) for epochs in asked]
    assert found == [1, 10, 11, 11, 13, 13, 16, 16, 20]
    old = recommend(advice(), SMALL, model(PRO))
    assert (old.epochs, old.learning_rate_multiplier) == (20, 10)

    def epochs(rows: int, mean: float, longest: int) -> int | None:
        seen = data(rows, mean, max_tokens=longest)
        return convert("c", conversion, old, seen).epochs

    assert epochs(9_999, 700, 8192) == 11
    assert epochs(10_000, 700, 8192) == 20  # many rows keep their epochs
    assert epochs(9_999, 701, 8192) == 20
    assert epochs(10_000, 3000, 8193) == 11
    assert epochs(100, 3001, 8193) == 20
    rates = {10: 3.46, 5: 2.58, 1: 1.0, 1023: 10, 5000: 10}
    for rate, expected in rates.items():
        made = convert("c", conversion, replace(old, learning_rate_multiplier=rate), SMALL)
        assert made.learning_rate_multiplier == expected


def test_local_models_have_what_was_measured() -> None:
    smol = recommend(advice(), data(240, 90), model("smollm2-135m"))
    assert tuple(smol.values.values()) == (3, 1, 8)
    assert "0.88" in smol.why
    gemma = recommend(advice(), data(96, 90), model("gemma3-270m"))
    assert tuple(gemma.values.values()) == (3, 1, 8)


# --- gaps and overlaps ----------------------------------------------------------------------

LOCAL = ("smollm2-135m", "gemma3-270m", "tiny-random")
NEWER = ("2.5-flash", "2.5-flash-lite", "2.5-pro", "3.1-flash-lite", "3.5-flash", "3.5-flash-lite")
COVERED = {
    PRO: {"text"},
    FLASH: {"text", "image", "audio"},
    "gemini-2.0-flash-001": set[str](),
    "gemini-2.0-flash-lite-001": set[str](),
    **{f"gemini-{name}": set(MODALITIES) for name in NEWER},
    **{name: {"text"} for name in LOCAL},
}
"""Shipped model to the kinds of data it has a rule for, of any size and task."""


def shipped_models() -> dict[str, str]:
    """Names in rules by option of the group `model`; those that the user names are left out."""
    found = {}
    for file in (CONF / "model").glob("*.yaml"):
        raw = yaml.safe_load(file.read_text())
        if "???" not in raw.values():
            found[file.stem] = name_of(TypeAdapter(Model).validate_python(raw))
    return found


def edges(spans: list[Span]) -> list[float]:
    """Every border of the spans, and a number on each side of it: between two borders nothing
    changes, so these are all numbers there are."""
    borders = sorted({each for s in spans for each in (s.at_least, s.below, s.at_most) if each})
    between = [(one + other) / 2 for one, other in pairwise([0, *borders])]
    return [*between, *borders, (borders[-1] if borders else 0) + 1]


def test_of_every_shipped_model_one_rule_fires_or_none_is_meant_to() -> None:
    assert set(shipped_models().values()) == set(COVERED)
    for option in ("default", "migrated", "guide", "gemini_3", "gemini_2_5", "local"):
        rules = advice(option).rules
        ranges = [each for rule in rules.values() for each in rule.data]
        rows = edges([each.rows for each in ranges])
        tokens = edges([each.mean_tokens for each in ranges])
        for name, modality in product(COVERED, MODALITIES):
            found = {
                len(list(firing(advice(option), data(n, t, modality, task=task), name)))  # type: ignore[arg-type]
                for n, t, task in product(rows, tokens, TASKS)
            }
            assert found <= {0, 1}, f"{option}: several rules fire for {name}, {modality}"
            if option == "default":
                assert found == {int(modality in COVERED[name])}, f"{name}, {modality}"


def test_local_rules_leave_nothing_to_a_service() -> None:
    for name, rule in advice("local").rules.items():
        assert None not in (rule.epochs, rule.learning_rate_multiplier, rule.adapter_size), name


def test_values_are_what_the_models_take() -> None:
    """A rule that the service would refuse is no advice."""
    for file in (CONF / "model").glob("gemini_*.yaml"):
        raw = yaml.safe_load(file.read_text())
        for modality, (rows, tokens) in product(COVERED[raw["id"]], [(1, 1), (5000, 5000)]):
            found = recommend(advice(), data(rows, tokens, modality), model(raw["id"]))
            assert found.adapter_size in (None, *raw["adapter_sizes"])


# --- what does not fire ---------------------------------------------------------------------


def refusal(found: Advice, *asked: object) -> str:
    with pytest.raises(ConfigError) as error:
        recommend(found, *asked)  # type: ignore[arg-type]
    return str(error.value)


def test_a_model_without_a_rule_is_refused_with_those_that_have_one() -> None:
    said = refusal(advice(), data(100, 100), model("gemini-2.0-flash-001"))
    assert "tuning: no rule of advice is for gemini-2.0-flash-001; there are rules for: " in said
    assert "gemini-2.5-*, gemini-3.*, gemma3-270m, smollm2-135m, tiny-random" in said
    assert "tuning=default has some" in said
    assert "conf/advice/default.yaml shows how" in said
    assert "there are rules for: none" in refusal(Advice(), SMALL, model("mine"))


def test_data_without_a_rule_is_refused_with_the_rules_of_the_model() -> None:
    said = refusal(advice(), data(240, 90, "video"), model(FLASH))
    assert "no rule of advice fires for gemini-1.5-flash-002 with 240 rows of 90 tokens" in said
    assert (
        "on average, video, generation; there are: guide_1_5_flash_text_small (text, fewer" in said
    )
    assert "guide_1_5_flash_audio (audio, any number of rows)" in said
    assert "1,000 rows or more or 500 tokens a row or more" in said


def test_preference_tuning_has_no_rule() -> None:
    preferred = data(240, 90, method="preference")
    said = refusal(advice(), preferred, model("gemini-2.5-flash"))
    assert "text, generation, preference tuning" in said


def test_two_rules_for_one_thing_are_refused() -> None:
    raw = advice("local").model_dump()
    raw["rules"]["mine"] = {**raw["rules"]["tiny_random"], "data": [{"rows": {"below": 50}}]}
    both = Advice.model_validate(raw)
    said = refusal(both, data(49, 10), model("tiny-random"))
    assert "advice.rules: tiny_random and mine both fire for tiny-random with 49 rows" in said
    assert "~advice.rules.tiny_random" in said
    assert recommend(both, data(50, 10), model("tiny-random")).rule == "tiny_random"


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ({"at_least": 10, "below": 10}, "no number is at least 10 and below 10"),
        ({"at_least": 10, "at_most": 9}, "no number is at least 10 and at most 9"),
        ({"below": 5, "at_most": 9}, "ends twice, with below and with at_most"),
    ],
)
def test_a_range_of_nothing_is_refused(span: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Span.model_validate(span)


def test_a_rule_above_its_own_cap_is_refused() -> None:
    raw = {**advice("local").model_dump()["rules"]["tiny_random"], "most_epochs": 1}
    with pytest.raises(ValueError, match="epochs 2 is above most_epochs 1"):
        Advice.model_validate({"rules": {"mine": raw}})
