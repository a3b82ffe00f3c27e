"""The way of the rows through the data steps: in, dropped by reason, kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from runner.plural import plural
from runner.records import SPLITS, Tally, read_record_list
from runner.report.markup import percent, tag
from runner.report.reasons import in_words, is_move, is_set_aside
from runner.report.wording import count


@dataclass(frozen=True, slots=True)
class Step:
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
    steps: list[Step]
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


def _step(tally: Tally, widest: int) -> Step:
    return Step(
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
