"""Conditions that an answer has to meet, where no one answer is the right one: how long, in which
form, with or without which words, in which language.

They are checked by rules alone, as in IFEval (Zhou et al. 2023, arXiv:2311.07911). A target is a
JSON object of conditions, all of which have to hold; an answer without words meets none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runner.base import language, scripts

Bounds = tuple[int | None, int | None]

_SENTENCE = re.compile(r"[.!?…。！？]+(?=\s|$|[\"')\]])|[。！？]")
_BULLET = re.compile(r"\s*(?:[-*•–]|\d+[.)])\s+\S")
_FENCE = re.compile(r"```[\w-]*\n?(.*?)```", re.DOTALL)


def conditions_of(target: str) -> dict[str, Any]:
    """The conditions that a target names. Raises ValueError with the reason for a text that is no
    JSON object of known conditions."""
    try:
        found = json.loads(target)
    except ValueError:
        raise ValueError("it is no JSON object") from None
    if not isinstance(found, dict) or not found:
        raise ValueError("it names no condition")
    for name, wanted in found.items():
        if name not in CONDITIONS:
            raise ValueError(f"there is no condition {name!r}; there are {', '.join(CONDITIONS)}")
        if not _FORMS[CONDITIONS[name][0]](wanted):
            raise ValueError(f"{name} takes {CONDITIONS[name][0]}, not {json.dumps(wanted)}")
    return found


def unmet(answer: str, conditions: Mapping[str, Any], refusals: Iterable[str] = ()) -> list[str]:
    """The names of the conditions that `answer` does not meet; `refusals` are what an answer that
    declines says."""
    if not answer.strip():
        return list(conditions)
    context = tuple(_plain(each) for each in refusals)
    return [
        name
        for name, wanted in conditions.items()
        if not CONDITIONS[name][1](answer.strip(), wanted, context)
    ]


# What can be asked of an answer: the form of the condition, and its check.


def _within(count: int, bounds: Bounds) -> bool:
    low, high = bounds
    return (low is None or count >= low) and (high is None or count <= high)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _sentences(text: str) -> int:
    """Ends of sentences, and what follows the last of them."""
    ends = list(_SENTENCE.finditer(text))
    rest = text[ends[-1].end() :] if ends else text
    return len(ends) + bool(scripts.words(rest))


def _plain(text: str) -> str:
    return " ".join(text.replace("’", "'").casefold().split())


def _has_word(text: str, word: str) -> bool:
    """A whole word; in scripts without blanks a part of the text."""
    bounds = r"(?<!\w){}(?!\w)" if not scripts.has_unspaced(word) else "{}"
    return re.search(bounds.format(re.escape(_plain(word))), _plain(text)) is not None


def _as_json(text: str) -> Any:
    """The value that the whole answer is, with or without a fence; `_NOTHING` for other text."""
    fenced = _FENCE.fullmatch(text)
    try:
        return json.loads(fenced[1] if fenced else text)
    except ValueError:
        return _NOTHING


_NOTHING = object()


def _is_json(text: str) -> bool:
    return isinstance(_as_json(text), dict | list)


def _has_json(text: str) -> bool:
    """Whether an answer is JSON, or mostly so: the form has bled into it."""
    return _is_json(text) or bool(re.match(r"(```\w*\s*)?[{\[]\s*[\"{\[]", text))


def _keys(text: str, wanted: list[str], _: Any) -> bool:
    value = _as_json(text)
    return isinstance(value, dict) and set(wanted) <= set(value)


def _cased(text: str, wanted: str, _: Any) -> bool:
    return text == (text.upper() if wanted == "upper" else text.lower())


def _declines(text: str, wanted: bool, refusals: tuple[str, ...]) -> bool:
    said = _plain(text)
    return any(each in said for each in refusals) is wanted


COUNTS = "[least, most], null for no bound"
TEXTS = "a list of texts"
TEXT = "a text"
YES = "true or false"
CASE = '"upper" or "lower"'
LANGUAGE = "the English name of a language that can be told, such as German"

Check = Callable[[str, Any, tuple[str, ...]], bool]

CONDITIONS: dict[str, tuple[str, Check]] = {
    "words": (COUNTS, lambda text, wanted, _: _within(len(scripts.words(text)), wanted)),
    "sentences": (COUNTS, lambda text, wanted, _: _within(_sentences(text), wanted)),
    "lines": (COUNTS, lambda text, wanted, _: _within(len(_lines(text)), wanted)),
    "bullets": (
        COUNTS,
        lambda text, wanted, _: _within(sum(map(bool, map(_BULLET.match, _lines(text)))), wanted),
    ),
    "characters": (COUNTS, lambda text, wanted, _: _within(len(text), wanted)),
    "contains": (TEXTS, lambda text, wanted, _: all(_has_word(text, each) for each in wanted)),
    "contains_any": (TEXTS, lambda text, wanted, _: any(_has_word(text, each) for each in wanted)),
    "avoids": (TEXTS, lambda text, wanted, _: not any(_has_word(text, each) for each in wanted)),
    "avoids_characters": (TEXT, lambda text, wanted, _: not set(wanted) & set(text)),
    "starts": (TEXT, lambda text, wanted, _: _plain(text).startswith(_plain(wanted))),
    "ends": (TEXT, lambda text, wanted, _: _plain(text).endswith(_plain(wanted))),
    "case": (CASE, _cased),
    "json": (YES, lambda text, wanted, _: _is_json(text) if wanted else not _has_json(text)),
    "keys": (TEXTS, _keys),
    "language": (LANGUAGE, lambda text, wanted, _: language.language(text) == wanted),
    "refuses": (YES, _declines),
}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_FORMS: dict[str, Callable[[Any], bool]] = {
    COUNTS: lambda value: (
        isinstance(value, list)
        and len(value) == 2
        and all(each is None or _is_count(each) for each in value)
    ),
    TEXTS: lambda value: (
        isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)
    ),
    TEXT: lambda value: isinstance(value, str) and bool(value),
    YES: lambda value: isinstance(value, bool),
    CASE: lambda value: value in ("upper", "lower"),
    LANGUAGE: lambda value: value in language.LANGUAGES,
}
