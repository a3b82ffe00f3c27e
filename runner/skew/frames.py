"""What surrounds every prompt of a side: the template around its content, and the system text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SHARE = 0.9
"""A prefix is the template's when this share of a side begins with it."""
FEW = 0.5
"""And the other side's template differs when at most this share of it does. Halves of one
population of 20 or more never come that far apart by chance (odds below 1 in 10,000)."""
SHORTEST = 8
"""Characters; less is how sentences begin, not a template."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Text that stands before and after the content."""

    before: str
    after: str

    def inside(self, text: str) -> str:
        """The content alone, where the frame is there."""
        text = text.removeprefix(self.before)
        return text.removesuffix(self.after) if self.after else text


def frame(texts: Sequence[str]) -> Frame:
    """The frame that nine of ten texts share; empty ends where there is none."""
    before = _common(sorted(texts))
    after = _common(sorted(text[::-1] for text in texts))[::-1]
    return Frame(before, after)


def _common(ordered: Sequence[str]) -> str:
    """The longest prefix of nine of ten. Of sorted texts these stand side by side."""
    wide = max(2, -(-len(ordered) * 9 // 10))
    spans = zip(ordered, ordered[wide - 1 :], strict=False)
    longest = max((_same_start(*ends) for ends in spans), key=len, default="")
    # With one content nine times over, the whole text is no template.
    return longest if len(longest) >= SHORTEST and longest not in ordered else ""


def _same_start(one: str, other: str) -> str:
    """The longest common prefix."""
    pairs = enumerate(zip(one, other, strict=False))
    end = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    return one[:end]


def frame_findings(tuning: Sequence[str], production: Sequence[str]) -> list[dict[str, str]]:
    """The ends of the template that one side has and the other has not."""
    found, one, other = [], frame(tuning), frame(production)
    for end, start in (("before", True), ("after", False)):
        here, there = getattr(one, end), getattr(other, end)
        lacks_here = bool(here) and _share(production, here, start) <= FEW
        lacks_there = bool(there) and _share(tuning, there, start) <= FEW
        if lacks_here or lacks_there:
            what = f"the template {end} the content"
            found.append({"name": what, "tuning": here, "production": there})
    return found


def _share(texts: Sequence[str], piece: str, start: bool) -> float:
    has = sum(text.startswith(piece) if start else text.endswith(piece) for text in texts)
    return has / len(texts)


def system_findings(
    tuning: Sequence[str | None], production: Sequence[str | None]
) -> list[dict[str, str]]:
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
    return [{"name": "the system instruction", "tuning": here, "production": there}]
