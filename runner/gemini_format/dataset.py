"""The files of one tuning dataset together: limits of size, and what should make one think."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.base.errors import RowFault
from runner.base.text import plural
from runner.config import RowLimits
from runner.gemini_format.media import Exists
from runner.gemini_format.validate import FileFacts, RowValidator

KEPT = 200
"""Faults of one rule in one file that are named; the others are counted."""
LABELS_SHOWN = 5


@dataclass(slots=True)
class Validation:
    """What is wrong with a dataset, and what is only odd."""

    faults: list[RowFault] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Rule to all of its faults, also those that are not named."""
    warnings: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    """Lines of each split."""


def validate_dataset(
    files: Mapping[str, Path],
    max_tokens: int,
    limits: RowLimits | None = None,
    exists: Exists | None = None,
    preference: bool = False,
) -> Validation:
    """Validate the files of the splits ``train`` and ``validation`` (either may be absent), see
    `runner.prepare.validate_files`."""
    verdict = Validation()
    seen: dict[str, FileFacts] = {}
    for split, path in files.items():
        validator = RowValidator(max_tokens, limits, exists, preference)
        for fault in _lines(path, validator, verdict.counts):
            verdict.faults.append(fault)
        seen[split] = validator.seen
        verdict.rows[split] = validator.seen.rows
        verdict.warnings += _odd(split, validator.seen)
        if split == "train":
            found = _too_large(path, validator.seen, limits or RowLimits())
            verdict.faults += found
            verdict.counts.update(fault.rule for fault in found)
    if "train" in seen and "validation" in seen:
        found = _pair(files, seen["train"], seen["validation"], limits)
        verdict.faults += found
        verdict.counts.update(fault.rule for fault in found)
        verdict.warnings += _coverage(seen["train"], seen["validation"])
    return verdict


def _lines(path: Path, validator: RowValidator, counts: Counter[str]) -> Iterator[RowFault]:
    name, kept = str(path), Counter[str]()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            for rule, message, at in validator.line(line):
                counts[rule] += 1
                kept[rule] += 1
                if kept[rule] <= KEPT:
                    yield RowFault(name, number, rule, message, at)


def _too_large(path: Path, seen: FileFacts, limits: RowLimits) -> list[RowFault]:
    """Size of the training file and number of its rows."""
    found = []
    size, rows = path.stat().st_size, seen.rows
    if size > limits.train_bytes:
        message = f"{size:,} bytes, more than the {limits.train_bytes:,} Vertex takes"
        found.append(RowFault(str(path), 1, "file_too_large", message))
    most, what = limits.train_rows, "rows"
    if seen.with_files:
        most, what = limits.train_rows_media, "rows, the limit of datasets with media"
    if rows > most:
        message = f"{rows:,} rows; Vertex takes {most:,} {what}"
        found.append(RowFault(str(path), rows, "too_many_rows", message))
    return found


def _pair(
    files: Mapping[str, Path], train: FileFacts, validation: FileFacts, limits: RowLimits | None
) -> list[RowFault]:
    """What training and validation rows have to agree in."""
    name = str(files["validation"])
    found = []
    most = (limits or RowLimits()).most_validation(train.rows)
    if validation.rows > most:
        message = (
            f"{plural(validation.rows, 'row')}; with {plural(train.rows, 'training row')} "
            f"Vertex takes {most:,}"
        )
        found.append(RowFault(name, validation.rows, "too_many_validation_rows", message))
    if train.resolutions and validation.resolutions:
        first, other = next(iter(train.resolutions)), next(iter(validation.resolutions))
        if first != other:
            message = (
                f"rows with video need one media resolution; train has {first or 'none'}, "
                f"validation {other or 'none'}"
            )
            line = validation.resolutions[other]
            at = "generationConfig.mediaResolution"
            found.append(RowFault(name, line, "mixed_resolution", message, at))
    if bool(train.preference) != bool(validation.preference) and validation.rows and train.rows:
        message = "train and validation are not for the same method (`completions`)"
        found.append(RowFault(name, 1, "mixed_methods", message))
    return found


def _odd(split: str, seen: FileFacts) -> Iterator[str]:
    if 0 < seen.no_system < seen.rows:
        yield (
            f"{split}: {seen.no_system:,} of {seen.rows:,} rows have no systemInstruction, the "
            f"others have one (first without: line {seen.first_no_system})"
        )
    if seen.few_shot:
        yield (
            f"{split}: {seen.few_shot:,} of {seen.rows:,} prompts look like worked examples, "
            f"which bring nothing in tuning rows (first: line {seen.first_few_shot})"
        )


def _coverage(train: FileFacts, validation: FileFacts) -> Iterator[str]:
    """Labels that only one split has."""
    if not train.labels or not validation.labels or 2 * len(train.labels) > train.rows:
        return
    for here, there, what in (
        (validation.labels, train.labels, "validation has labels that train lacks"),
        (train.labels, validation.labels, "train has labels that validation lacks"),
    ):
        missing = [label for label, _ in here.most_common() if label not in there]
        if missing:
            shown = ", ".join(repr(label[:60]) for label in missing[:LABELS_SHOWN])
            more = f" and {len(missing) - LABELS_SHOWN} more" if len(missing) > LABELS_SHOWN else ""
            yield f"{what}: {shown}{more}"
