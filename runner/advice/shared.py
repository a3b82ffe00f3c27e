"""One recommendation for all arms that stand on the same data and model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from runner.advice.words import taken_words
from runner.base.digests import digest_of
from runner.records.advice import Advised


@dataclass(frozen=True, slots=True)
class SharedAdvice:
    """One recommendation, and the arms that took of it."""

    advised: Advised
    taken: Mapping[str, Advised]
    """Name of an arm to what it took."""

    @property
    def takers(self) -> list[tuple[str, str]]:
        """Names of arms, and the values that they took."""
        said: dict[str, list[str]] = {}
        for name, each in self.taken.items():
            said.setdefault(taken_words(each), []).append(name)
        return [(", ".join(names), words) for words, names in said.items()]


def shared_advice(arms: Iterable[tuple[str, Advised | None]]) -> list[SharedAdvice]:
    """Everything that was recommended to arms of these names, in their order."""
    found: dict[str, dict[str, Advised]] = {}
    for name, advised in arms:
        if advised:
            which = digest_of([asdict(advised.profile), asdict(advised.recommendation)])
            found.setdefault(which, {})[name] = advised
    return [SharedAdvice(next(iter(taken.values())), taken) for taken in found.values()]
