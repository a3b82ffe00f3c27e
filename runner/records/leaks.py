"""Rows that stand in two places: pairs of splits, repeated spans, rows of past datasets."""

from __future__ import annotations

from dataclasses import dataclass

from runner.records.json_form import given_fields
from runner.records.rows import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakPair:
    """A row and another one that gives it away or contradicts it: a line of ``leaks.jsonl`` and
    ``conflicts.jsonl``. Texts are cut short."""

    split: str
    id: str
    origin: Origin | None = None
    text: str = ""
    target: str = ""
    against: str
    """Split or suite of the other row."""
    matched: str = ""
    """Id of the other row."""
    matched_origin: Origin | None = None
    matched_text: str = ""
    matched_target: str = ""
    agrees: bool = True
    """Whether both have the same answer."""
    method: str
    """``exact``, ``normalised``, ``minhash``, ``substring``, ``13-gram`` ..., ``semantic``."""
    score: float | None = None
    """1 for equal inputs; None within train, where only equal inputs are listed."""
    span: str | None = None
    """The longest run of tokens in both; empty where nobody looked, None within train."""
    fate: str = ""
    """Why the row left its split; empty when it stays."""

    def to_json(self) -> dict[str, object]:
        return given_fields(self)


@dataclass(frozen=True, slots=True)
class LeakCheck:
    """What a method of leakage looked at, of a pair of splits: rows it compared, and how many of
    `against` it found; or why it did not look."""

    split: str
    against: str
    """The other split, or a suite."""
    method: str
    """``exact``, ``minhash``, ``substring``, ``13-gram`` ..., ``semantic``."""
    rows: int | None = None
    against_rows: int | None = None
    found: int | None = None
    not_looked: str | None = None
    """The reason; None where it looked."""

    def to_json(self) -> dict[str, object]:
        return given_fields(self)


@dataclass(frozen=True, slots=True)
class RepeatedSpan:
    """A stretch of text that stands in another training row, too: a line of ``spans.jsonl``."""

    id: str
    origin: Origin
    input: int
    """Number of the input text, from 0."""
    start: int
    """First character, from 0."""
    end: int
    tokens: int
    matched: str
    matched_origin: Origin
    fate: str
    """``cut``, ``dropped`` or ``kept``."""
    span: str
    """The text, cut short."""


@dataclass(frozen=True, slots=True)
class SeenRow:
    """A training row that nearly repeats one of a past dataset: a line of ``seen_before.jsonl``."""

    id: str
    origin: Origin
    dataset: str
    matched: str
    similarity: float
    text: str
