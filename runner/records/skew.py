"""What the comparison of tuning prompts with production prompts found: ``skew.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NAME = "skew.json"


@dataclass(frozen=True, slots=True)
class SkewTest:
    """One question asked of both sides, and its answer."""

    name: str
    kind: str
    """``share``, ``size``, ``words``, ``classifier`` or ``pairs``."""
    tuning: float
    production: float
    effect: float
    """Difference of shares (production minus tuning); the largest gap of two distributions of
    sizes; bits of divergence above chance; AUC - 0.5; share of the pairs that go one way."""
    low: float | None
    high: float | None
    p: float
    p_holm: float = 1.0
    """After Holm's correction over all tests of the comparison."""
    skewed: bool = False
    """Whether that is at most `alpha`."""


@dataclass(frozen=True, slots=True)
class FixedText:
    """A text that nearly all prompts of a side share and the other side has not."""

    name: str
    tuning: str
    production: str


@dataclass(frozen=True, slots=True)
class MatchedPair:
    """One content on both sides, with its differences as stretches of ``same``, ``tuning`` (only
    there) and ``production`` text."""

    tuning: str
    production: str
    by: str
    """``id``, ``content`` or ``near content``."""
    kinds: tuple[str, ...]
    """How the bytes differ."""
    text: tuple[tuple[str, str], ...]
    system: tuple[tuple[str, str], ...]
    """Empty where the system instructions are the same."""


@dataclass(frozen=True, slots=True)
class MatchedPairs:
    """Production prompts that have a partner in tuning: counts, and the first of each kind."""

    pairs: int
    by: Mapping[str, int]
    changed: int
    changed_by_id: int
    kinds: Mapping[str, int]
    shown: tuple[MatchedPair, ...]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How far apart the words are, and which ones say so."""

    divergence: float
    """Bits, 0 to 1."""
    expected: float
    """Mean over reshuffles: what two samples of one population of this size show."""
    p: float
    tuning: tuple[tuple[str, int, int], ...]
    """Words of tuning: the word, prompts of tuning and of production that have it."""
    production: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class ClassifierNull:
    """Areas under the curve of the classifier under reshuffled labels."""

    null: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ExtremePrompt:
    """A prompt that is least like the other side."""

    id: str
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class SkewComparison:
    """Everything that differs between tuning and production."""

    sides: Mapping[str, tuple[int, int]]
    """Side to prompts used and prompts there."""
    alpha: float
    findings: tuple[SkewTest, ...]
    """All tests, whether they found something or not."""
    exact: tuple[FixedText, ...]
    """System instruction and template."""
    matched: MatchedPairs
    classifier: ClassifierNull
    vocabulary: Vocabulary | None
    """None where no prompt has a word."""
    lengths: tuple[tuple[int, ...], tuple[int, ...]]
    """Characters of the prompts of tuning and of production."""
    languages: tuple[Mapping[str, int], Mapping[str, int]]
    extremes: Mapping[str, tuple[ExtremePrompt, ...]]
    notes: tuple[str, ...]

    @property
    def told_apart(self) -> SkewTest:
        """The classifier's test; there always is one."""
        return next(test for test in self.findings if test.kind == "classifier")
