"""What new rows came to: how many by which rule, some of them, and why there are not more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from runner.config import Augment
from runner.plural import plural
from runner.prepare.augment import PARAPHRASE, Made
from runner.records.summaries import NewRow, NewRows

SAMPLES = 5
BEFORE = 80
"""Characters of a long text that are shown before the first one that changed."""
LONGEST = 400
"""Characters of a text that are shown."""


@dataclass(slots=True)
class Added:
    """Counts the new rows of one render."""

    own: int = 0
    """Training rows that they were made from."""
    rules: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[Made]] = field(default_factory=dict)
    """The first new rows of each rule."""
    notes: list[str] = field(default_factory=list)

    def take(self, new: Made) -> None:
        self.rules[new.rule] += 1
        first = self.samples.setdefault(new.rule, [])
        if len(first) < SAMPLES:
            first.append(new)

    def explain(self, made: Sequence[Made], augment: Augment) -> None:
        """Note how many rows are missing of those asked for, when all are taken."""
        worded = sum(new.rule == PARAPHRASE for new in made)
        kept = self.rules[PARAPHRASE]
        if augment.rules:
            why = "rows that the rules leave alone"
            self._short("share", augment.share, len(made) - worded, self.rules.total() - kept, why)
        if asked := augment.paraphrase:
            why = f"empty, unchanged or {asked.length:g} times longer or shorter"
            self._short("paraphrase.share", asked.share, worded, kept, why)

    def _short(self, key: str, share: float, made: int, kept: int, why: str) -> None:
        asked = round(self.own * share)
        if kept < asked:
            reasons = [f"{why}: {asked - made:,}"] * (made < asked)
            reasons += [f"in train or in evaluation already: {made - kept:,}"] * (kept < made)
            self.notes.append(
                f"prepare.augment.{key}={share:g} asks for {plural(asked, 'new row')}, and "
                f"there are {kept:,} ({'; '.join(reasons)})"
            )

    def summary(self) -> NewRows | None:
        """Rows by rule, their share of train, samples of all rules in turn; None when nothing was
        asked for."""
        if not self.own:
            return None
        turns = (new[at] for at in range(SAMPLES) for new in self.samples.values() if at < len(new))
        new = self.rules.total()
        return NewRows(
            dict(self.rules.most_common()),
            round(new / (self.own + new), 4),
            tuple(_sample(each) for each, _ in zip(turns, range(SAMPLES), strict=False)),
        )


def _sample(new: Made) -> NewRow:
    told = new.provenance
    before, after = _excerpts(told.before, told.after)
    told = replace(told, before=before, after=after)
    if told.target_before is None or told.target_after is None:
        return told
    before, after = _excerpts(told.target_before, told.target_after)
    return replace(told, target_before=before, target_after=after)


def _excerpts(before: str, after: str) -> list[str]:
    """Both texts from shortly before they part."""
    pairs = enumerate(zip(before, after, strict=False))
    parted = next((at for at, (one, other) in pairs if one != other), len(before))
    low = max(0, parted - BEFORE) if max(len(before), len(after)) > LONGEST else 0
    return [
        f"{'…' * (low > 0)}{text[low : low + LONGEST]}{'…' * (len(text) > low + LONGEST)}"
        for text in (before, after)
    ]
