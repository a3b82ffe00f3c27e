"""The family of tests on two samples of prompts: each with its effect, interval and p-value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median

from runner.base.text import plural
from runner.config.skew import SkewLimits
from runner.records.skew import SkewComparison, SkewTest
from runner.skew.features import SIGNS, SIZES, languages
from runner.skew.matching import ContentPair
from runner.skew.prompts import Prompt
from runner.skew.tests import either_way, same_share, same_sizes, share_gap

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


def of_pairs(pairs: Sequence[ContentPair]) -> list[SkewTest]:
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


# What the comparison found in words, and which of the config's limits it crosses.


def skewed(found: SkewComparison) -> list[SkewTest]:
    """The tests that are no accident, strongest first."""
    return sorted((test for test in found.findings if test.skewed), key=lambda test: test.p_holm)


def lines(found: SkewComparison) -> list[str]:
    """One line a finding."""
    texts = [f"{item.name} differs" for item in found.exact]
    pairs = found.matched
    if pairs.changed_by_id:
        kinds = ", ".join(pairs.kinds)
        total = plural(pairs.by["id"], "row")
        texts.append(f"{pairs.changed_by_id} of {total} with equal ids differ: {kinds}")
    return texts + [_line(item) for item in skewed(found)]


def crossed(found: SkewComparison, config: SkewLimits) -> list[str]:
    """See `runner.skew.refusals`."""
    refused = []
    count = len(lines(found))
    if config.max_findings is not None and count > config.max_findings:
        texts = plural(count, "finding")
        refused.append(f"{texts}, and skew.max_findings allows {config.max_findings}")
    told = found.told_apart
    auc = told.production
    if config.max_auc is not None and auc > config.max_auc and told.skewed:
        refused.append(f"AUC {auc:.3f} of the classifier, and skew.max_auc allows {config.max_auc}")
    pairs = found.matched
    share = pairs.changed / pairs.pairs if pairs.pairs else 0.0
    if config.max_changed is not None and share > config.max_changed:
        refused.append(
            f"{share:.0%} of {plural(pairs.pairs, 'matched prompt')} differ in their bytes, and "
            f"skew.max_changed allows {config.max_changed:.0%}"
        )
    return refused


def _line(item: SkewTest) -> str:
    one, other, p = item.tuning, item.production, item.p_holm
    said = {
        "share": f"{item.name}: {one:.0%} of tuning, {other:.0%} of production",
        "size": f"{item.name}: median {one:.4g} in tuning, {other:.4g} in production",
        "words": f"vocabulary: {other:.3f} bits apart, {one:.3f} would be chance",
        "classifier": f"a classifier tells the sides apart with AUC {other:.3f} (0.5 is guessing)",
        "pairs": f"{item.name}: more in production {other:.0%}, fewer {one:.0%}",
    }[item.kind]
    return f"{said} (p {'<0.001' if p < 0.001 else f'{p:.3f}'})"
