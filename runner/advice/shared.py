"""One recommendation for all arms that got it, whatever their data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from runner.advice.words import earlier_words, profile_words, rule_words, taken_words
from runner.base.digests import digest_of
from runner.records.advice import Advised, DataProfile, EarlierSetting, Recommendation


@dataclass(frozen=True, slots=True)
class AdviceOnData:
    """Arms on the same data, and what they took of a recommendation."""

    profile: DataProfile
    earlier: Sequence[EarlierSetting]
    looked_at: int
    """Earlier experiments that were looked through."""
    arms: Mapping[str, Advised]
    """By name."""

    @property
    def taken(self) -> list[tuple[str, str]]:
        """Names of arms, and the values that they took."""
        said: dict[str, list[str]] = {}
        for name, each in self.arms.items():
            said.setdefault(taken_words(each), []).append(name)
        return [(", ".join(names), words) for words, names in said.items()]


@dataclass(frozen=True, slots=True)
class SharedAdvice:
    """One recommendation, what other rules would have said, and who took what of it."""

    recommendation: Recommendation
    beside: Sequence[Recommendation]
    on: Sequence[AdviceOnData]

    def lines(self) -> Iterator[str]:
        """All of it for a terminal; lines after the first are indented."""
        yield from rule_words(self.recommendation, self.beside)
        for data in self.on:
            yield f"  {profile_words(data.profile)}"
            yield from (f"    {names}: {words}" for names, words in data.taken)
            yield from (f"    {line}" for line in earlier_words(data.earlier, data.looked_at))


def shared_advice(arms: Iterable[tuple[str, Advised | None]]) -> list[SharedAdvice]:
    """Everything that was recommended to arms of these names, in their order."""
    rules: dict[str, dict[str, dict[str, Advised]]] = {}
    for name, advised in arms:
        if advised:
            told = asdict(advised)
            rule = digest_of([told["recommendation"], told["beside"]])
            data = digest_of([told["profile"], told["earlier"]])
            rules.setdefault(rule, {}).setdefault(data, {})[name] = advised
    return [_shared(list(same.values())) for same in rules.values()]


def _shared(groups: Sequence[Mapping[str, Advised]]) -> SharedAdvice:
    firsts = [next(iter(same.values())) for same in groups]
    on = [
        AdviceOnData(first.profile, first.earlier, first.looked_at, same)
        for first, same in zip(firsts, groups, strict=True)
    ]
    return SharedAdvice(firsts[0].recommendation, firsts[0].beside, on)
