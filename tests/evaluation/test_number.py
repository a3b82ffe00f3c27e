"""Number match: what is one number, which counts, and how near is equal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.errors import DataError
from tests.compose.composing import compose_text
from tests.evaluation.make import scored, suite, values


def right(target: str, answer: str, **options: object) -> bool:
    scores, _ = scored([(target, answer)], suite({"kind": "number", **options}))
    return values(scores)["number"] == 1


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("10", "10.0"),
        ("1000", "1,000"),
        ("1234567.5", "1,234,567.50"),
        ("1.5", "$1.50"),
        ("-5", "-$5"),
        ("-5", "$-5"),
        ("0.75", "3/4"),
        ("1.5", "1 1/2"),
        ("2.5", "2½"),
        ("18", "She makes 9 * 2 = $18 every day."),
        ("7", "GPT4 says 7"),
        ("4", "pages 3-4"),
        ("1000", "1e3"),
        ("0.5", ".5"),
        ("50", "50%"),
        ("5", "- 5 apples"),
        ("1000000", "1 000 000 people"),
        ("1000000", "1\u202f000\u202f000"),
        ("-12345.5", "-12 345.50"),
        ("5.5", "5 100/200"),
        ("300", "0 300"),
        ("26", "1999 26"),
        ("1234", "12 1234"),
    ],
)
def test_equal_numbers(target: str, answer: str) -> None:
    assert right(target, answer)


@pytest.mark.parametrize(
    ("target", "answer"),
    [("150", "$1.50"), ("10", "100"), ("5", "-5"), ("0", "5/0"), ("3", "GPT3"), ("1", "none")],
)
def test_other_numbers(target: str, answer: str) -> None:
    assert not right(target, answer)


@given(st.integers(-(10**12), 10**12), st.text(st.sampled_from("ab. \n"), max_size=5))
def test_separators_never_matter(number: int, words: str) -> None:
    assert right(str(number), f"{words} {number:,}.")
    assert right(f"{number:,}.0", str(number))
    assert not right(str(number), f"{number + 1:,}")


@given(st.text(st.sampled_from("0123456789.,/%$-−½ eE'x"), max_size=40))
def test_any_text_has_a_number_or_none(text: str) -> None:
    right("1", text)


def test_options_change_what_is_right() -> None:
    assert right("3", "3 of 4", which="first")
    assert not right("3", "3 of 4")
    assert right("100", "101", relative_tolerance=0.01)
    assert not right("100", "101.1", relative_tolerance=0.01)
    assert right("0.3", "0.4", absolute_tolerance=0.1)
    assert right("0.5", "50%", percent="share")
    assert not right("$5", "5 €", units="same")
    assert right("$5", "$5.00", units="same")
    assert right("4", "3/4", fractions=False)
    assert right("1234,5", "1.234,50", decimal=",")


def test_the_signature_says_the_options() -> None:
    scores, _ = scored([("1", "1")], suite({"kind": "number", "which": "first"}))
    assert "which:first" in scores.overall["number"].signature


def test_a_target_without_a_number_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be compared as a number"):
        scored([("many", "5")], suite("number"))


GSM8K = {"kind": "regex", "pattern": r"#### (\-?[0-9\.\,]+)"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("He has 3 * 6 = <<3*6=18>>18\n#### 18", 1),
        ("#### 1,018", 0),
        ("It is 18", 0),
        ("#### -18", 0),
    ],
)
def test_gsm8k_counts_what_follows_the_marks(answer: str, expected: int) -> None:
    scores, _ = scored([("so 20 - 2 = 18\n#### 18", answer)], suite("number", extract=GSM8K))
    assert values(scores)["number"] == expected


def published(text: str) -> str:
    """The last number as GSM8K's published flags compare it: lm-evaluation-harness, tasks/gsm8k,
    the pattern of ``flexible-extract`` and ``regexes_to_ignore``."""
    found = [match.group() for match in re.finditer(r"-?[$0-9.,]{2,}|-?[0-9]+", text)]
    return re.sub(r"\.$", "", found[-1].replace(",", "").replace("$", "")) if found else ""


@pytest.mark.parametrize(
    ("target", "answer", "flag", "expected"),
    [
        ("18", "9 eggs at $2 each.\n#### 18", 1, 1),
        ("18", "She makes $18.", 1, 1),
        ("1018", "#### 1,018", 1, 1),
        ("1,018", "The answer is 1018", 1, 1),
        ("1234", "The answer is $1,234.00.", 0, 1),
        ("18", "The answer is 18.0", 0, 1),
        ("0.5", "It is 1/2", 0, 1),
        ("2", "It is 1/2", 1, 0),
        ("36", "18 eggs at $2 each make 36", 1, 1),
        ("18", "18 dollars and 50 cents", 0, 0),
        ("-5", "a loss of -5", 1, 1),
        ("5", "a loss of -5", 0, 0),
        ("5", "what is left of 10 - 5", 1, 1),
        ("4", "pages 3-4", 0, 1),
        ("50", "50%", 1, 1),
        ("1000000", "1 000 000", 0, 1),
        ("18", "I do not know", 0, 0),
        ("18", "18, or so.", 1, 1),
        ("12", "12...", 0, 1),
        ("12345", "1,2345", 1, 0),
        ("2026", "on 2026-11-27", 0, 0),
    ],
)
def test_the_number_suite_beside_published_flags(
    tmp_path: Path, target: str, answer: str, flag: int, expected: int
) -> None:
    """`conf/suite/number.yaml` says how it decides where the two differ."""
    (point,) = compose_text(tmp_path, "", "source.train=a.jsonl", "suite=number").points
    gold = f"First 3, then 4.\n#### {target}"
    assert (published(answer) == published(gold)) == flag
    scores, _ = scored([(gold, answer)], point.experiment.suite)
    assert values(scores)["number"] == expected
