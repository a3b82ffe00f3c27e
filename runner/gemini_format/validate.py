"""All rows of one file: each by itself, and what only shows when they are seen together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.config import RowLimits
from runner.gemini_format.few_shot import labelled_examples
from runner.gemini_format.media import Exists, MediaValidator, files_of
from runner.gemini_format.row import parts_of, read_line, validate_row
from runner.gemini_format.shapes import Fault, named
from runner.gemini_format.tokens import FILE_TOKENS, estimate
from runner.records import call_json

MOST_LABELS = 1000
"""More different answers than this are no labels."""
LONGEST_LABEL = 200
READ_FOR_SHOTS = 4000
"""Characters of a prompt that are searched for worked examples."""


@dataclass(slots=True)
class FileFacts:
    """What the good rows of a file have in common, or not. Bounded, whatever the file holds."""

    rows: int = 0
    """Lines, good or not."""
    preference: int = 0
    with_files: int = 0
    no_system: int = 0
    first_no_system: int = 0
    few_shot: int = 0
    first_few_shot: int = 0
    labels: Counter[str] | None = field(default_factory=Counter)
    """Answers with their number; None when there are too many to be labels."""
    resolutions: dict[str, int] = field(default_factory=dict)
    """Media resolution of rows with video, to the first line that has it."""


class RowValidator:
    """Validates the lines of one file in order.

    `limits` are the model's; None skips what depends on a model (files, functions), as for a
    model that is tuned here. `preference` says that all rows have to be for preference tuning.
    """

    def __init__(
        self,
        max_tokens: int,
        limits: RowLimits | None = None,
        exists: Exists | None = None,
        preference: bool = False,
    ) -> None:
        self.seen = FileFacts()
        self._preference = preference
        self._max_tokens = max_tokens
        self._limits = limits
        self._media = MediaValidator(limits, exists) if limits else None

    def line(self, line: bytes) -> list[Fault]:
        """What is wrong with the next line."""
        self.seen.rows += 1
        row, found = read_line(line)
        if row is None:
            return found
        escaped = b"\\u" in line  # keys may be
        found += validate_row(row, calls=escaped or b"unction" in line)
        if not found:
            files = escaped or b"fileData" in line or b"file_data" in line
            found += self._good(named(row), len(line), files)
        return found

    def _good(self, row: dict[str, Any], size: int, files: bool) -> Iterator[Fault]:
        """A row that is sound by itself: against the limits, and into the statistics."""
        seen = self.seen
        contents = row["contents"]
        if not row.get("systemInstruction"):
            seen.no_system += 1
            seen.first_no_system = seen.first_no_system or seen.rows
        if "completions" in row:
            seen.preference += 1
            if seen.preference != seen.rows:
                message = "rows with `completions` (preference tuning) and others do not mix"
                yield "mixed_methods", message, "completions"
        else:
            if self._preference:
                message = "tuning.method=preference needs two `completions`, one scored 1, one 0"
                yield "missing_completions", message, "completions"
            elif seen.preference:
                message = "rows before it are for preference tuning, this one is not"
                yield "mixed_methods", message, "contents"
            self._label(parts_of(contents[-1]))
        self._shots(contents)
        least = _file_tokens(row) if files else 0
        if least:
            seen.with_files += 1
            yield from self._files(row)
        if row.get("tools") and self._limits and not self._limits.functions:
            yield "no_functions", "the model cannot be tuned on function calls", "tools"
        if size + least > self._max_tokens:  # a token has a byte at least
            yield from self._length(row, least)

    def _files(self, row: dict[str, Any]) -> Iterator[Fault]:
        config = named(row.get("generationConfig") or {})
        resolution = str(config.get("mediaResolution", ""))
        if self._media:
            yield from self._media.validate(row, resolution)
        kinds = (file["mimeType"].partition("/")[0] for _, _, file in files_of(row))
        if "video" in kinds:
            known = self.seen.resolutions
            known.setdefault(resolution, self.seen.rows)
            first = next(iter(known))
            if resolution != first:
                message = (
                    f"rows with video need one media resolution; line {known[first]} has "
                    f"{first or 'none'}, this one {resolution or 'none'}"
                )
                yield "mixed_resolution", message, "generationConfig.mediaResolution"

    def _length(self, row: Mapping[str, Any], least: int) -> Iterator[Fault]:
        """Rows that are too long by the lowest estimate: Vertex drops them without a word."""
        turns = [*row["contents"], row.get("systemInstruction") or {}]
        answers = [item["completion"] for item in row.get("completions", ())]
        shared = least + _text_tokens(turns)
        longest = shared + max((_text_tokens([answer]) for answer in answers), default=0)
        if longest > self._max_tokens:
            message = f"at least {longest:,} tokens, more than the model's {self._max_tokens:,}"
            yield "too_long", message, ""

    def _label(self, parts: list[Any]) -> None:
        labels = self.seen.labels
        if labels is None:
            return
        text = _answer(parts)
        if len(text) > LONGEST_LABEL:
            self.seen.labels = None
            return
        labels[text] += 1
        if len(labels) > MOST_LABELS:
            self.seen.labels = None

    def _shots(self, contents: list[Any]) -> None:
        asked: Any = next((c for c in reversed(contents) if c.get("role") != "model"), {})
        text = "".join(part.get("text", "") for part in parts_of(asked))[:READ_FOR_SHOTS]
        if labelled_examples(text):
            self.seen.few_shot += 1
            self.seen.first_few_shot = self.seen.first_few_shot or self.seen.rows


def _answer(parts: list[Any]) -> str:
    if len(parts) == 1 and "text" in parts[0]:
        return str(parts[0]["text"])
    calls = [named(part).get("functionCall") for part in parts]
    texts = [part["text"] for part in parts if "text" in part]
    return "".join([*texts, *(call_json(call) for call in calls if call)])


def _file_tokens(row: Mapping[str, Any]) -> int:
    kinds = [file["mimeType"].partition("/")[0] for _, _, file in files_of(row)]
    return sum(FILE_TOKENS.get(kind, (1, 1))[0] for kind in kinds)


def _text_tokens(turns: Iterable[Mapping[str, Any]]) -> int:
    parts = (part for turn in turns for part in parts_of(turn))
    return sum(estimate(part["text"])[0] for part in parts if "text" in part)
