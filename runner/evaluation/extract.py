"""What part of an answer is scored: the whole, a regex's match, a choice, or a JSON value.

The target of a tuning row is the answer the model is to give, so targets and references go
through the same extraction; where it finds nothing in a reference, the reference stands as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from runner.config import (
    ChoiceExtraction,
    Extraction,
    JsonExtraction,
    RegexExtraction,
    Suite,
)
from runner.errors import ConfigError, Problem
from runner.evaluation.json_text import canonical, first_value, mapped, parse
from runner.normalize import normalize

REGEX_SECONDS = 1.0
"""Longest time one pattern may take on one answer."""


def extracted(text: str, suite: Suite) -> str | None:
    """The scored part of `text`, None when there is none.

    Raises ConfigError for a pattern that backtracks for more than `REGEX_SECONDS`.
    """
    rule = suite.extract
    if isinstance(rule, RegexExtraction):
        return _match(rule.pattern, text)
    if isinstance(rule, ChoiceExtraction):
        return _choice(tuple(rule.choices), tuple(suite.normalize), text)
    if isinstance(rule, JsonExtraction):
        try:
            return canonical(first_value(text))
        except ValueError:
            return None
    return text


def extracted_reference(text: str, suite: Suite) -> str:
    """The scored part of a reference. Raises ValueError where JSON is asked for and the
    reference has none."""
    if isinstance(suite.extract, JsonExtraction):
        return canonical(first_value(text))
    found = extracted(text, suite)
    return text if found is None else found


@lru_cache(maxsize=1 << 15)
def _normal(text: str, steps: tuple[str, ...], is_json: bool) -> str:
    if is_json:
        return canonical(mapped(parse(text), lambda part: normalize(part, steps)))
    return normalize(text, steps)


def comparable(text: str, suite: Suite) -> str:
    """`text` as it is compared: normalised as the suite says.

    Of JSON only the texts inside are normalised; keys and structure stay, so that dropping
    punctuation cannot make two different objects equal.
    """
    return _normal(text, tuple(suite.normalize), isinstance(suite.extract, JsonExtraction))


def _match(pattern: str, text: str) -> str | None:
    # The standard library's engine cannot be stopped; `regex` (which sacreBLEU brings) can.
    import regex

    try:
        found = regex.search(pattern, text, timeout=REGEX_SECONDS)
    except TimeoutError:
        raise ConfigError(
            [
                Problem(
                    "suite.extract.pattern",
                    f"{pattern!r} takes more than {REGEX_SECONDS:g} s on an answer of "
                    f"{len(text)} characters: it backtracks without end",
                    hint="avoid nested repeats such as (a+)+ or (.*)*; anchor the pattern",
                )
            ]
        ) from None
    if found is None:
        return None
    return found.group(1 if found.re.groups else 0)  # type: ignore[no-any-return]


def _choice(choices: tuple[str, ...], steps: tuple[str, ...], text: str) -> str | None:
    words, original = _choice_pattern(choices, steps)
    found = words.search(normalize(text, steps))
    return original[found.group()] if found else None


@lru_cache(maxsize=64)
def _choice_pattern(
    choices: tuple[str, ...], steps: tuple[str, ...]
) -> tuple[re.Pattern[str], dict[str, str]]:
    """Choices as whole words, longest first, so that ``card lost`` beats ``card``."""
    original = {normalize(choice, steps): choice for choice in choices}
    ordered = sorted(original, key=len, reverse=True)
    joined = "|".join(re.escape(choice) for choice in ordered)
    return re.compile(rf"(?<!\w)(?:{joined})(?!\w)"), original


def extraction_problems(rule: Extraction, steps: list[str]) -> list[Problem]:
    """What is wrong with the extraction itself, before any answer is seen."""
    if isinstance(rule, RegexExtraction):
        return _pattern_problems(rule.pattern)
    if isinstance(rule, ChoiceExtraction):
        return _choice_problems(rule.choices, steps)
    return []


def _pattern_problems(pattern: str) -> list[Problem]:
    import regex

    try:
        regex.compile(pattern)
    except regex.error as error:
        mark = "" if error.pos is None else f" at position {error.pos}"
        return [Problem("suite.extract.pattern", f"{pattern!r} is no regex: {error.msg}{mark}")]
    return []


def _choice_problems(choices: list[str], steps: list[str]) -> list[Problem]:
    key = "suite.extract.choices"
    if not choices:
        return [Problem(key, "is empty", hint="list the answers that are allowed")]
    seen: dict[str, str] = {}
    problems = []
    for choice in choices:
        normal = normalize(choice, steps)
        if not normal.strip():
            problems.append(Problem(key, f"{choice!r} is empty after suite.normalize"))
        elif normal in seen:
            message = f"{choice!r} and {seen[normal]!r} are the same after suite.normalize"
            problems.append(Problem(key, message, hint="drop one of them"))
        seen[normal] = choice
    return problems
