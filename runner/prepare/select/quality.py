"""Rules a training row has to pass, each with a name that the tally counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from runner.config.select import Quality
from runner.language import UNKNOWN, language, script_of
from runner.prepare.keys import input_text
from runner.prepare.select.choice import Choice, Reason
from runner.records import Row

SPAN = 3
"""Words of a repeated run."""
UNSPACED_SPAN = 6
"""Characters of one, where a script has no blanks: some three words of Chinese or Japanese."""
# Scripts written without blanks: kana, ideographs, Thai, Lao, Khmer, Burmese.
WORD = re.compile(r"[぀-ヿ㐀-鿿฀-໿ក-៿က-႟]|[^\s぀-ヿ㐀-鿿฀-໿ក-៿က-႟]+")


def drop_by_rules(rows: Iterable[Row], quality: Quality, choice: Choice) -> None:
    """Drop every row that breaks a rule, for the first rule it breaks."""
    for at, row in enumerate(rows):
        broken = next(broken_rules(row, quality), None)
        if broken:
            choice.reasons[at] = Reason(broken[0], "rule", broken[1])


def broken_rules(row: Row, quality: Quality) -> Iterator[tuple[str, float]]:
    """Names of the rules that the row breaks, with the value that breaks them."""
    text = input_text(row, [])
    for name, value, least, most in (
        ("words", text, quality.min_words, quality.max_words),
        ("target_words", row.target, quality.min_target_words, quality.max_target_words),
    ):
        words = len(WORD.findall(value))
        if least is not None and words < least:
            yield f"few_{name}", words
        if most is not None and words > most:
            yield f"many_{name}", words
    if quality.max_repetition is not None:
        worst = max(repetition(text), repetition(row.target))
        if worst > quality.max_repetition:
            yield "repetition", round(worst, 4)
    if quality.scripts is not None:
        share = script_share(text, quality.scripts)
        if share <= 0.5:
            yield "other_script", round(share, 4)
    if quality.languages is not None:
        found = language(text)
        if found != UNKNOWN and found not in quality.languages:
            yield "other_language", 0.0


def repetition(text: str) -> float:
    """Share of the text's characters (without blanks) in word triples that stand in it twice or
    more, counted once where triples overlap (Rae et al. 2021, appendix A.1.1)."""
    words = WORD.findall(text)
    span = UNSPACED_SPAN if 2 * sum(map(_alone, words)) > len(words) else SPAN
    runs = [tuple(words[at : at + span]) for at in range(len(words) - span + 1)]
    times = Counter(runs)
    covered: set[int] = set()
    for at, run in enumerate(runs):
        if times[run] > 1:
            covered.update(range(at, at + span))
    total = sum(map(len, words))
    return sum(len(words[at]) for at in covered) / total if total else 0.0


def _alone(word: str) -> bool:
    """Whether it is a character of a script without blanks, which stands for a word."""
    return len(word) == 1 and word > "\u0e00"


def script_share(text: str, wanted: Iterable[str]) -> float:
    """Share of the text's letters that are of one of the scripts; 1 for a text without letters,
    which is in no other script either."""
    letters = Counter(script_of(char) for char in text if char.isalpha())
    total = letters.total()
    return sum(letters[name] for name in wanted) / total if total else 1.0
