"""The same content on both sides, and how its bytes differ.

Rows match by id, else by the nearest content: equal without template, casing and blanks, else
a cosine of character pieces of at least 0.9. Pairs by id must be equal byte by byte. Pairs by
content may be different rows, so for them only a change that goes one way counts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from runner.skew.features import PromptFrame
from runner.skew.prompts import Prompt

NEAR = 0.9
SHOWN_CHARACTERS = 1200


@dataclass(frozen=True, slots=True)
class ContentPair:
    """One content on both sides."""

    tuning: Prompt
    production: Prompt
    by: str
    """``id``, ``content`` or ``near content``."""
    kinds: tuple[str, ...]
    """How the bytes differ; empty when they do not."""


def matched(
    tuning: Sequence[Prompt],
    production: Sequence[Prompt],
    gram: Any,
    frames: tuple[PromptFrame, PromptFrame],
) -> list[ContentPair]:
    """Every production prompt that has a partner; `gram` is the cosine matrix, tuning first,
    `frames` the templates of both sides."""
    ids = {prompt.id: prompt for prompt in tuning if prompt.id}
    contents: dict[str, Prompt] = {}
    for prompt in tuning:
        contents.setdefault(_content(frames[0].inside(prompt.text)), prompt)
    pairs = []
    for at, prompt in enumerate(production):
        by, partner = "id", ids.get(prompt.id)
        if partner is None:
            by, partner = "content", contents.get(_content(frames[1].inside(prompt.text)))
        if partner is None:
            near = gram[len(tuning) + at, : len(tuning)]
            best = int(near.argmax())
            by, partner = "near content", tuning[best] if near[best] >= NEAR else None
        if partner is not None:
            pairs.append(ContentPair(partner, prompt, by, _kinds(partner, prompt, *frames)))
    return pairs


def _content(text: str) -> str:
    """The text without its casing, blanks and signs; the text itself when it is all signs."""
    return _unsigned(unicodedata.normalize("NFKC", text).casefold()) or text


def _unsigned(text: str) -> str:
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text).split())


def _kinds(
    one: Prompt, other: Prompt, frame: PromptFrame, other_frame: PromptFrame
) -> tuple[str, ...]:
    """Which of the things that people overlook are different, smallest first."""
    found = []
    if None not in (one.system, other.system) and one.system != other.system:
        found.append("system instruction")
    if one.text == other.text:
        return tuple(found)
    a, b = frame.inside(one.text), other_frame.inside(other.text)
    if frame != other_frame:
        found.append("template")
    steps: dict[str, Callable[[str], str]] = {
        "line ends": lambda text: text.replace("\r\n", "\n"),
        "Unicode form": lambda text: unicodedata.normalize("NFKC", text),
        "blanks": lambda text: " ".join(text.split()),
        "casing": str.casefold,
        "punctuation": _unsigned,
    }
    for name, step in steps.items():
        plain, other_plain = step(a), step(b)
        if _nearer(a, b, plain, other_plain):
            found.append(name)
        a, b = plain, other_plain
    return tuple(found if a == b else [*found, "wording"])


def _nearer(a: str, b: str, plain: str, other_plain: str) -> bool:
    """Whether a step took a difference away: it made them equal, or changed one side only."""
    return a != b and (plain == other_plain or (plain != a) != (other_plain != b))


def diff(one: str, other: str) -> list[tuple[str, str]]:
    """Stretches of ``same``, ``tuning`` (only there) and ``production`` text, in order."""
    one, other = one[:SHOWN_CHARACTERS], other[:SHOWN_CHARACTERS]
    stretches = []
    for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            stretches.append(("same", one[a:b]))
            continue
        if a < b:
            stretches.append(("tuning", one[a:b]))
        if c < d:
            stretches.append(("production", other[c:d]))
    return stretches
