"""New training rows on the data card: how many by which rule, some of them, where all stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.plural import plural
from runner.records.summaries import NewRow, NewRows
from runner.report.places import link
from runner.report.reasons import in_words
from runner.report.wording import count, share


@dataclass(frozen=True, slots=True)
class Pair:
    """A text before and after."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One new row: the row it was made of, its input, and its answer where that changed too."""

    id: str
    of: str
    rule: str
    input: Pair
    answer: Pair | None


@dataclass(frozen=True, slots=True)
class Augmented:
    """What the card says about new rows."""

    about: str
    rules: list[str]
    """``18 × entity swap`` ..., most first."""
    samples: list[Sample]
    file: str
    """Link to all of them; empty when there is no file."""


def augmented(new: NewRows | None, rendered: Path, page: Path) -> Augmented | None:
    """None when no new rows were asked for."""
    if new is None:
        return None
    path = rendered / "augmented.jsonl"
    return Augmented(
        about=f"{plural(sum(new.rows.values()), 'new row')}, {share(new.share)} of train",
        rules=[f"{count(rows)} × {in_words(rule)}" for rule, rows in new.rows.items()],
        samples=[_sample(each) for each in new.samples],
        file=link(path, page) if path.is_file() else "",
    )


def _sample(new: NewRow) -> Sample:
    before, after = new.target_before, new.target_after
    answer = None if before is None or after is None else Pair(before, after)
    return Sample(new.id, new.of, in_words(new.rule), Pair(new.before, new.after), answer)
