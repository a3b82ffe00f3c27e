"""A whole file repaired: every line of it stands in the repaired copy or in the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from runner.gemini_format.row import NO_PLACE, read_line, validate_row
from runner.gemini_format.shapes import Fault, camel

MOST_LINES = 500
"""Lines that one row may be spread over."""
SHOWN = 50
"""Notes that are kept for showing; all of them stand in the log."""


@dataclass(slots=True)
class RepairResult:
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
    wrong: list[Fault]


def fix_file(lines: Iterable[bytes], source: Path) -> RepairResult:
    """Repair the lines of `source`, see `runner.prepare.fix_gemini`."""
    found = RepairResult(str(source))
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


def _write(piece: _Piece, out: dict[str, IO[bytes]], found: RepairResult) -> None:
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


def _note(text: str, out: dict[str, IO[bytes]], found: RepairResult) -> None:
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
    if row is not None and not wrong and not list(validate_row(row)):
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
    return _Piece(number, raw, fixed, [*done, *more], list(validate_row(fixed)))


# Rows in other formats, or with the usual mistakes, made rows of Gemini's format.
#
# Every repair is named. Nothing is guessed: a row that is not sound afterwards is not taken.

ROLES = {"assistant": "model", "ai": "model", "bot": "model", "gpt": "model", "human": "user"}
PAIRS = (("input_text", "output_text"), ("prompt", "completion"))
SYSTEM = ("system", "developer")


def repaired(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A copy of the row with what can be repaired repaired, and each repair in words."""
    work = _Repair()
    return work.row(row), list(dict.fromkeys(work.done))


class _Repair:
    def __init__(self) -> None:
        self.done: list[str] = []

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        out = dict(row)
        self._format(out)
        for key in [key for key in out if camel(key) in NO_PLACE and camel(key) != "cachedContent"]:
            del out[key]
            self.done.append(f"`{key}` removed, it has no place in a tuning row")
        spelled = next((k for k in out if camel(k) == "systemInstruction"), "systemInstruction")
        system = out.get(spelled)
        if system is not None:
            out[spelled] = system = self._system(system)
        contents = out.get("contents")
        if isinstance(contents, list):
            turns, moved = self._out_of_turns(contents)
            out["contents"] = [self._turn(turn) for turn in turns]
            if moved:
                known = self._parts_of(system) if system is not None else []
                out[spelled] = {"role": "system", "parts": [*known, *moved]}
        return out

    def _format(self, row: dict[str, Any]) -> None:
        """Chat messages and pairs of question and answer as `contents`."""
        if "contents" in row:
            return
        if isinstance(row.get("messages"), list):
            row["contents"] = row.pop("messages")
            self.done.append("`messages` made `contents`")
            return
        for asked, answered in PAIRS:
            if isinstance(row.get(asked), str) and isinstance(row.get(answered), str):
                pairs = (("user", row.pop(asked)), ("model", row.pop(answered)))
                row["contents"] = [{"role": role, "parts": [{"text": t}]} for role, t in pairs]
                self.done.append(f"`{asked}` and `{answered}` made a user and a model turn")
                return

    def _out_of_turns(self, contents: list[Any]) -> tuple[list[Any], list[Any]]:
        """The turns without system texts at their head, and the parts of those."""
        turns, moved = list(contents), []
        while len(turns) > 1 and isinstance(turns[0], dict) and self._is_system(turns):
            moved += self._parts_of(self._turn(turns.pop(0)))
            self.done.append("the system text moved from the turns to `systemInstruction`")
        return turns, moved

    @staticmethod
    def _is_system(turns: list[Any]) -> bool:
        """A turn with that role, or without any right before the first user turn."""
        following = turns[1].get("role") if isinstance(turns[1], dict) else None
        role = turns[0].get("role")
        return role in SYSTEM or (role is None and following in ("user", "human"))

    def _system(self, system: Any) -> Any:
        if isinstance(system, str):
            self.done.append("the text of `systemInstruction` made parts")
            return {"role": "system", "parts": [{"text": system}]}
        return self._turn(system)

    def _turn(self, turn: Any) -> Any:
        if not isinstance(turn, dict):
            return turn
        out = dict(turn)
        role = out.get("role")
        if isinstance(role, str) and role in ROLES:
            out["role"] = ROLES[role]
            self.done.append(f"role `{role}` made `{ROLES[role]}`")
        if "content" in out and "parts" not in out:
            out["parts"] = out.pop("content")
            self.done.append("`content` made `parts`")
        if "weight" in out:
            del out["weight"]
            self.done.append("`weight` removed, turns have none")
        if "parts" in out:
            out["parts"] = self._parts(out["parts"])
        return out

    def _parts(self, parts: Any) -> Any:
        if isinstance(parts, str | dict):
            parts = [parts]
            self.done.append("`parts` made a list")
        if not isinstance(parts, list):
            return parts
        return self._without_empty([self._part(part) for part in parts])

    def _part(self, part: Any) -> Any:
        if isinstance(part, str):
            self.done.append("text made a part")
            return {"text": part}
        if not isinstance(part, dict):
            return part
        out = dict(part)
        if out.get("type") == "text" and isinstance(out.get("text"), str):
            del out["type"]
            self.done.append("`type` of a text part removed")
        for key in [key for key in out if camel(key) == "thoughtSignature"]:
            del out[key]
            self.done.append(f"`{key}` removed")
        if out.get("thought") is False:
            del out["thought"]
            self.done.append("`thought` removed")
        return out

    def _without_empty(self, parts: list[Any]) -> list[Any]:
        """Without thoughts and empty texts, as long as another part is left."""
        kept = [part for part in parts if not _says_nothing(part)]
        if kept and len(kept) < len(parts):
            self.done.append("thoughts and empty parts removed")
            return kept
        return parts

    @staticmethod
    def _parts_of(turn: Any) -> list[Any]:
        parts = turn.get("parts") if isinstance(turn, dict) else None
        return list(parts) if isinstance(parts, list) else [turn]


def _says_nothing(part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    text = part.get("text")
    empty = isinstance(text, str) and not text.strip() and len(part) == 1
    return empty or part.get("thought") is True


# Text that was JSON once: what copying and exporting did to it, undone.

STRAIGHT = {ord(mark): '"' for mark in "“”„‟"}
STRING = r'("(?:[^"\\]|\\.)*")'
LINE_ENDS = re.compile(STRING + r"|\\r\\n|\\n|\\r|\brn|rn\b")
"""Strings, which stay as they are, and escaped or half-escaped line ends between values."""
COMMAS = re.compile(STRING + r"|,(?=\s*[}\]])")


def revived(text: str) -> tuple[Any, list[str]]:
    """The JSON value of a text, and what was done to get it.

    The mildest cure that helps is taken. Raises ValueError when none helps.
    """
    done: list[str] = []
    bare = text.lstrip("\ufeff").strip()
    if text.startswith("\ufeff"):
        done.append("byte-order mark removed")
    if bare.endswith(","):
        bare = bare.rstrip(",").rstrip()
        done.append("comma behind the row removed")
    try:
        return orjson.loads(bare), done
    except orjson.JSONDecodeError as error:
        first = error
    for cure, what in _CURES:
        try:
            return orjson.loads(cure(bare)), [*done, what]
        except orjson.JSONDecodeError:
            continue
    raise first


def _tidy(text: str) -> str:
    for debris in (LINE_ENDS, COMMAS):
        text = debris.sub(lambda found: found[1] or " ", text)
    return text


def _straight(text: str) -> str:
    return text.translate(STRAIGHT)


_CURES = (
    (_tidy, "left-over line ends and commas between values removed"),
    (_straight, "typographic quotes made straight"),
    (
        lambda text: _tidy(_straight(text)),
        "typographic quotes made straight, left-over line ends and commas removed",
    ),
)
"""Each is tried on the text as it came: what the wrong one does is never seen."""
