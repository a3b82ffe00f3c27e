"""Offline validation of Gemini tuning files, line by line, with the cure for the usual mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config import RowLimits

if TYPE_CHECKING:
    from runner.gemini_format.dataset import Validation
    from runner.gemini_format.repair import RepairResult


def validate_files(
    files: Mapping[str, Path],
    max_tokens: int,
    limits: RowLimits | None = None,
    exists: Callable[[str], int | None] | None = None,
    preference: bool = False,
) -> Validation:
    """Validate the files of one tuning dataset, ``train`` and ``validation``, against a model.

    `limits` are those of a `GeminiModel`; without them files are not held against a model's
    kinds, counts and sizes. `exists` tells the size in bytes of a ``gs://`` object, None when
    there is none; without it nobody looks. `preference` wants rows with two answers. Streams; of
    each rule at most 200 faults a file are named, all are counted.
    """
    from runner.gemini_format.dataset import validate_dataset

    return validate_dataset(files, max_tokens, limits, exists, preference)


def fix_gemini(lines: Iterable[bytes], source: Path) -> RepairResult:
    """Repair the rows of a Gemini tuning file into new files beside `source`.

    Other formats (`messages`, `prompt`/`completion`, `input_text`/`output_text`), wrong roles,
    texts where parts belong, typographic quotes, left-over line ends and rows over several lines
    become sound rows in ``NAME.repaired.jsonl``; rows that cannot be repaired go as they are to
    ``NAME.rest.jsonl``, and ``NAME.repaired.log`` says what was done line by line. Nothing is
    written when every row is sound, and no file is overwritten.
    """
    from runner.gemini_format.repair import fix_file

    return fix_file(lines, source)
