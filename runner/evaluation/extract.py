"""What part of an answer is scored: the whole, a regex's match, a choice, or a JSON value.

The target of a tuning row is the answer the model is to give, so targets and references go
through the same extraction; where it finds nothing in a reference, the reference stands as it is.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from functools import lru_cache

from runner.base.errors import ConfigError, DataError, Problem, RowFault
from runner.base.text import normalize, plural
from runner.config import (
    ChoiceExtraction,
    Constraints,
    Extraction,
    JsonExtraction,
    NumberMatch,
    RegexExtraction,
    Suite,
)
from runner.evaluation.constraints import conditions_of
from runner.evaluation.json_text import canonical, first_value, mapped, parse
from runner.evaluation.measure import ScoredAnswer
from runner.evaluation.numbers import number_in
from runner.records import Cause, Example, Prediction, ScoredRow

REGEX_SECONDS = 1.0
"""Longest time one pattern may take on one answer."""


def extracted(text: str, suite: Suite, target: str | None = None) -> str | None:
    """The scored part of the answer `text`, None when there is none. Of several JSON values the
    first of the `target`'s type is taken.

    Raises ConfigError for a pattern that backtracks for more than `REGEX_SECONDS`.
    """
    rule = suite.extract
    spoken = without_thinking(text, suite.thinking)
    # By kind: `isinstance` on pydantic's models takes longer than all the rest for a short text.
    if spoken is None or rule.kind == "none":
        return spoken
    if rule.kind == "json":
        like = None if target is None else first_value(target)
        try:
            return canonical(first_value(spoken, like, strict=rule.strict))
        except ValueError:
            return None
    return _part(spoken, suite)


def _part(text: str, suite: Suite) -> str | None:
    rule = suite.extract
    if isinstance(rule, RegexExtraction):
        found = (_match(pattern, text, rule.which) for pattern in (rule.pattern, *rule.otherwise))
        return next((match for match in found if match is not None), None)
    if isinstance(rule, ChoiceExtraction):
        return _choice(tuple(rule.choices), tuple(suite.normalize), text, rule.which)
    return text


_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_END_OF_THOUGHT = "</think>"


def without_thinking(text: str, how: str) -> str | None:
    """`text` as `suite.thinking` has it; None when an answer has to follow ``</think>`` and
    does not, or thinking is all there is. Thinking whose ``<think>`` stands in the prompt is
    thinking as well."""
    if how == "keep":
        return text
    if how == "after":
        return text.rpartition(_END_OF_THOUGHT)[2].strip() if _END_OF_THOUGHT in text else None
    spoken = _THOUGHT.sub("", text).rpartition(_END_OF_THOUGHT)[2].strip()
    return spoken or (None if text.strip() else "")


def extracted_reference(text: str, suite: Suite) -> str:
    """The scored part of a reference. Raises ValueError where JSON is asked for and the
    reference has none."""
    if suite.extract.kind == "none":
        return text
    if suite.extract.kind == "json":
        return canonical(first_value(text))
    found = _part(text, suite)
    return text if found is None else found


SHORT = 200
"""Characters of a text whose normal form is remembered: metrics, arms and comparisons come back to
the same 100,000 answers. At most some 150 MB; long texts are seldom short of time."""


def _normal(text: str, steps: tuple[str, ...], is_json: bool) -> str:
    if is_json:
        return canonical(mapped(parse(text), lambda part: normalize(part, steps)))
    return normalize(text, steps)


_remembered = lru_cache(maxsize=1 << 18)(_normal)


def comparable(text: str, suite: Suite) -> str:
    """`text` as it is compared: normalised as the suite says.

    Of JSON only the texts inside are normalised; keys and structure stay, so that dropping
    punctuation cannot make two different objects equal.
    """
    normal = _remembered if len(text) <= SHORT else _normal
    return normal(text, tuple(suite.normalize), suite.extract.kind == "json")


def _match(pattern: str, text: str, which: str) -> str | None:
    # The standard library's engine cannot be stopped; `regex` (which sacreBLEU brings) can.
    import regex

    try:
        if which == "last":
            matches = regex.finditer(pattern, text, timeout=REGEX_SECONDS)
            found = next(iter(deque(matches, maxlen=1)), None)
        else:
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


def _choice(choices: tuple[str, ...], steps: tuple[str, ...], text: str, which: str) -> str | None:
    words, original = _choice_pattern(choices, steps)
    found = words.findall(normalize(text, steps))
    return original[found[-1 if which == "last" else 0]] if found else None


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
        problems = _pattern_problems("suite.extract.pattern", rule.pattern)
        for index, pattern in enumerate(rule.otherwise):
            problems += _pattern_problems(f"suite.extract.otherwise[{index}]", pattern)
        return problems
    if isinstance(rule, ChoiceExtraction):
        return _choice_problems(rule.choices, steps)
    return []


def _pattern_problems(key: str, pattern: str) -> list[Problem]:
    import regex

    try:
        regex.compile(pattern)
    except regex.error as error:
        mark = "" if error.pos is None else f" at position {error.pos}"
        return [Problem(key, f"{pattern!r} is no regex: {error.msg}{mark}")]
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


def reading(suite: Suite) -> str:
    """How the suite reads answers where that is not the default, for a score's signature, e.g.
    ``extract.which:last|thinking:strip``; of ``otherwise`` the number of patterns."""
    rule, found = suite.extract, {}
    if isinstance(rule, JsonExtraction) and rule.strict:
        found["extract.strict"] = "true"
    if isinstance(rule, RegexExtraction) and rule.otherwise:
        found["extract.otherwise"] = str(len(rule.otherwise))
    if isinstance(rule, RegexExtraction | ChoiceExtraction) and rule.which != "first":
        found["extract.which"] = rule.which
    if suite.thinking != "keep":
        found["thinking"] = suite.thinking
    return "|".join(f"{key}:{value}" for key, value in found.items())


# From an example and its prediction to what metrics score, and to the row that is kept.


def rows_of(
    examples: Sequence[Example], predictions: Sequence[Prediction], suite: Suite
) -> list[ScoredRow]:
    """One row an example, in their order, without scores yet.

    Raises ValueError when examples and predictions do not belong together or the service owes
    an answer, DataError for targets that have no JSON where the suite asks for it.
    """
    answers = {prediction.id: prediction for prediction in predictions}
    asked = {example.id for example in examples}
    if len(asked) != len(examples) or asked != answers.keys():
        missing = sorted(asked - answers.keys())[:3]
        raise ValueError(
            f"{len(predictions)} predictions do not answer {len(examples)} examples with "
            f"{len(asked)} ids one to one; unanswered: {missing}"
        )
    check_comparable(examples, suite)
    return [_row(example, answers[example.id], suite) for example in examples]


def check_comparable(examples: Sequence[Example], suite: Suite) -> None:
    """Raise DataError for every target and reference the suite cannot compare an answer with."""
    faults = []
    for example in examples:
        for name, text in [("target", example.target), *_named(example.references)]:
            try:
                extracted_reference(text, suite)
            except ValueError:
                message = f"has no JSON value, but suite.extract.kind is json: {text[:80]!r}"
                place = example.origin
                faults.append(RowFault(place.file, place.line, "target_not_json", message, name))
    if not faults:
        _check_numbers(examples, suite)
        _check_conditions(examples, suite)
    if faults:
        raise DataError(
            f"{plural(len(faults), 'target')} cannot be compared as JSON; another suite, "
            "such as text, compares them as they are",
            faults,
        )


def _check_conditions(examples: Sequence[Example], suite: Suite) -> None:
    """Raise DataError for every target and reference that names no conditions where a metric of
    the suite checks them."""
    if not any(isinstance(metric, Constraints) for metric in suite.metrics):
        return
    faults = []
    for example in examples:
        for name, text in [("target", example.target), *_named(example.references)]:
            try:
                conditions_of(text)
            except ValueError as error:
                message = f"names no conditions that can be checked: {error}: {text[:80]!r}"
                place = example.origin
                faults.append(RowFault(place.file, place.line, "no_conditions", message, name))
    if faults:
        raise DataError(
            f"{plural(len(faults), 'target')} cannot be checked by the metric `constraints`; "
            'write each as a JSON object such as {"words": [null, 20]}',
            faults,
        )


def _check_numbers(examples: Sequence[Example], suite: Suite) -> None:
    """Raise DataError for every target and reference that has no number where a metric of the
    suite compares numbers."""
    faults = []
    for metric in (item for item in suite.metrics if isinstance(item, NumberMatch)):
        for example in examples:
            for name, text in [("target", example.target), *_named(example.references)]:
                if number_in(extracted_reference(text, suite), metric) is None:
                    message = f"has no number, but suite.metrics compares numbers: {text[:80]!r}"
                    place = example.origin
                    fault = RowFault(place.file, place.line, "target_not_number", message, name)
                    faults.append(fault)
    if faults:
        raise DataError(
            f"{plural(len(faults), 'target')} cannot be compared as a number; another suite, "
            "such as text, compares them as they are",
            faults,
        )


def _named(references: Sequence[str]) -> list[tuple[str, str]]:
    return [("references", text) for text in references]


def _row(example: Example, answer: Prediction, suite: Suite) -> ScoredRow:
    found = None if answer.error else extracted(answer.text, suite, example.target)
    cause = cause_of(answer, found, (example.target, *example.references), suite)
    return ScoredRow(
        id=example.id,
        prompt=example.prompt,
        target=example.target,
        references=tuple(example.references),
        text=answer.text,
        extracted=None if cause else found,
        error=answer.error,
        finish=answer.finish,
        unanswered=cause or "",
        slices=dict(example.slices),
        group=example.group,
    )


def answer_of(row: ScoredRow, suite: Suite) -> ScoredAnswer:
    """A row as metrics see it."""
    texts = (row.target, *row.references)
    if suite.extract.kind == "none":
        return ScoredAnswer(row.extracted, texts)
    return ScoredAnswer(row.extracted, tuple(extracted_reference(text, suite) for text in texts))


# Why a row has no usable answer, as far as the answer itself shows it.
#
# An answer that was cut at the token limit is no answer, unless the suite's extraction found what
# it looks for in it. A cut answer that only repeats itself at its end was looping: more tokens
# would not have helped, which is worth another name.

LOOPS = 4
"""So many repetitions at the end of a cut answer, over at least half of it, are a loop."""
LOOKED_AT = 4000
"""Characters of the end that are looked at; keeps hostile answers cheap."""


def cause_of(
    answer: Prediction, found: str | None, targets: tuple[str, ...], suite: Suite
) -> Cause | None:
    """The one cause that says most, None for a usable answer. `found` is what the suite extracts
    from the answer. An empty answer is right where one of the `targets` is, as it is compared.

    Raises ValueError for an answer that the service owes: that is nobody's wrong answer.
    """
    if answer.lost:
        raise ValueError(f"the service owes the answer to {answer.id}: {answer.error}")
    if answer.error:
        return answer.cause or None
    whole = suite.extract.kind == "none"
    if answer.finish == "length" and (whole or found is None):
        if loops(answer.text):
            return "looping"
        # Conditions can be judged as far as an answer goes; nothing else can.
        if not all(isinstance(metric, Constraints) for metric in suite.metrics):
            return "cut"
    if not answer.text.strip() and all(_compared(target, suite) for target in targets):
        return "empty"
    return "unparsable" if found is None else None


def _compared(target: str, suite: Suite) -> str:
    return comparable(extracted_reference(target, suite), suite).strip()


def loops(text: str) -> bool:
    """Whether the text ends in the same piece over and over."""
    end = text.strip()[-LOOKED_AT:]
    for size in range(1, len(end) // LOOPS + 1):
        span = max(LOOPS * size, len(end) // 2)
        # A text has the period `size` where it equals itself moved by it.
        if end[-span:-size] == end[len(end) - span + size :]:
            return True
    return False
