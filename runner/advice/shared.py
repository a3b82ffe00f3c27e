"""One recommendation for all arms that got it, whatever their data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from runner.advice.words import earlier_words, profile_words, rule_words, taken_words
from runner.base.digests import digest_of
from runner.records.advice import Advised, Recommendation


@dataclass(frozen=True, slots=True)
class TakenAdvice:
    """Arms on the same data that took the same of a recommendation."""

    arms: Sequence[str]
    """Their names."""
    advised: Advised


@dataclass(frozen=True, slots=True)
class SharedAdvice:
    """One recommendation, what other rules would have said, and who took what of it."""

    recommendation: Recommendation
    beside: Sequence[Recommendation]
    taken: Sequence[TakenAdvice]

    def lines(self) -> Iterator[str]:
        """All of it for a terminal; lines after the first are indented."""
        yield from rule_words(self.recommendation, self.beside)
        for each in self.taken:
            yield f"  {', '.join(each.arms)}: {profile_words(each.advised.profile)}"
            yield f"    takes {taken_words(each.advised)}"
            yield from (f"    {line}" for line in earlier_words(each.advised))


def shared_advice(arms: Iterable[tuple[str, Advised | None]]) -> list[SharedAdvice]:
    """Everything that was recommended to arms of these names, in their order."""
    rules: dict[str, dict[str, list[tuple[str, Advised]]]] = {}
    for name, advised in arms:
        if advised:
            told = asdict(advised)
            rule = digest_of([told.pop("recommendation"), told.pop("beside")])
            rules.setdefault(rule, {}).setdefault(digest_of(told), []).append((name, advised))
    return [_shared(list(same.values())) for same in rules.values()]


def _shared(groups: Sequence[Sequence[tuple[str, Advised]]]) -> SharedAdvice:
    taken = [TakenAdvice([name for name, _ in same], same[0][1]) for same in groups]
    first = taken[0].advised
    return SharedAdvice(first.recommendation, first.beside, taken)
