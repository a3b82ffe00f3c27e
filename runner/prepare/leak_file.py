"""``leaks.jsonl`` and ``conflicts.jsonl``: every pair that was found, whatever is done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING

from runner.prepare.dedup import Repeats
from runner.prepare.fates import REASONS, Fates
from runner.prepare.journal import SPAN, shown
from runner.prepare.leakage import SUITES, Leak
from runner.prepare.semantic import Close
from runner.prepare.spill import Spill
from runner.prepare.substring.alphabet import TOKEN
from runner.records import Row, record_line
from runner.records.leaks import LeakPair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMPARED = 1000
"""Pairs of a split for which the longest shared run is looked up, and tokens of a text in it."""
LISTED = 1000
"""Pairs of a split that are close in meaning only."""
EQUAL = ("exact", "normalised")
"""Methods of pairs with the same input, to the letter or after `dedup.normalize`."""


def write_leaks(
    out: Path,
    spills: Mapping[str, Spill],
    fates: Mapping[str, Fates],
    leaks: Mapping[str, Leak],
    between: Sequence[tuple[str, Leak]],
    repeats: Repeats,
    close: Sequence[Close] = (),
) -> None:
    """Write the pairs of train with every evaluation split and suite, those of evaluation splits
    with each other and with suites (`between`), those with one input but two answers, and the
    `LISTED` nearest of those that are only `close` in meaning."""
    with (out / "leaks.jsonl").open("wb") as pairs, (out / "conflicts.jsonl").open("wb") as torn:
        for line in _conflicts(spills["train"], repeats, fates["train"]):
            torn.write(record_line(line))
        for side, leak in [*(("train", leak) for leak in leaks.values()), *between]:
            for line in _pairs(leak, side, spills, fates[side]):
                pairs.write(record_line(line))
                if not line.agrees and line.method in EQUAL:
                    torn.write(record_line(line))
        for line in (line for one in close for line in _close(one)):
            pairs.write(record_line(line))


def _pairs(leak: Leak, side: str, spills: Mapping[str, Spill], fates: Fates) -> Iterator[LeakPair]:
    import numpy as np

    rows, others, match = spills[side], spills[leak.split], leak.both
    places = np.flatnonzero((match >= 0) & ~rows.copy)
    pairs = zip(rows.rows(places), others.rows(match[places]), strict=True)
    for number, (place, (row, other)) in enumerate(zip(places.tolist(), pairs, strict=True)):
        equal = leak.match[place] >= 0
        method = EQUAL[shown_whole(row) != shown_whole(other)]
        yield _pair(
            row,
            other,
            side,
            leak.split,
            method=method if equal else leak.like.method[place],
            score=1.0 if equal else round(leak.like.score[place], 4),
            span="" if equal or number >= COMPARED else shared_run(row, other),
            fate=_fate(fates, place),
        )


def _close(found: Close) -> Iterator[LeakPair]:
    rows, others = found.mine.rows(found.like[:LISTED]), found.rows.rows(found.at[:LISTED])
    for row, other, score in zip(rows, others, found.score[:LISTED].tolist(), strict=True):
        score = round(score, 4)
        yield _pair(row, other, found.side, found.split, method="semantic", score=score, span="")


def _conflicts(train: Spill, repeats: Repeats, fates: Fates) -> Iterator[LeakPair]:
    import numpy as np

    places: NDArray[np.int64] = np.flatnonzero(repeats.conflict)
    pairs = zip(train.rows(places), train.rows(repeats.first[places]), strict=True)
    for place, (row, other) in zip(places.tolist(), pairs, strict=True):
        fate = _fate(fates, place)
        yield _pair(row, other, "train", "train", method="normalised", fate=fate)


def _pair(
    row: Row,
    other: Row,
    side: str,
    split: str,
    *,
    method: str,
    score: float | None = None,
    span: str | None = None,
    fate: str = "",
) -> LeakPair:
    known = other.target if split != SUITES else row.target
    return LeakPair(
        split=side,
        id=row.id,
        origin=row.origin,
        text=shown(row),
        target=row.target[:SPAN],
        against=other.group if split == SUITES else split,
        matched=other.id,
        matched_origin=other.origin,
        matched_text=shown(other),
        matched_target=other.target[:SPAN] if split != SUITES else "",
        agrees=row.target == known or row.target in other.references,
        method=method,
        score=score,
        span=span,
        fate=fate,
    )


def _fate(fates: Fates, place: int) -> str:
    """Why the row left its split; empty when it stays."""
    reason = REASONS[int(fates.code[place])]
    return reason.name if reason else ""


def shown_whole(row: Row) -> tuple[str, ...]:
    """What a person compares: inputs, or turns."""
    return tuple(turn.text for turn in row.history) or tuple(row.fields.values())


def shared_run(row: Row, other: Row) -> str:
    """The longest run of tokens (case aside) that both inputs share, as the first has it."""
    here, there = (" ".join(shown_whole(one)) for one in (row, other))
    places = [found.span() for found in TOKEN.finditer(here)][:COMPARED]
    mine = [here[low:high].casefold() for low, high in places]
    theirs = [token.casefold() for token in TOKEN.findall(there)[:COMPARED]]
    run = SequenceMatcher(None, mine, theirs, autojunk=False).find_longest_match()
    if not run.size:
        return ""
    return here[places[run.a][0] : places[run.a + run.size - 1][1]][:SPAN]
