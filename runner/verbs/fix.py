"""`sft check --fix`: repaired copies of JSONL files with rows in Gemini's format, row by row.

The files of `source.kind: gemini`, and those of `source.kind: files` whose rows turn out to hold
`contents` or chat `messages`: such rows are no columns, and `gemini` reads their repaired copy.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.base.errors import ConfigError, Problem
from runner.verbs.common import experiment_file

if TYPE_CHECKING:
    from runner.compose import Composition
    from runner.config import GeminiSource

TURNS = {"contents", "messages"}
"""Keys of rows that are conversations."""
LOOKED_AT = 100
"""Lines of a file in which a row is looked for."""


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was done to one file."""

    split: str
    file: str
    untouched: int
    """Rows that were sound."""
    repaired: int
    rest: int
    """Rows that need a hand."""
    notes: Sequence[str]
    """What was done to the first rows, line by line."""
    files: Mapping[str, str]
    """``repaired``, ``rest`` and ``log``, as far as they were written."""
    use: str
    """What to type before ``source.SPLIT=FILE`` to use the repaired file."""


def fix(options: argparse.Namespace) -> int:
    """Repair every file once and say what was done; 2 when rows are left that need a hand.

    Raises ConfigError for sources of another form.
    """
    from runner.compose import compose

    found: list[RepairReport] = []

    def on_batch(composition: Composition) -> list[float]:
        sources = {
            point.experiment.source.model_dump_json(): point.experiment.source
            for point in composition.points
        }
        for source in sources.values():
            rows = _gemini(source)
            words = "" if rows is source else "source=gemini "
            found.extend(_files(rows, words))
        return [0.0] * len(composition.points)

    words = [*(["--multirun"] if options.multirun else []), *options.overrides]
    compose(experiment_file(options.experiment), words, on_batch)
    if options.json:
        print(json.dumps({"files": list(map(asdict, found))}, indent=1, ensure_ascii=False))
    else:
        for report in found:
            _show(report)
    return 2 if any(report.rest for report in found) else 0


def _gemini(source: Any) -> GeminiSource:
    """The source as one of Gemini's rows. Raises ConfigError where there can be none."""
    from runner.config import FileSource, GeminiSource

    if isinstance(source, GeminiSource):
        return source
    message = f"is {source.kind}; --fix repairs JSONL files with rows in Gemini's format only"
    hint = "rows with `messages` are converted as they are read, by source.kind: chat"
    if isinstance(source, FileSource):
        shared = source.model_dump(include=set(GeminiSource.model_fields) - {"kind"})
        found = GeminiSource.model_validate({**shared, "kind": "gemini"})
        if _holds_turns(found):
            return found
        hint = "rows of columns need no repair: `sft check` names each bad one with file and line"
    raise ConfigError([Problem("source.kind", message, hint=hint)])


def _holds_turns(source: GeminiSource) -> bool:
    """Whether the first row that can be read, of each file, has turns in it."""
    from runner.sources.files import raw_files, raw_lines

    for _, file in raw_files(source):
        if file.format != "jsonl":
            return False
        with raw_lines(file) as lines:
            row = next((row for line in islice(lines, LOOKED_AT) if (row := _object(line))), {})
        if not TURNS & row.keys():
            return False
    return True


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _files(source: GeminiSource, use: str) -> Iterator[RepairReport]:
    from runner.gemini_format import fix_gemini
    from runner.sources.files import raw_files, raw_lines

    for split, file in raw_files(source):
        with raw_lines(file) as lines:
            fixed = fix_gemini(lines, Path(file.path))
        yield RepairReport(
            split=split,
            file=fixed.source,
            untouched=fixed.untouched,
            repaired=fixed.repaired,
            rest=fixed.rest,
            notes=fixed.notes,
            files={name: str(path) for name, path in fixed.files.items()},
            use=use,
        )


def _show(report: RepairReport) -> None:
    from rich.console import Console

    from runner.base.text import plural
    from runner.report.format import one_line

    terminal = Console(highlight=False, markup=False)
    files, changed = report.files, report.repaired + report.rest
    rows = plural(changed + report.untouched, "row")
    terminal.print(f"{report.file}: {rows}", soft_wrap=True)
    if not changed:
        terminal.print("  every row is sound; nothing was written\n")
        return
    for note in report.notes:
        terminal.print(f"  {one_line(note, 300)}", soft_wrap=True)
    if changed > len(report.notes):
        terminal.print(f"  ... and {changed - len(report.notes):,} more in {files['log']}")
    for name, count, what in (
        ("repaired", report.untouched + report.repaired, "sound rows"),
        ("rest", report.rest, "rows that need a hand, as they were"),
    ):
        if name in files:
            terminal.print(f"{name:<10} {files[name]}  ({count:,} {what})", soft_wrap=True)
    if "repaired" in files:
        words = f"{report.use}source.{report.split}={files['repaired']}"
        terminal.print(f"to use it: {words}", soft_wrap=True)
    terminal.print()
