"""Repeated spans of train: found, listed in ``spans.jsonl``, cut or dropped with their rows.

Runs last, on the rows that stay in train: evaluation rows keep their text, and no row that is
dropped anyway makes another one look repeated. Holds the inputs of these rows in memory, with at
most six bytes of work for each of theirs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config import Dedup, SubstringDedup
from runner.prepare.dedup import follow_originals, original
from runner.prepare.fates import SPAN, Fates
from runner.prepare.journal import SPAN as SPAN_LENGTH
from runner.prepare.keys import hash64, input_text
from runner.prepare.span_cuts import Cuts, cut_row, inputs
from runner.prepare.spill import Spill
from runner.prepare.substring import Span, repeated_spans
from runner.prepare.texts import gather
from runner.records import record_line
from runner.records.leaks import RepeatedSpan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "spans.jsonl"


def cut_spans(
    train: Spill, others: Mapping[str, Spill], config: Dedup, fates: Fates, out: Path
) -> Cuts:
    """Find the repeated spans and do with them as `config.substring` says; what is to be cut.

    Rows are dropped here when they go as a whole: always with `drop_row`; with `drop_span` when
    nothing is left of them, or what stands in another row of any split.
    """
    import numpy as np

    asked = config.substring
    if asked is None:
        return {}
    places = np.flatnonzero(fates.stays & ~train.copy)
    row_of, number_of = array("q"), array("i")
    texts = gather(_texts(train, places, row_of, number_of), train.path.parent)
    spans = repeated_spans(texts, asked)
    by_row: dict[int, dict[int, list[tuple[int, int]]]] = {}
    match = np.full(len(train), -1, np.int64)
    for span in spans:
        row = row_of[span.text]
        by_row.setdefault(row, {}).setdefault(number_of[span.text], []).append(
            (span.start, span.end)
        )
        if match[row] < 0:
            match[row] = row_of[span.matched]
    gone = _gone(train, others, by_row, config, fates)
    _write(out / FILE, train, spans, row_of, number_of, asked, gone)
    mask = np.zeros(len(train), np.bool_)
    mask[list(gone)] = True
    fates.drop(mask, SPAN, match)
    fates.method.update(dict.fromkeys(gone, "substring"))
    follow_originals(train, fates)
    if asked.action != "drop_span":
        return {}
    return _of_copies(train, {row: cuts for row, cuts in by_row.items() if row not in gone}, fates)


def _texts(
    train: Spill, places: NDArray[np.int64], row_of: array[int], number_of: array[int]
) -> Iterator[str]:
    """All input texts end to end; notes whose they are."""
    for place, row in zip(places.tolist(), train.rows(places), strict=True):
        for number, text in enumerate(inputs(row)):
            row_of.append(place)
            number_of.append(number)
            yield text


def _gone(
    train: Spill, others: Mapping[str, Spill], by_row: Cuts, config: Dedup, fates: Fates
) -> set[int]:
    """Rows that go as a whole."""
    import numpy as np

    assert config.substring
    if config.substring.action == "report":
        return set()
    if config.substring.action == "drop_row":
        return set(by_row)
    there = np.unique(np.concatenate([rows.key for rows in (train, *others.values())]))
    seen, gone = set(there.tolist()), set()
    rows = sorted(by_row)
    for place, row in zip(rows, train.rows(rows), strict=True):
        left = cut_row(row, by_row[place])
        key = hash64(input_text(left, config.normalize))
        if key in seen or not any(text.strip() for text in inputs(left)):
            gone.add(place)
        seen.add(key)
    return gone


def _of_copies(train: Spill, cuts: Cuts, fates: Fates) -> Cuts:
    """The same cuts for the copies that a file's weight made."""
    import numpy as np

    source = original(train.copy)
    fates.changed[SPAN.name] = int((np.isin(source, list(cuts)) & fates.stays).sum())
    return {int(row): cuts[int(source[row])] for row in np.flatnonzero(np.isin(source, list(cuts)))}


def _write(
    path: Path,
    train: Spill,
    spans: Iterable[Span],
    row_of: array[int],
    number_of: array[int],
    asked: SubstringDedup,
    gone: set[int],
) -> None:
    """One line a span: where it stands, what it says, where it stands too, what became of it."""
    with path.open("wb") as out:
        for span in spans:
            place = row_of[span.text]
            row, other = train.rows([place, row_of[span.matched]])
            fate = "dropped" if place in gone else "cut"
            text = inputs(row)[number_of[span.text]][span.start : span.end]
            line = RepeatedSpan(
                id=row.id,
                origin=row.origin,
                input=number_of[span.text],
                start=span.start,
                end=span.end,
                tokens=span.tokens,
                matched=other.id,
                matched_origin=other.origin,
                fate="kept" if asked.action == "report" else fate,
                span=text[:SPAN_LENGTH],
            )
            out.write(record_line(line))
