"""The normalisers that deduplication and evaluation share."""

from __future__ import annotations

import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from runner.base.text import STEPS, normalize


@pytest.mark.parametrize(
    ("text", "steps", "expected"),
    [
        ("Where's my CARD?!", ["case", "alphanumeric", "whitespace"], "where s my card"),
        ("a_b-c", ["alphanumeric"], "a b c"),
        ("ﬁne", ["unicode"], "fine"),
        ("Straße", ["case"], "strasse"),
        ("The cat, an owl & a $5 dog.", ["punctuation", "articles", "whitespace"], "cat owl 5 dog"),
        ("हिन्दी में", ["alphanumeric"], "हिन्दी में"),
        ("  a \t b\n", ["whitespace"], "a b"),
        ("as is", [], "as is"),
    ],
)
def test_steps(text: str, steps: list[str], expected: str) -> None:
    assert normalize(text, steps) == expected


def test_letters_marks_and_numbers_stay_whatever_the_script() -> None:
    every = "".join(map(chr, range(0x110000)))
    expected = regex.sub(r"[^\p{L}\p{M}\p{N}]", " ", every)
    assert normalize(every, ["alphanumeric"]) == expected


def test_punctuation_goes_whatever_the_script() -> None:
    every = "".join(map(chr, range(0x110000)))
    expected = "".join(
        char
        for char in every
        if not unicodedata.category(char).startswith("P") and char not in "$+<=>^`|~"
    )
    assert normalize(every, ["punctuation"]) == expected


def test_an_unknown_step() -> None:
    with pytest.raises(KeyError):
        normalize("a", ["shout"])


@given(st.text(), st.sampled_from(["alphanumeric", "whitespace", "punctuation", "unicode", "case"]))
def test_a_step_done_twice_is_a_step_done_once(text: str, step: str) -> None:
    once = normalize(text, [step])
    assert normalize(once, [step]) == once


@given(st.text())
def test_every_step_takes_any_text(text: str) -> None:
    for step in STEPS:
        assert isinstance(normalize(text, [step]), str)
