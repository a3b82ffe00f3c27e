"""The frozen records that travel between stages, and their JSON form.

Order of life: a source yields `Row`s; prepare keeps or drops them (`Dropped`, counted in a
`Tally`); the template turns a row into an `Example`; a backend is asked with `Request`s and
answers with `Prediction`s; tuning leaves `Checkpoint`s and `CurvePoint`s.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from runner.errors import GateError, RowFault

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row was read: `line` is 1-based (row number for formats without lines)."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation; `role` is ``user`` or ``model`` (Gemini's words)."""

    role: Literal["user", "model"]
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One source row before any template."""

    id: str
    """The source's own id column, else ``<split>-<line>`` made unique per file."""
    fields: Mapping[str, str]
    """Input columns by name, all as text. Never holds the target column."""
    target: str
    """The answer to learn. JSON targets are compact JSON text with the source's key order."""
    origin: Origin
    references: tuple[str, ...] = ()
    """Further acceptable answers besides `target` (evaluation only)."""
    slices: Mapping[str, str] = field(default_factory=dict)
    """Labels to report scores by, e.g. ``{"phrasing": "unseen"}``."""
    group: str = ""
    """Rows with one non-empty group never straddle a split."""
    system: str = ""
    """Instance-level system instruction (rows that arrive in Gemini or chat form)."""
    history: tuple[Turn, ...] = ()
    """Turns before the target, last one a user turn, for rows that arrive in Gemini or chat
    form; empty for column rows, which get their turns from the template."""

    def to_json(self) -> dict[str, Any]:
        return _compact(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(
            id=raw["id"],
            fields=raw.get("fields", {}),
            target=raw["target"],
            origin=Origin(**raw["origin"]),
            references=tuple(raw.get("references", ())),
            slices=raw.get("slices", {}),
            group=raw.get("group", ""),
            system=raw.get("system", ""),
            history=tuple(Turn(**turn) for turn in raw.get("history", ())),
        )


@dataclass(frozen=True, slots=True)
class Example:
    """One rendered row: exactly what tuning, evaluation and serving see."""

    id: str
    contents: tuple[Turn, ...]
    """Turns up to and including the last user turn; the target is not in here."""
    target: str
    origin: Origin
    system: str = ""
    references: tuple[str, ...] = ()
    slices: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return _compact(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(
            id=raw["id"],
            contents=tuple(Turn(**turn) for turn in raw["contents"]),
            target=raw["target"],
            origin=Origin(**raw["origin"]),
            system=raw.get("system", ""),
            references=tuple(raw.get("references", ())),
            slices=raw.get("slices", {}),
        )

    def to_gemini(self) -> dict[str, Any]:
        """The Gemini SFT dataset row: ``systemInstruction`` and ``contents``, target last."""
        turns = (*self.contents, Turn("model", self.target))
        row: dict[str, Any] = {}
        if self.system:
            row["systemInstruction"] = {"role": "system", "parts": [{"text": self.system}]}
        row["contents"] = [{"role": turn.role, "parts": [{"text": turn.text}]} for turn in turns]
        return row

    @property
    def prompt(self) -> str:
        """The last user turn, for tables and pages."""
        return self.contents[-1].text


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that left the flow: why, and for duplicates and leaks what it matched."""

    id: str
    split: str
    step: str
    """``read``, ``clean``, ``dedup``, ``split``, ``leakage``, ``select``, ``template``."""
    reason: str
    """Stable name, counted in the tally: ``bad_json``, ``exact_duplicate``, ``leak_test`` ..."""
    origin: Origin
    matched: str = ""
    """Id of the row it repeats."""
    matched_origin: Origin | None = None
    method: str = ""
    """``exact``, ``normalised``, ``minhash`` ..."""
    score: float | None = None
    span: str = ""
    """The shared text (cut at 200 characters), or the faulty value."""

    def to_json(self) -> dict[str, Any]:
        return _compact(self)


@dataclass(slots=True)
class Tally:
    """Row counts of one step, obeying: rows in = rows kept + rows dropped by reason."""

    step: str
    split: str
    rows_in: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    """Rows kept but altered, by rule (``unicode``, ``whitespace`` ...)."""

    def check(self) -> None:
        """Raise AssertionError when a row was lost or made up (the conservation law)."""
        if self.rows_in != self.kept + self.dropped.total():
            raise AssertionError(
                f"{self.step}/{self.split}: {self.rows_in} rows in, {self.kept} kept, "
                f"{self.dropped.total()} dropped {dict(self.dropped)}"
            )

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "split": self.split,
            "in": self.rows_in,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
            "changed": dict(sorted(self.changed.items())),
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(
            raw["step"],
            raw["split"],
            raw["in"],
            raw["kept"],
            Counter(raw["dropped"]),
            Counter(raw["changed"]),
        )


@dataclass(slots=True)
class FaultLog:
    """What reading one split came to: rows seen and kept, faults by rule.

    A source calls `good`, `bad` and `skip` as it reads; whoever asked for the rows calls
    `check` when all are read, and takes `tally` as the conservation record of the step.
    """

    SHOWN = 20

    split: str
    max_bad_share: float = 1.0
    sink: Callable[[RowFault], None] | None = None
    """Told of every fault as it is found; the log itself keeps only the first of each rule."""
    kept: int = 0
    faulty: Counter[str] = field(default_factory=Counter)
    """Rows by the rule they break."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Good rows not passed on, by reason: ``weight``, ``merged_reference``."""
    first: dict[str, list[RowFault]] = field(default_factory=dict)

    def good(self) -> None:
        """One more row was passed on."""
        self.kept += 1

    def skip(self, reason: str) -> None:
        """One more row was good, but is not passed on as a row of its own."""
        self.skipped[reason] += 1

    def bad(self, fault: RowFault, rows: int = 1) -> None:
        """A fault that made `rows` rows unusable."""
        self.faulty[fault.rule] += rows
        shown = self.first.setdefault(fault.rule, [])
        if len(shown) < self.SHOWN:
            shown.append(fault)
        if self.sink:
            self.sink(fault)

    def tally(self) -> Tally:
        """Rows read = rows kept + faulty rows by rule + rows skipped by reason."""
        dropped = self.faulty + self.skipped
        return Tally("read", self.split, self.kept + dropped.total(), self.kept, dropped)

    def check(self) -> None:
        """Raise GateError when more than `max_bad_share` of the rows read are faulty."""
        bad, seen = self.faulty.total(), self.tally().rows_in
        if not bad or bad <= self.max_bad_share * seen:
            return
        worst, enough = self.faulty.most_common(), math.ceil(100 * bad / seen) / 100
        shown = [fault for rule, _ in worst for fault in self.first[rule]][: self.SHOWN]
        lines = [
            f"source.{self.split}: {bad:,} of {seen:,} rows ({bad / seen:.1%}) are faulty, and "
            f"source.max_bad_share allows {self.max_bad_share:.1%}: "
            + ", ".join(f"{count:,} {rule}" for rule, count in worst),
            *(f"  {fault}" for fault in shown),
            f"  mend the rows, or go on without them: source.max_bad_share={enough:.2f}",
        ]
        raise GateError("\n".join(lines))


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One metric of a tuning job at one optimiser step.

    `name` is Vertex's: ``train_total_loss``, ``train_fraction_of_correct_next_step_preds``,
    ``train_num_predictions`` and the same with ``eval_``. `time_ms` is when the job recorded
    it (Unix milliseconds), so replaying a point is idempotent.
    """

    name: str
    step: int
    value: float
    time_ms: int
    epoch: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One saved state of a tuning job. `id` is its 1-based number, `path` a local folder or
    an endpoint name; `eval_loss` is nan when there is no validation set."""

    id: str
    epoch: float
    step: int
    path: str
    eval_loss: float


@dataclass(frozen=True, slots=True)
class TuningResult:
    """What a finished tuning job left."""

    checkpoints: tuple[Checkpoint, ...]
    curves: tuple[CurvePoint, ...]
    train_examples: int
    train_tokens: int
    """Tokens of one epoch, prompt and target."""
    seconds: float
    """Wall-clock seconds of training, all attempts together."""
    resolved: Mapping[str, Any]
    """Hyperparameters as the backend resolved them, e.g. the absolute learning rate."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Generation settings of a request; part of the prediction cache's key."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for a model: rendered example, with `shots` put before the last user turn."""

    id: str
    contents: tuple[Turn, ...]
    system: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to one request. `error` non-empty means there is no answer: an
    outcome of its own, never counted as a wrong answer."""

    id: str
    text: str
    error: str = ""
    finish: Literal["stop", "length", "error"] = "stop"
    prompt_tokens: int = 0
    output_tokens: int = 0

    def to_json(self) -> dict[str, Any]:
        return _compact(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        return cls(**{"text": "", **raw})


class Progress(Protocol):
    """Where a stage reports how far it is; the command line shows it as a bar."""

    def __call__(self, done: float, total: float, note: str = "") -> None: ...


def quiet(done: float, total: float, note: str = "") -> None:
    """The progress of someone who does not look."""


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write one JSON object a line (UTF-8, not ASCII-escaped); return how many."""
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
            count += 1
    return count


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Read our own JSONL files. Not for users' files: those go through `runner.sources`."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _compact(record: Any) -> dict[str, Any]:
    """The record as JSON-ready dict without its empty optional fields."""
    out: dict[str, Any] = {}
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        required = (
            item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        )
        if required or (value is not None and value != "" and value != () and value != {}):
            out[item.name] = _plain(value)
    return out


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value
