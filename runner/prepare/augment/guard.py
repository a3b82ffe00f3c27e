"""Keeps out new rows that an evaluation split, a suite or training has already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.base.text import plural
from runner.config import Augment, Prepare
from runner.prepare.augment import PARAPHRASE, MadeRow, by_rules, reworded
from runner.prepare.drop_log import DropLog, input_excerpt
from runner.prepare.leakage import find_leak, held_out, spilled
from runner.prepare.row_status import EXACT, LEAK_SUITE, LEAK_TEST, LEAK_VALIDATION, RowStatus
from runner.prepare.row_table import hash64, input_text
from runner.records import Dropped, Origin, Row, Tally, record_line
from runner.records.summaries import NewRow, NewRows

if TYPE_CHECKING:
    from runner.prepare.inputs import Augmentation

LEAKS = {reason.against: reason.name for reason in (LEAK_TEST, LEAK_VALIDATION, LEAK_SUITE)}


def refused(
    made: Sequence[MadeRow], own: Iterable[Row], prepared: Path, config: Prepare, scratch: Path
) -> dict[int, Dropped]:
    """The new rows that stay out, by their place in `made`: those that equal an evaluation row or
    are like one by any method of `config.leakage`, and those that repeat a row of train to the
    letter (a change of case is a row of its own)."""
    found = _leaks(made, prepared, config, scratch) if made else {}
    seen = {hash64(input_text(row, [])) for row in own}
    for at, new in enumerate(made):
        key = hash64(input_text(new.row, []))
        if at not in found and key in seen:
            found[at] = _dropped(new, EXACT.name, new.of.id, new.of.origin, "exact")
        elif at not in found:
            seen.add(key)
    return found


def _leaks(
    made: Sequence[MadeRow], prepared: Path, config: Prepare, scratch: Path
) -> dict[int, Dropped]:
    import numpy as np

    found: dict[int, Dropped] = {}
    equal, steps = "normalised" if config.dedup.normalize else "exact", config.dedup.normalize
    with spilled((new.row for new in made), "train", steps, scratch) as rows:
        for held in held_out(prepared, steps, scratch):
            leak = find_leak(rows, RowStatus(len(rows)), held, config)
            places = np.flatnonzero(leak.both >= 0)
            matches = held.rows(leak.both[places])
            for at, match in zip(places.tolist(), matches, strict=True):
                method = equal if leak.match[at] >= 0 else leak.like.method[at]
                score = None if leak.match[at] >= 0 else leak.like.score[at]
                reason, where = LEAKS[held.split], match.origin
                found.setdefault(at, _dropped(made[at], reason, match.id, where, method, score))
    return found


def _dropped(
    new: MadeRow, reason: str, matched: str, where: Origin, method: str, score: float | None = None
) -> Dropped:
    return Dropped(
        new.row.id,
        "train",
        "augment",
        reason,
        new.row.origin,
        matched=matched,
        matched_origin=where,
        method=method,
        score=score,
        span=input_excerpt(new.row),
    )


# What new rows came to: how many by which rule, some of them, and why there are not more.

SAMPLES = 5
BEFORE = 80
"""Characters of a long text that are shown before the first one that changed."""
LONGEST = 400
"""Characters of a text that are shown."""


@dataclass(slots=True)
class NewRowCounts:
    """Counts the new rows of one render."""

    own: int = 0
    """Training rows that they were made from."""
    rules: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[MadeRow]] = field(default_factory=dict)
    """The first new rows of each rule."""
    notes: list[str] = field(default_factory=list)

    def take(self, new: MadeRow) -> None:
        self.rules[new.rule] += 1
        first = self.samples.setdefault(new.rule, [])
        if len(first) < SAMPLES:
            first.append(new)

    def explain(self, made: Sequence[MadeRow], augment: Augment) -> None:
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


def _sample(new: MadeRow) -> NewRow:
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


# The training rows with the new ones behind them.


def with_new_rows(
    rows: Iterator[Row],
    augmentation: Augmentation,
    prepared: Path,
    out: Path,
    drop_log: DropLog,
    seed: int,
    added: NewRowCounts,
) -> Iterator[Row]:
    """All rows, then those made from them that are neither leaks nor repeats, which are `added`.
    Holds the training rows in memory, and only where new ones are asked for."""
    config = augmentation.prepare.augment
    if not (config.rules or augmentation.reworded):
        yield from rows
        return
    own, tally = list(rows), Tally("augment", "train")
    yield from own
    made = list(by_rules(own, config, seed))
    if augmentation.reworded:
        made += reworded(own, config, augmentation.reworded)
    added.own = len(own)
    out_of_it = refused(made, own, prepared, augmentation.prepare, out)
    with (out / "augmented.jsonl").open("wb") as listed:
        for at, new in enumerate(made):
            if dropped := out_of_it.get(at):
                tally.dropped[dropped.reason] += 1
                drop_log.drop(dropped)
                continue
            added.take(new)
            listed.write(record_line(new.provenance))
            yield new.row
    added.explain(made, config)
    tally.changed = added.rules
    tally.kept = len(own) + added.rules.total()
    tally.rows_in = len(own) + len(made)
    drop_log.tally(tally)
