"""Both sides drawn, held against each other, and what came of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from runner.base.errors import DataError
from runner.base.text import plural
from runner.config.skew import SkewLimits
from runner.records import Example
from runner.records.skew import (
    ClassifierNull,
    ExtremePrompt,
    MatchedPair,
    MatchedPairs,
    SkewComparison,
    SkewTest,
    Vocabulary,
)
from runner.skew.features import compare_frames, languages, system_differences
from runner.skew.matching import ContentPair, diff, matched
from runner.skew.prompts import Prompt, of_example, of_record
from runner.skew.shifts import of_labels, of_language, of_pairs, of_signs, of_sizes
from runner.skew.tests import ClassifierResult, auc_interval, tell_apart
from runner.skew.words import compare_words, gram_matrix
from runner.statistics.significance import holm_adjusted

FEWEST = 20
SHOWN_PAIRS = 20
EXTREMES = 8
SHOWN_CHARACTERS = 1200
TokenCounter = Callable[[Sequence[Example]], list[tuple[int, int]] | None]


def compare_sides(
    examples: Iterable[Example],
    records: Iterable[Mapping[str, Any]],
    config: SkewLimits,
    seed: int,
    template: str,
    count_tokens: TokenCounter | None,
) -> SkewComparison:
    """See `runner.skew.differences`."""
    tuning, all_tuning = _drawn(map(of_example, examples), config.sample, seed, "tuning")
    production, all_there = _drawn(map(of_record, records), config.sample, seed, "production")
    texts = [prompt.text for prompt in (*tuning, *production)]
    gram = gram_matrix(texts)
    first = len(tuning)
    frames, around = compare_frames(texts[:first], texts[first:], template)
    pairs = matched(tuning, production, gram, frames)
    told = tell_apart(texts, gram, len(tuning), config.permutations, seed)
    tokens = _tokens(tuning, production, count_tokens)
    tests, vocabulary = _tests(tuning, production, tokens, pairs), None
    if any(character.isalnum() for text in texts for character in text):
        vocabulary = compare_words(texts, len(tuning), config.permutations, seed)
        tests.append(_of_words(vocabulary))
    tests.append(_of_classifier(told, len(tuning), len(production)))
    adjusted = holm_adjusted([test.p for test in tests])
    findings = tuple(
        replace(test, p_holm=p, skewed=p <= config.alpha)
        for test, p in zip(tests, adjusted, strict=True)
    )
    systems = [[prompt.system for prompt in side] for side in (tuning, production)]
    return SkewComparison(
        sides={"tuning": (len(tuning), all_tuning), "production": (len(production), all_there)},
        alpha=config.alpha,
        findings=findings,
        exact=(*system_differences(*systems), *around),
        matched=_matched(pairs),
        classifier=ClassifierNull(tuple(told.null)),
        vocabulary=vocabulary,
        lengths=(_lengths(tuning), _lengths(production)),
        languages=(Counter(languages(tuning)), Counter(languages(production))),
        extremes=_extremes(tuning, production, told),
        notes=_notes(production),
    )


def _lengths(side: Sequence[Prompt]) -> tuple[int, ...]:
    return tuple(len(prompt.text) for prompt in side)


def _drawn(
    prompts: Iterable[Prompt], sample: int, seed: int, side: str
) -> tuple[list[Prompt], int]:
    """A seeded draw in the order of the file, and how many there were. Holds the draw only."""
    draw, seen = random.Random(f"{seed}/{side}"), 0
    kept: list[tuple[int, Prompt]] = []
    for seen, prompt in enumerate(prompts, 1):
        if len(kept) < sample:
            kept.append((seen, prompt))
        elif (at := draw.randrange(seen)) < sample:
            kept[at] = (seen, prompt)
    if seen < FEWEST:
        raise DataError(
            f"skew: {plural(seen, f'{side} prompt')}, and {FEWEST} are the least that anything can "
            "be said about; 100 show gross shifts, 300 moderate ones"
        )
    return [prompt for _, prompt in sorted(kept, key=lambda item: item[0])], seen


def _tests(
    tuning: Sequence[Prompt],
    production: Sequence[Prompt],
    tokens: tuple[Sequence[int], Sequence[int]] | None,
    pairs: Sequence[ContentPair],
) -> list[SkewTest]:
    return [
        *of_sizes(tuning, production, tokens),
        *of_signs(tuning, production),
        *of_language(tuning, production),
        *of_labels(tuning, production),
        *of_pairs(pairs),
    ]


def _of_words(words: Vocabulary) -> SkewTest:
    found, usual = words.divergence, words.expected
    return SkewTest("vocabulary", "words", usual, found, found - usual, None, None, words.p)


def _of_classifier(told: ClassifierResult, n: int, other: int) -> SkewTest:
    low, high = auc_interval(told.auc, n, other)
    effect = told.auc - 0.5
    return SkewTest(
        "classifier", "classifier", 0.5, told.auc, effect, low - 0.5, high - 0.5, told.p
    )


def _tokens(
    tuning: Sequence[Prompt], production: Sequence[Prompt], count: TokenCounter | None
) -> tuple[list[int], list[int]] | None:
    both = (*tuning, *production)
    # What one side does not say may not make the other longer.
    known = all(prompt.system is not None for prompt in both)
    found = count([prompt.example(with_system=known) for prompt in both]) if count else None
    if found is None:
        return None
    prompts = [prompt for prompt, _ in found]
    return prompts[: len(tuning)], prompts[len(tuning) :]


def _matched(pairs: Sequence[ContentPair]) -> MatchedPairs:
    """Counts by kind of difference, and the first pairs of each kind as diffs."""
    kinds = Counter(kind for pair in pairs for kind in pair.kinds)
    changed = [pair for pair in pairs if pair.kinds]
    by = Counter(pair.by for pair in pairs)
    rarest = sorted(changed, key=lambda pair: (pair.by != "id", -kinds[pair.kinds[0]]))
    return MatchedPairs(
        pairs=len(pairs),
        by=by,
        changed=len(changed),
        changed_by_id=sum(pair.by == "id" for pair in changed),
        kinds=dict(kinds.most_common()),
        shown=tuple(_shown(pair) for pair in rarest[:SHOWN_PAIRS]),
    )


def _shown(pair: ContentPair) -> MatchedPair:
    one, other = pair.tuning.system or "", pair.production.system or ""
    differs = "system instruction" in pair.kinds
    return MatchedPair(
        tuning=pair.tuning.id,
        production=pair.production.id,
        by=pair.by,
        kinds=pair.kinds,
        text=tuple(diff(pair.tuning.text, pair.production.text)),
        system=tuple(diff(one, other)) if differs else (),
    )


def _extremes(
    tuning: Sequence[Prompt], production: Sequence[Prompt], told: ClassifierResult
) -> dict[str, tuple[ExtremePrompt, ...]]:
    """The prompts of each side that are least like the other side."""
    here = [(score, p) for score, p in zip(told.scores, tuning, strict=False)]
    there = [(-score, p) for score, p in zip(told.scores[len(tuning) :], production, strict=True)]
    return {
        side: tuple(
            ExtremePrompt(p.id, score, p.text[:SHOWN_CHARACTERS])
            for score, p in sorted(rows, key=lambda row: row[0])[:EXTREMES]
        )
        for side, rows in (("tuning", here), ("production", there))
    }


def _notes(production: Sequence[Prompt]) -> tuple[str, ...]:
    notes = []
    unknown = sum(prompt.system is None for prompt in production)
    if unknown:
        notes.append(
            f"{unknown} of {len(production)} production prompts do not say their system "
            "instruction, so it was not compared for them: add the key `system`"
        )
    if len(production) < 100:
        notes.append(f"{len(production)} production prompts show gross shifts only")
    return tuple(notes)
