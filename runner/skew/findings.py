"""The family of tests on two samples of prompts: each with its effect, interval and p-value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median

from runner.records.skew import SkewTest
from runner.skew.features import SIGNS, SIZES, languages
from runner.skew.matching import Pair
from runner.skew.prompts import Prompt
from runner.skew.two_samples import either_way, same_share, same_sizes, share_gap

MOST_LABELS = 50
FEWEST_PAIRS = 6
"""Below it no sign test can come under 0.05."""


def of_signs(tuning: Sequence[Prompt], production: Sequence[Prompt]) -> list[SkewTest]:
    """Shares of prompts with a sign of format or casing. What all prompts of both sides have,
    or none, is no question; that goes by both together, so it takes nothing from the test."""
    tests = []
    for name, has in SIGNS.items():
        tests += _share(f"{name}", [has(p.text) for p in tuning], [has(p.text) for p in production])
    here, there = ([p.turns > 1 for p in side if p.turns] for side in (tuning, production))
    return tests + (_share("has several turns", here, there) if here and there else [])


def of_language(tuning: Sequence[Prompt], production: Sequence[Prompt]) -> list[SkewTest]:
    """The share of the language that both sides together have most."""
    here, there = languages(list(tuning)), languages(list(production))
    known = Counter(name for name in here + there if name != "unknown").most_common(1)
    if not known:
        return []
    main = known[0][0]
    return _share(f"is in {main}", [x == main for x in here], [x == main for x in there])


def of_labels(tuning: Sequence[Prompt], production: Sequence[Prompt]) -> list[SkewTest]:
    """The share of each of the most frequent labels, where production knows its labels."""
    here = [p.label for p in tuning if p.label]
    there = [p.label for p in production if p.label]
    both = Counter(here + there)
    if not here or not there or len(both) > MOST_LABELS:
        return []
    return [
        test
        for label, _ in both.most_common(10)
        for test in _share(
            f"has the label {label[:40]}", [x == label for x in here], [x == label for x in there]
        )
    ]


def of_sizes(
    tuning: Sequence[Prompt],
    production: Sequence[Prompt],
    tokens: tuple[Sequence[int], Sequence[int]] | None,
) -> list[SkewTest]:
    """Lengths in characters, words and tokens; exact tokens where they were counted."""
    measured = {
        name: ([size(p.text) for p in tuning], [size(p.text) for p in production])
        for name, size in SIZES.items()
        if not (tokens and name.startswith("tokens"))
    }
    if tokens:
        measured["tokens"] = (list(tokens[0]), list(tokens[1]))
    tests = []
    for name, (here, there) in measured.items():
        gap, p = same_sizes(here, there)
        tests.append(
            SkewTest(name, "size", float(median(here)), float(median(there)), gap, None, None, p)
        )
    return tests


CHANGES: dict[str, Callable[[str], int]] = {
    "capitals": lambda text: sum(sign.isupper() for sign in text),
    "blanks": lambda text: sum(sign.isspace() for sign in text),
    "characters": len,
}


def of_pairs(pairs: Sequence[Pair]) -> list[SkewTest]:
    """Among rows matched by content: does production have more, or fewer, of something? In
    halves of one population either is as likely."""
    matched = [pair for pair in pairs if pair.by != "id"]
    tests = []
    for name, count in CHANGES.items():
        gaps = [count(pair.production.text) - count(pair.tuning.text) for pair in matched]
        ups, downs = sum(gap > 0 for gap in gaps), sum(gap < 0 for gap in gaps)
        if ups + downs >= FEWEST_PAIRS:
            n, effect = len(matched), (ups - downs) / len(matched)
            p = either_way(ups, downs)
            what = f"{name} of the same content"
            tests.append(SkewTest(what, "pairs", downs / n, ups / n, effect, None, None, p))
    return tests


def _share(name: str, here: Sequence[bool], there: Sequence[bool]) -> list[SkewTest]:
    yes, other = sum(here), sum(there)
    if yes + other in (0, len(here) + len(there)):
        return []
    counts = (yes, len(here), other, len(there))
    one, two = yes / len(here), other / len(there)
    return [SkewTest(name, "share", one, two, two - one, *share_gap(*counts), same_share(*counts))]
