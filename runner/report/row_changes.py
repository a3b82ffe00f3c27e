"""Rows that arms fix and break: the counts of every arm, and the rows of the one that matters most.

Of thousands of rows the page shows some of each kind, those first that change most; the files
beside it have all of them. Tables are read line by line.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from markupsafe import Markup

from runner.base.errors import SftError
from runner.base.scripts import has_unspaced
from runner.base.text import plural
from runner.records import UNKNOWN, Scale, read_jsonl, read_rows
from runner.records.experiments import ExperimentResult
from runner.records.row_changes import Change, ChangedRow, RowChanges, RowLists
from runner.report.format import clip, count, number, p_value
from runner.report.page import link, percent, tag, text
from runner.report.scoreboard import ScoreboardLine

MAX_LINES = 40
"""Arms in the table of counts."""
MAX_SHOWN: Mapping[Change, int] = {"regressed": 40, "fixed": 40, "unchanged": 10}
"""Rows on the page, by kind."""
MAX_PROMPT, MAX_TARGET, MAX_ANSWER = 1500, 700, 700
"""Characters of a text."""
LEAST_ALIKE = 0.2
"""Share of words in common from which on marking helps."""


@dataclass(frozen=True, slots=True)
class RowChangesLine:
    """The counts of one arm against its untuned one."""

    name: str
    css: str
    against: str
    bar: Markup
    fixed: str
    regressed: str
    unchanged: str
    rows: str
    p: str
    test: str
    """How p was found, or why there is none."""
    file: str
    """Where its row ids are, from the page; empty where they are gone."""


@dataclass(frozen=True, slots=True)
class RowSample:
    """One row with both answers, what only one of them has marked."""

    id: str
    change: Change
    scores: str
    """``0 → 1``."""
    prompt: str
    target: str
    references: list[str]
    before: Markup
    after: Markup
    slices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RowChangesSection:
    """The section; `samples` are of `arm` against `against`."""

    lines: list[RowChangesLine]
    """Every arm against its untuned one."""
    known: int
    rivals: list[RowChangesLine]
    """`arm` against every other one."""
    all_rivals: int
    arm: str
    against: str
    rule: str
    note: str
    samples: list[RowSample]
    counts: dict[Change, tuple[int, int]]
    """Kind to how many of them are shown, and how many there are."""
    table: str
    """Where all changed rows are, from the page; empty where that is gone."""


def row_changes(
    lines: Sequence[ScoreboardLine], result: ExperimentResult, looks: Mapping[str, str], page: Path
) -> RowChangesSection | None:
    """None where no arm was compared row by row."""
    by_arm = {item.arm: item for item in result.row_changes}
    names = {arm.digest: arm.name for arm in result.arms}
    compared = [line for line in lines if line.arm.digest in by_arm]
    if not compared:
        return None
    main = by_arm.get(result.leading) or by_arm[compared[0].arm.digest]
    totals: dict[Change, int] = {
        "regressed": main.regressed,
        "fixed": main.fixed,
        "unchanged": main.unchanged,
    }
    shown = sorted(_shown(main, result), key=lambda row: list(totals).index(row.change))
    rivals = [item for item in result.row_rivals if item.arm == main.arm]
    scale = next(_scales(result, main.metric), UNKNOWN)
    return RowChangesSection(
        lines=[_line(by_arm[line.arm.digest], names, looks, page) for line in compared[:MAX_LINES]],
        known=len(compared),
        rivals=[_line(item, names, looks, page, rival=True) for item in rivals[:MAX_LINES]],
        all_rivals=len(rivals),
        arm=names[main.arm],
        against=names.get(main.against, ""),
        rule=main.rule if main.metric else "",
        note=main.note,
        samples=[_sample(row, scale.places(row.before, row.after)) for row in shown],
        counts={
            kind: (sum(row.change == kind for row in shown), total)
            for kind, total in totals.items()
        },
        table=link(Path(main.table), page) if main.table and Path(main.table).is_file() else "",
    )


def _scales(result: ExperimentResult, metric: str) -> Iterator[Scale]:
    tests = (arm.test.overall for arm in result.arms if arm.test)
    return (overall[metric].scale for overall in tests if metric in overall)


def _line(
    found: RowChanges,
    names: Mapping[str, str],
    looks: Mapping[str, str],
    page: Path,
    *,
    rival: bool = False,
) -> RowChangesLine:
    """Of the arm, or where that is the same in all lines, under the name of its `rival`."""
    return RowChangesLine(
        name=names.get(found.against if rival else found.arm, ""),
        css=looks.get(found.against if rival else found.arm, ""),
        against="" if rival else names.get(found.against, ""),
        bar=_bar(found),
        fixed=count(found.fixed),
        regressed=count(found.regressed),
        unchanged=count(found.unchanged),
        rows=count(found.rows),
        p=p_value(found.p),
        test=_test(found),
        file=link(Path(found.file), page) if Path(found.file).is_file() else "",
    )


def _test(found: RowChanges) -> str:
    if not found.test:
        return "no row has a score"
    return f"{found.test} ({plural(found.groups, 'group')})" if found.groups else found.test


def _bar(found: RowChanges) -> Markup:
    """Fixed, unchanged and regressed rows side by side. The numbers beside it say the same."""
    start, parts = 0.0, []
    for kind, rows in (
        ("fixed", found.fixed),
        ("unchanged", found.unchanged),
        ("regressed", found.regressed),
    ):
        width = 100 * rows / max(1, found.rows)
        at = {"x": percent(start), "width": percent(width)}
        title = tag("title", f"{count(rows)} {kind}")
        parts.append(tag("rect", title, **at, y="0", height="100%", class_=f"row-{kind}"))
        start += width
    return tag("svg", *parts, class_="bar", width="100%", height=14, aria_hidden="true")


# The rows that are shown.


def _shown(found: RowChanges, result: ExperimentResult) -> list[ChangedRow]:
    """Some rows of each kind; none of what is not there any more."""
    if not found.table or not Path(found.table).is_file():
        return []
    try:
        kept = list(_most_changed(_table(Path(found.table))))
        return kept + _unchanged(found, result)
    except (SftError, ValueError, KeyError, TypeError):
        return []  # damaged; the page says that they cannot be read


def _table(file: Path) -> Iterator[ChangedRow]:
    return (ChangedRow(**raw) for raw in read_jsonl(file))


def _most_changed(rows: Iterable[ChangedRow]) -> Iterator[ChangedRow]:
    """The first of each kind by how much its score changes, then in the order of the split."""
    best: dict[Change, list[tuple[float, int, ChangedRow]]] = {"fixed": [], "regressed": []}
    for place, row in enumerate(rows):
        heap = best[row.change]
        push = heapq.heappushpop if len(heap) >= MAX_SHOWN[row.change] else heapq.heappush
        push(heap, (abs(row.after - row.before), -place, row))
    for heap in best.values():
        yield from (row for _, _, row in sorted(heap, key=lambda item: (-item[0], -item[1])))


def _unchanged(found: RowChanges, result: ExperimentResult) -> list[ChangedRow]:
    from runner.evaluation import changed_rows

    files = [Path(result.arm(d).predictions.get("test", "")) for d in (found.against, found.arm)]
    if not all(file.is_file() for file in [*files, Path(found.file)]):
        return []
    lists = RowLists.model_validate_json(Path(found.file).read_text(encoding="utf-8"))
    wanted: dict[str, Change] = dict.fromkeys(
        lists.unchanged[: MAX_SHOWN["unchanged"]], "unchanged"
    )
    before, after = (read_rows(file) for file in files)
    return list(changed_rows(before, after, wanted, found.metric))


def _sample(row: ChangedRow, places: int) -> RowSample:
    before, after = marked(
        clip(row.answer_before.strip(), MAX_ANSWER), clip(row.answer_after.strip(), MAX_ANSWER)
    )
    whole = row.before == int(row.before) and row.after == int(row.after)
    digits = 0 if whole else places
    return RowSample(
        id=row.id,
        change=row.change,
        scores=f"{number(row.before, digits)} → {number(row.after, digits)}",
        prompt=clip(row.prompt, MAX_PROMPT),
        target=clip(row.target, MAX_TARGET),
        references=[clip(each, MAX_TARGET) for each in row.references if each != row.target],
        before=before,
        after=after,
        slices=row.slices,
    )


_PIECES = re.compile(r"\w+|\s+|[^\w\s]")


def marked(before: str, after: str) -> tuple[Markup, Markup]:
    """Both texts, escaped, with the words that only one of them has marked; by letter where a
    script has no blanks. Texts that have next to nothing in common are not marked at all."""
    left, right = (
        list(each) if has_unspaced(each) else _PIECES.findall(each) for each in (before, after)
    )
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    if matcher.ratio() < LEAST_ALIKE:
        return text(before), text(after)
    here: list[Markup] = []
    there: list[Markup] = []
    for kind, low, high, start, end in matcher.get_opcodes():
        for words, out in ((left[low:high], here), (right[start:end], there)):
            if words:
                said = "".join(words)
                out.append(text(said) if kind == "equal" else tag("mark", said))
    return Markup("").join(here), Markup("").join(there)
