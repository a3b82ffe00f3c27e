"""A whole file repaired: every line of it stands in the repaired copy or in the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from runner.prepare.gemini.debris import revived
from runner.prepare.gemini.finding import Finding
from runner.prepare.gemini.line import read_line
from runner.prepare.gemini.repair import repaired
from runner.prepare.gemini.row import judge_row

MOST_LINES = 500
"""Lines that one row may be spread over."""
SHOWN = 50
"""Notes that are kept for showing; all of them stand in the log."""


@dataclass(slots=True)
class Fixed:
    """What repairing one file came to."""

    source: str
    untouched: int = 0
    repaired: int = 0
    rest: int = 0
    """Rows that could not be repaired (lines, where no row can be made out)."""
    notes: list[str] = field(default_factory=list)
    """``line 7: role `assistant` made `model```, the first of them."""
    files: dict[str, Path] = field(default_factory=dict)
    """``repaired``, ``rest`` and ``log``, those that were written."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A row with its lines as they are in the file, or lines that are no row."""

    line: int
    raw: bytes
    row: dict[str, Any] | None
    done: list[str]
    wrong: list[Finding]


def fix_file(lines: Iterable[bytes], source: Path) -> Fixed:
    """Repair the lines of `source`, see `runner.prepare.fix_gemini`."""
    found = Fixed(str(source))
    names = _names(source)
    with ExitStack() as stack:
        parts = {name: path.with_name(f".{path.name}.part") for name, path in names.items()}
        out: dict[str, IO[bytes]] = {
            name: stack.enter_context(part.open("wb")) for name, part in parts.items()
        }
        for part in parts.values():
            stack.callback(part.unlink, missing_ok=True)
        for piece in _pieces(lines):
            _write(piece, out, found)
        for stream in out.values():
            stream.close()
        if found.repaired or found.rest:
            for name, path in names.items():
                if parts[name].stat().st_size:
                    parts[name].rename(path)
                    found.files[name] = path
    return found


def _names(source: Path) -> dict[str, Path]:
    """New names beside the source: none of them is taken."""
    stem = source.name.partition(".")[0]
    number = 1
    while True:
        mark = "" if number == 1 else f"-{number}"
        names = {
            "repaired": source.with_name(f"{stem}.repaired{mark}.jsonl"),
            "rest": source.with_name(f"{stem}.rest{mark}.jsonl"),
            "log": source.with_name(f"{stem}.repaired{mark}.log"),
        }
        if not any(path.exists() for path in names.values()):
            return names
        number += 1


def _write(piece: _Piece, out: dict[str, IO[bytes]], found: Fixed) -> None:
    if piece.row is None or piece.wrong:
        found.rest += 1
        out["rest"].write(piece.raw)
        why = "; ".join(f"{at}: {message}" if at else message for _, message, at in piece.wrong)
        _note(f"line {piece.line}: not repaired: {why or 'no row can be made out'}", out, found)
        return
    if not piece.done:
        found.untouched += 1
        out["repaired"].write(piece.raw if piece.raw.endswith(b"\n") else piece.raw + b"\n")
        return
    found.repaired += 1
    out["repaired"].write(orjson.dumps(piece.row) + b"\n")
    _note(f"line {piece.line}: {'; '.join(piece.done)}", out, found)


def _note(text: str, out: dict[str, IO[bytes]], found: Fixed) -> None:
    out["log"].write(text.encode("utf-8", "backslashreplace") + b"\n")
    if len(found.notes) < SHOWN:
        found.notes.append(text)


def _pieces(lines: Iterable[bytes]) -> Iterator[_Piece]:
    """Rows, also those that are spread over several lines or stand in an array."""
    pending: list[bytes] = []
    start = 1
    for number, line in enumerate(lines, start=1):
        if not pending:
            start = number
            if line.strip() in (b"", b"[", b"]", b"\xef\xbb\xbf", b"\xef\xbb\xbf["):
                continue  # nothing is lost with it
        if pending and (whole := _whole(number, line)):
            yield from _given_up(start, pending)
            pending = []
            yield whole
            continue
        pending.append(line)
        joined = b"".join(pending)
        if piece := _piece(start, joined):
            yield piece
            pending = []
        elif len(pending) >= MOST_LINES or _stands_alone(pending):
            yield from _given_up(start, pending)
            pending = []
    yield from _given_up(start, pending)


def _whole(number: int, line: bytes) -> _Piece | None:
    """A line that is a sound row by itself, behind lines that are not."""
    if not line.lstrip().startswith(b"{") or not line.rstrip().endswith((b"}", b"},")):
        return None
    piece = _piece(number, line)
    return piece if piece and not piece.wrong else None


def _stands_alone(pending: list[bytes]) -> bool:
    """Whether the only line so far looks like a whole row, which more lines will not mend."""
    line = pending[0].strip()
    return len(pending) == 1 and len(line) > 2 and line[:1] == b"{" and line.endswith((b"}", b"},"))


def _given_up(start: int, lines: list[bytes]) -> Iterator[_Piece]:
    for number, line in enumerate(lines, start=start):
        yield _Piece(number, line, None, [], [])


def _piece(number: int, raw: bytes) -> _Piece | None:
    """The row in some lines; None when they are not a whole JSON value."""
    if not raw.rstrip().endswith((b"}", b"},", b"]", b"],")):
        return None
    several = raw.count(b"\n") > 1
    row, wrong = (None, []) if several else read_line(raw)
    if row is not None and not wrong and not list(judge_row(row)):
        return _Piece(number, raw, row, [], [])
    try:
        value, done = revived(raw.decode())
    except ValueError:
        return None
    if not isinstance(value, dict):
        return _Piece(number, raw, None, [], [("not_object", "each row is an object", "")])
    if several:
        done.append("put on one line")
    if any(rule in ("duplicate_key", "too_deep") for rule, _, _ in wrong):
        return _Piece(number, raw, value, done, wrong)
    fixed, more = repaired(value)
    return _Piece(number, raw, fixed, [*done, *more], list(judge_row(fixed)))
