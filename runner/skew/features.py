"""What can be said about one prompt by looking at it: signs of format, casing and language."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runner.base.language import language
from runner.records.skew import FixedText
from runner.skew.prompts import Prompt
from runner.skew.tests import same_sizes

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


# What surrounds every prompt of a side: the template around its content, and the system text.
#
# Tuning's template is known. Production's is guessed: what nearly all its prompts share at an end
# is a template when the rest is as long as tuning's contents are, else a way of wording.

SHARE = 0.9
"""A system instruction is a side's when this share of it has it."""
NEARLY_ALL = 0.95
"""What this share of a side begins or ends with is shared; a template is around every prompt."""
FEW = 0.5
"""And the other side differs when at most this share of it does. Halves of one population of 20
or more never come that far apart by chance (odds below 1 in 10,000)."""
SHORTEST = 8
"""Characters; less is how sentences begin, not a template."""
AS_LONG = 0.05
"""Contents are as long as others when a test of their words gives at least this p."""
SHARED = {
    "before": "what nearly all prompts begin with",
    "after": "what nearly all prompts end with",
}


@dataclass(frozen=True, slots=True)
class PromptFrame:
    """Text that stands before and after the content."""

    before: str
    after: str

    def inside(self, text: str) -> str:
        """The content alone, where the frame is there."""
        text = text.removeprefix(self.before)
        return text.removesuffix(self.after) if self.after else text


@dataclass(frozen=True, slots=True)
class PromptEnd:
    """What one end of the prompts says, from the outside to the content."""

    template: str
    """Tuning's."""
    served: str
    """Production's, if it is one."""
    tuning: str
    """What nearly all tuning prompts share, template and wording."""
    production: str
    lost: bool
    """Production has not got tuning's template."""
    foreign: bool
    """Production shares what tuning has not got."""
    missing: bool
    """Tuning's contents share what production has not got."""

    def backwards(self) -> PromptEnd:
        texts = (self.template, self.served, self.tuning, self.production)
        template, served, tuning, production = (text[::-1] for text in texts)
        return PromptEnd(
            template, served, tuning, production, self.lost, self.foreign, self.missing
        )


def compare_frames(
    tuning: Sequence[str], production: Sequence[str], template: str
) -> tuple[tuple[PromptFrame, PromptFrame], list[FixedText]]:
    """The template around the prompts of each side, and the ends that differ; `template` is the
    Jinja source of the tuning prompts."""
    known = _written(template)
    turned, other_turned = ([text[::-1] for text in side] for side in (tuning, production))
    ends = {
        "before": _end(tuning, production, known.before),
        "after": _end(turned, other_turned, known.after[::-1]).backwards(),
    }
    one = PromptFrame(*(end.template for end in ends.values()))
    other = PromptFrame(*(end.served for end in ends.values()))
    contents = [[SIZES["words"](one.inside(text)) for text in tuning]]
    contents.append([SIZES["words"](other.inside(text)) for text in production])
    wraps = same_sizes(*contents)[1] >= AS_LONG
    found = []
    for side, end in ends.items():
        if end.lost or (end.foreign and wraps):
            name, pair = f"the template {side} the content", (end.template, end.served)
        elif end.foreign or end.missing:
            name, pair = SHARED[side], (end.tuning, end.production)
        else:
            continue
        found.append(FixedText(name, *pair))
    served = (end.served if wraps or end.lost else end.template for end in ends.values())
    return (one, PromptFrame(*served)), found


def _written(template: str) -> PromptFrame:
    """The plain text before the first and after the last Jinja of a template."""
    from jinja2 import Environment

    pieces = list(Environment().lex(template))
    before, after = (text if kind == "data" else "" for _, kind, text in (pieces[0], pieces[-1]))
    return PromptFrame(before, after if len(pieces) > 1 else "")


def _end(tuning: Sequence[str], production: Sequence[str], template: str) -> PromptEnd:
    """How the texts of both sides begin."""
    if _share(tuning, template) < NEARLY_ALL:
        template = ""  # earlier turns stand before it, or files behind it
    one, other = _common(sorted(tuning)), _common(sorted(production))
    own = one.removeprefix(template)
    lost = _share(production, template) <= FEW
    rest = other if lost else other.removeprefix(template)
    # A content that begins as tuning's does has its template before that.
    extra = rest.removesuffix(own)
    shared = template + own
    foreign = len(extra) >= SHORTEST and _share(tuning, other) <= FEW
    missing = len(own) >= SHORTEST and _share(production, shared) <= FEW
    served = ("" if lost else template) + (extra if foreign else "")
    return PromptEnd(template, served, shared, other, lost, foreign, missing)


def _common(ordered: Sequence[str]) -> str:
    """The longest prefix of nearly all. Of sorted texts these stand side by side."""
    wide = max(2, math.ceil(len(ordered) * NEARLY_ALL))
    spans = zip(ordered, ordered[wide - 1 :], strict=False)
    longest = max((_same_start(*ends) for ends in spans), key=len, default="")
    # With one content over and over, the whole text is no template.
    return "" if longest in ordered else longest


def _same_start(one: str, other: str) -> str:
    """The longest common prefix."""
    pairs = enumerate(zip(one, other, strict=False))
    end = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    return one[:end]


def _share(texts: Sequence[str], start: str) -> float:
    return sum(text.startswith(start) for text in texts) / len(texts)


def system_differences(
    tuning: Sequence[str | None], production: Sequence[str | None]
) -> list[FixedText]:
    """The system instruction that most of a side has and most of the other has not; compared
    exactly, as any difference reaches the model. Unknown ones are left out."""
    one, other = [s for s in tuning if s is not None], [s for s in production if s is not None]
    if not one or not other:
        return []
    (here, n), (there, other_n) = Counter(one).most_common(1)[0], Counter(other).most_common(1)[0]
    missed = n >= SHARE * len(one) and other.count(here) <= FEW * len(other)
    extra = other_n >= SHARE * len(other) and one.count(there) <= FEW * len(one)
    if here == there or not (missed or extra):
        return []
    return [FixedText("the system instruction", here, there)]
