"""The way of the rows through the data steps: in, dropped by reason, kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from runner.base.text import plural
from runner.records import (
    SPLITS,
    Dropped,
    MixedSource,
    SplitFault,
    Tally,
    read_record_list,
    read_records,
)
from runner.records.summaries import NewRow, NewRows
from runner.report.format import (
    clip,
    count,
    in_words,
    is_conflict,
    is_duplicate,
    is_leak,
    is_move,
    is_set_aside,
    number,
    one_line,
    share,
)
from runner.report.page import link, percent, tag, where


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One step of one split."""

    name: str
    rows_in: int
    kept: int
    dropped: list[str]
    """``3 × exact duplicate`` ..., most first."""
    moved: list[str]
    """Rows that are not lost: moved to another split, or set aside."""
    changed: list[str]
    bar: Markup


@dataclass(frozen=True, slots=True)
class SplitFlow:
    """All steps of a split, in order."""

    split: str
    steps: list[FlowStep]
    read: int
    kept: int

    @property
    def quiet(self) -> bool:
        """Whether nothing at all happened to the rows."""
        return not any(step.dropped or step.moved or step.changed for step in self.steps)


def read_tallies(folders: Iterable[Path]) -> list[Tally]:
    """The tallies in ``tally.json`` of the folders; folders without one add nothing."""
    found: list[Tally] = []
    for folder in folders:
        path = folder / "tally.json"
        if path.is_file():
            found += read_record_list(path, Tally)
    return found


def flow(tallies: Sequence[Tally]) -> list[SplitFlow]:
    """One picture a split; splits in their usual order."""
    widest = max((tally.rows_in for tally in tallies), default=0)
    names = dict.fromkeys([*SPLITS, *(tally.split for tally in tallies)])
    flows = []
    for split in names:
        mine = [tally for tally in tallies if tally.split == split]
        if mine:
            steps = [_step(tally, widest) for tally in mine]
            flows.append(SplitFlow(split, steps, mine[0].rows_in, mine[-1].kept))
    return flows


def dropped_total(tallies: Sequence[Tally]) -> int:
    """Rows that are gone: neither moved to another split nor set aside."""
    return _total(tallies, lambda reason: not _stays_good(reason))


def set_aside_total(tallies: Sequence[Tally]) -> int:
    """Good rows that a cap or a chosen size leaves out."""
    return _total(tallies, is_set_aside)


def _total(tallies: Sequence[Tally], wanted: Callable[[str], bool]) -> int:
    return sum(n for tally in tallies for reason, n in tally.dropped.items() if wanted(reason))


def _step(tally: Tally, widest: int) -> FlowStep:
    return FlowStep(
        name=tally.step,
        rows_in=tally.rows_in,
        kept=tally.kept,
        dropped=_listed(tally, lambda reason: not _stays_good(reason)),
        moved=_listed(tally, _stays_good),
        changed=[f"{count(n)} × {in_words(rule)}" for rule, n in tally.changed.most_common()],
        bar=_bar(tally, widest),
    )


def _stays_good(reason: str) -> bool:
    return is_move(reason) or is_set_aside(reason)


def _listed(tally: Tally, wanted: Callable[[str], bool]) -> list[str]:
    return [
        f"{count(n)} × {in_words(reason)}"
        for reason, n in tally.dropped.most_common()
        if wanted(reason)
    ]


def _bar(tally: Tally, widest: int) -> Markup:
    """Kept rows, then the dropped ones reason by reason, to one scale for all steps."""
    unit = 100 / widest if widest else 0
    title = f"{tally.step}: {plural(tally.kept, 'row')} kept"
    parts = [_piece(0, tally.kept * unit, "kept", title)]
    start = tally.kept * unit
    for reason, n in tally.dropped.most_common():
        # A single row among thousands would be too thin to be seen.
        width = max(n * unit, 0.6)
        look = "move" if _stays_good(reason) else "drop"
        parts.append(_piece(start, width, look, f"{count(n)} × {in_words(reason)}"))
        start += width
    return tag("svg", *parts, class_="bar", width="100%", height=14, aria_hidden="true")


def _piece(start: float, width: float, css: str, title: str) -> Markup:
    at = {"x": percent(start), "width": percent(width)}
    return tag("rect", tag("title", title), **at, y="0", height="100%", class_=css)


# Which rows dropped, by kind, with the row each one matched and the text they share.

MAX_SHOWN = 40
SPAN = 240


@dataclass(frozen=True, slots=True)
class LostRow:
    """One dropped row."""

    id: str
    where: str
    split: str
    reason: str
    matched: str
    matched_where: str
    method: str
    score: str
    span: str


@dataclass(slots=True)
class LossKind:
    """Rows that dropped for related reasons: the first `MAX_SHOWN` of `rows`."""

    heading: str
    about: str
    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    shown: list[LostRow] = field(default_factory=list)

    @property
    def matches(self) -> bool:
        return any(loss.matched for loss in self.shown)


def losses(folders: Iterable[Path]) -> list[LossKind]:
    """All kinds in the order leaks, conflicts, duplicates, the rest; empty ones included. Rows
    that were only set aside are none of them."""
    leaks = LossKind("Leaks", "Training rows that also stand in an evaluation split.")
    conflicts = LossKind("Conflicts", "Rows that repeat another one's input with another answer.")
    repeats = LossKind("Duplicates", "Rows that repeat one that stays.")
    rest = LossKind("Other dropped rows", "Rows that could not be used.")
    for folder in folders:
        path = folder / "dropped.jsonl"
        for row in read_records(path, Dropped) if path.is_file() else ():
            reason = row.reason
            if is_set_aside(reason):
                continue
            tests = ((is_leak, leaks), (is_conflict, conflicts), (is_duplicate, repeats))
            kind = next((kind for test, kind in tests if test(reason)), rest)
            kind.rows += 1
            kind.reasons[reason] += 1
            if len(kind.shown) < MAX_SHOWN:
                kind.shown.append(_loss(row))
    return [leaks, conflicts, repeats, rest]


def _loss(row: Dropped) -> LostRow:
    return LostRow(
        id=row.id,
        where=where(row.origin),
        split=row.split,
        reason=in_words(row.reason),
        matched=row.matched,
        matched_where=where(row.matched_origin),
        method=row.method,
        score="" if row.score is None else number(row.score, 2),
        span=clip(row.span, SPAN),
    )


@dataclass(frozen=True, slots=True)
class FaultyRow:
    """One faulty row of a source file."""

    where: str
    split: str
    field: str
    rule: str
    message: str


def faults(folder: Path) -> tuple[list[FaultyRow], int]:
    """The first faults by file and line, and how many there are."""
    path = folder / "faults.jsonl"
    shown: list[FaultyRow] = []
    total = 0
    for row in read_records(path, SplitFault) if path.is_file() else ():
        total += 1
        if len(shown) < MAX_SHOWN:
            message = clip(row.message, SPAN)
            shown.append(FaultyRow(where(row), row.split, row.field, row.rule, message))
    return shown, total


# New training rows on the data card: how many by which rule, some of them, where all stand.


@dataclass(frozen=True, slots=True)
class TextChange:
    """A text before and after."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class NewRowSample:
    """One new row: the row it was made of, its input, and its answer where that changed too."""

    id: str
    of: str
    rule: str
    input: TextChange
    answer: TextChange | None


@dataclass(frozen=True, slots=True)
class Augmented:
    """What the card says about new rows."""

    about: str
    rules: list[str]
    """``18 × entity swap`` ..., most first."""
    samples: list[NewRowSample]
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


def _sample(new: NewRow) -> NewRowSample:
    before, after = new.target_before, new.target_after
    answer = None if before is None or after is None else TextChange(before, after)
    return NewRowSample(
        new.id, new.of, in_words(new.rule), TextChange(new.before, new.after), answer
    )


# What a split takes of each of its sources, in rows and in tokens.

MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class MixLine:
    """One source of the mix."""

    name: str
    weight: str
    there: str
    rows: str
    row_share: str
    tokens: str
    token_share: str


@dataclass(frozen=True, slots=True)
class Mix:
    """The sources of one split."""

    split: str
    lines: list[MixLine]


def mixes(mix: Mapping[str, Sequence[MixedSource]]) -> list[Mix]:
    """The mix of every split that has several sources."""
    return [Mix(split, _lines(told)) for split, told in mix.items()]


def _lines(told: Sequence[MixedSource]) -> list[MixLine]:
    rows = sum(part.rows for part in told)
    tokens = sum(part.tokens for part in told)
    return [
        MixLine(
            _name(part.name),
            f"{part.weight:g}",
            count(part.rows_in),
            count(part.rows),
            share(part.rows / rows) if rows else "",
            count(round(part.tokens)),
            share(part.tokens / tokens) if tokens else "",
        )
        for part in told
    ]


def _name(entry: str) -> str:
    """The end of a path or glob; of a query its head."""
    short = entry if any(map(str.isspace, entry)) else "/".join(Path(entry).parts[-2:])
    return one_line(short, MAX_NAME)
