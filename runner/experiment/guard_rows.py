"""The rows of a guard, read: prompts that go to the model as they stand, and their conditions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from runner.base.errors import DataError, RowFault
from runner.config import Guard, RowsGuard, Suite
from runner.experiment.identity import guard_file
from runner.experiment.stage import ArmRun
from runner.records import Example, Origin, Turn
from runner.records.gates import GUARD, KIND, OTHER


def suite_for(run: ArmRun, split: str) -> Suite:
    """How answers to a split are generated and scored: as in the experiment, or as in its guard."""
    guard = run.experiment.guard
    return guard.suite if split == GUARD and isinstance(guard, RowsGuard) else run.experiment.suite


def check_guard(guard: Guard) -> None:
    """Raise DataError that names every row of a guard that cannot be asked or checked."""
    from runner.evaluation import check_targets

    if isinstance(guard, RowsGuard):
        check_targets(guard_rows(guard), guard.suite)


def guard_rows(guard: RowsGuard) -> list[Example]:
    """The rows as prompts with their conditions. Raises DataError that names every bad row."""
    file = guard_file(guard)
    return list(_read(file, file.stat().st_mtime_ns if file.is_file() else 0))


@cache
def _read(file: Path, _: int) -> tuple[Example, ...]:
    """Asked for a dozen times an arm; read again when the file has changed."""
    import orjson

    if not file.is_file():
        raise DataError(f"guard.rows: there is no file {file}")
    found: dict[str, Example] = {}
    faults: list[RowFault] = []

    def bad(number: int, rule: str, message: str, field: str = "") -> None:
        faults.append(RowFault(str(file), number, rule, message, field))

    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            bad(number, "bad_json", str(error))
            continue
        if not isinstance(row, dict):
            bad(number, "bad_json", "a row is a JSON object")
            continue
        texts = {name: row.get(name) for name in ("prompt", "conditions")}
        if isinstance(texts["conditions"], dict):
            texts["conditions"] = orjson.dumps(texts["conditions"]).decode()
        missing = [name for name, text in texts.items() if not isinstance(text, str) or not text]
        if missing:
            bad(number, "no_" + missing[0], "is missing, or no text", missing[0])
            continue
        name = str(row.get("id", f"guard-{number}"))
        if name in found:
            bad(number, "same_id", f"{name!r} is the id of an earlier row", "id")
            continue
        found[name] = Example(
            id=name,
            contents=(Turn("user", texts["prompt"]),),  # type: ignore[arg-type]
            target=texts["conditions"],  # type: ignore[arg-type]
            origin=Origin(str(file), number),
            slices={KIND: str(row.get("kind", OTHER))},
        )
    if faults:
        raise DataError(f"guard.rows: {len(faults)} of its rows cannot be used", faults)
    if not found:
        raise DataError(f"guard.rows: {file} has no rows")
    return tuple(found.values())
