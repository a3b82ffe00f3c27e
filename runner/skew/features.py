"""What can be said about one prompt by looking at it: signs of format, casing and language."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from runner.language import language
from runner.skew.prompts import Prompt

WORD = re.compile(r"\w+")
TOKEN = re.compile(r"\w{1,6}|[^\w\s]")
"""A rough token, for want of a tokenizer: six letters, or a sign."""


def _json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _has(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern, re.MULTILINE)
    return lambda text: bool(found.search(text))


def _capital(text: str) -> bool:
    first = next((sign for sign in text if sign.isalpha()), "")
    return first.isupper()


SIGNS: dict[str, Callable[[str], bool]] = {
    "is JSON": _json,
    "has Markdown": _has(r"^#{1,6} |\*\*[^*]+\*\*|^```|\[[^\]]+\]\([^)]+\)"),
    "has a list": _has(r"^\s*([-*•]|\d{1,2}[.)])\s"),
    "has tags": _has(r"<[A-Za-z/][^<>]{0,80}>"),
    "has a URL": _has(r"https?://|www\."),
    "has digits": _has(r"\d"),
    "has several lines": lambda text: "\n" in text.strip("\n"),
    "has blanks around": lambda text: text != text.strip(),
    "starts with a capital": _capital,
    "has no capital": lambda text: text == text.lower(),
    "ends with a question mark": lambda text: text.rstrip().endswith(("?", "？")),
    "ends with a full stop": lambda text: text.rstrip().endswith((".", "。")),
    "has a contraction": _has(r"\w['’](m|s|t|re|ve|ll|d)\b"),
    "has an emoji": _has("[\U0001f300-\U0001faff\u2600-\u27bf]"),
}
"""Yes-or-no questions about a text, as the sentence continues: "the prompt ..."."""

SIZES: dict[str, Callable[[str], int]] = {
    "characters": len,
    "words": lambda text: len(WORD.findall(text)),
    "tokens (estimate)": lambda text: len(TOKEN.findall(text)),
}


def words(text: str) -> set[str]:
    """Its words, in lower case."""
    return {word.lower() for word in WORD.findall(text)}


def languages(prompts: list[Prompt]) -> list[str]:
    return [language(prompt.text) for prompt in prompts]
