"""Repeated spans of train: found, listed in ``spans.jsonl``, cut or dropped with their rows.

Runs last, on the rows that stay in train: evaluation rows keep their text, and no row that is
dropped anyway makes another one look repeated. Holds the inputs of these rows in memory, with at
most six bytes of work for each of theirs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from runner.config import Dedup, SubstringDedup
from runner.kernels.substring import Span, cut, repeated_spans
from runner.kernels.texts import gather
from runner.prepare.dedup import follow_originals, original
from runner.prepare.drop_log import SPAN as SPAN_LENGTH
from runner.prepare.kernel_settings import kernel_errors
from runner.prepare.row_status import SPAN, RowStatus
from runner.prepare.row_table import RowTable, hash64, input_text, row_line
from runner.records import Row, record_line
from runner.records.leaks import RepeatedSpan

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "spans.jsonl"


def cut_spans(
    train: RowTable, others: Mapping[str, RowTable], config: Dedup, status: RowStatus, out: Path
) -> Cuts:
    """Find the repeated spans and do with them as `config.substring` says; what is to be cut.

    Rows are dropped here when they go as a whole: always with `drop_row`; with `drop_span` when
    nothing is left of them, or what stands in another row of any split.
    """
    import numpy as np

    asked = config.substring
    if asked is None:
        return {}
    places = np.flatnonzero(status.stays & ~train.copy)
    row_of, number_of = array("q"), array("i")
    texts = gather(_texts(train, places, row_of, number_of), train.path.parent)
    with kernel_errors():
        spans = repeated_spans(
            texts, asked.tokens, keep_first=asked.keep_first, backend=asked.backend
        )
    by_row: dict[int, dict[int, list[tuple[int, int]]]] = {}
    match = np.full(len(train), -1, np.int64)
    for span in spans:
        row = row_of[span.text]
        by_row.setdefault(row, {}).setdefault(number_of[span.text], []).append(
            (span.start, span.end)
        )
        if match[row] < 0:
            match[row] = row_of[span.matched]
    gone = _gone(train, others, by_row, config, status)
    _write(out / FILE, train, spans, row_of, number_of, asked, gone)
    mask = np.zeros(len(train), np.bool_)
    mask[list(gone)] = True
    status.drop(mask, SPAN, match)
    status.method.update(dict.fromkeys(gone, "substring"))
    follow_originals(train, status)
    if asked.action != "drop_span":
        return {}
    return _of_copies(train, {row: cuts for row, cuts in by_row.items() if row not in gone}, status)


def _texts(
    train: RowTable, places: NDArray[np.int64], row_of: array[int], number_of: array[int]
) -> Iterator[str]:
    """All input texts end to end; notes whose they are."""
    for place, row in zip(places.tolist(), train.rows(places), strict=True):
        for number, text in enumerate(inputs(row)):
            row_of.append(place)
            number_of.append(number)
            yield text


def _gone(
    train: RowTable, others: Mapping[str, RowTable], by_row: Cuts, config: Dedup, status: RowStatus
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


def _of_copies(train: RowTable, cuts: Cuts, status: RowStatus) -> Cuts:
    """The same cuts for the copies that a file's weight made."""
    import numpy as np

    source = original(train.copy)
    status.changed[SPAN.name] = int((np.isin(source, list(cuts)) & status.stays).sum())
    return {int(row): cuts[int(source[row])] for row in np.flatnonzero(np.isin(source, list(cuts)))}


def _write(
    path: Path,
    train: RowTable,
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


# Spans that repeat in train, cut from the inputs of rows.

Spans = Mapping[int, Sequence[tuple[int, int]]]
"""Number of an input text of a row to the spans (first character, end) that go."""
Cuts = Mapping[int, Spans]
"""The same by row."""


def inputs(row: Row) -> list[str]:
    """The texts of a row that spans are looked for in: its columns, or its turns of plain text.
    System instructions are meant to repeat."""
    if row.history:
        return [turn.text for turn in row.history if not turn.parts]
    return list(row.fields.values())


def cut_row(row: Row, spans: Spans) -> Row:
    """The row without the spans."""
    if not row.history:
        named = enumerate(row.fields.items())
        kept = {name: cut(text, spans[at]) if at in spans else text for at, (name, text) in named}
        return replace(row, fields=kept)
    turns, at = [], 0
    for turn in row.history:
        if turn.parts:
            turns.append(turn)
            continue
        turns.append(replace(turn, text=cut(turn.text, spans[at])) if at in spans else turn)
        at += 1
    return replace(row, history=tuple(turns))


def cut_line(line: bytes, spans: Spans) -> bytes:
    """The same for a row's JSON line."""
    return row_line(cut_row(Row.from_json(orjson.loads(line)), spans))
