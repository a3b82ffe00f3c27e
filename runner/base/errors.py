"""Every error this package raises on purpose.

    SftError
    ├── ConfigError      the experiment YAML or an override: one `Problem` per fault
    ├── DataError        rows of a source: one `RowFault` per fault
    ├── BackendError     a tuning or inference backend failed
    │   └── MissingExtraError   the backend's optional packages are not installed
    ├── BudgetError      what may be spent (`budget:`) does not cover what was asked for
    └── GateError        a declared threshold (leakage, quality, bad rows) refused to go on

A user's mistake prints `str(error)` and no traceback. `exit_code` is what `sft` exits with:
0 done, 1 an arm failed, 2 config, data or usage, 3 incomplete (run again), 4 a gate refused.
Foreign exceptions are translated in the one adapter that imports the foreign package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

INCOMPLETE = 3
"""What `sft` exits with when the same command goes on from where it stopped."""


class SftError(Exception):
    """Base of all errors a user can act on. `str(error)` is the whole message."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a configuration: where it is, what is wrong, what would be right."""

    key: str
    """Dotted path of the key, e.g. ``tuning.epochs``; empty for the file as a whole."""
    message: str
    """What is wrong, with the bad value and the allowed ones."""
    where: str = ""
    """``file.yaml:12`` or ``override tuning.epochs=x``; empty when unknown."""
    hint: str = ""
    """What to type instead, e.g. ``did you mean tuning.epochs?``."""

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        key = f"{self.key}: " if self.key else ""
        hint = f"\n      {self.hint}" if self.hint else ""
        return f"{place}{key}{self.message}{hint}"


class ConfigError(SftError):
    """The configuration cannot be run. Carries every problem found, not the first one."""

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = (
            (Problem(key="", message=problems),) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__(_listing("problem", "in the configuration", self.problems))


@dataclass(frozen=True, slots=True)
class RowFault:
    """One bad row of a source: the file and line, the field, the rule it breaks."""

    file: str
    line: int
    """1-based line in `file`; for Parquet and hub rows the 1-based row number."""
    rule: str
    """Stable name of the rule, e.g. ``bad_json``, ``empty_target``; counted in the tally."""
    message: str
    field: str = ""

    def __str__(self) -> str:
        field = f" [{self.field}]" if self.field else ""
        return f"{self.file}:{self.line}{field} {self.rule}: {self.message}"


class DataError(SftError):
    """Rows that cannot be used, all of them reported at once."""

    SHOWN = 20

    def __init__(self, message: str, faults: Sequence[RowFault] = ()) -> None:
        self.faults = tuple(faults)
        lines = [message, *(f"  {fault}" for fault in self.faults[: self.SHOWN])]
        if len(self.faults) > self.SHOWN:
            lines.append(f"  ... and {len(self.faults) - self.SHOWN} more")
        super().__init__("\n".join(lines))


class BackendError(SftError):
    """A tuning or inference backend failed.

    `transient` says whether the same request may work later (HTTP 429/5xx, a lost connection):
    what was begun is then incomplete, and the same command goes on with it;
    `log` names the file that holds the backend's own output and traceback; `in_doubt` says that
    a tuning job may have been made which nobody has seen yet.
    """

    exit_code = 1
    in_doubt = False

    def __init__(self, message: str, *, transient: bool = False, log: str = "") -> None:
        self.transient = transient
        if transient:
            self.exit_code = INCOMPLETE
        self.log = log
        super().__init__(f"{message}\n  log: {log}" if log else message)


class MissingExtraError(BackendError):
    """An optional package is needed: names the extra and the command that installs it."""

    exit_code = 2

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}', which is not installed.\n"
            f"  type: pip install 'sft-runner[{extra}]'"
        )
        self.extra = extra


class BudgetError(SftError):
    """A cap of the group `budget` stands against it: says which cap, what it would cost, what is
    spent, and what to type. What was paid for is kept; the same command goes on from there."""

    exit_code = 4


class GateError(SftError):
    """A threshold the experiment declares was crossed, so nothing further was started."""

    exit_code = 4


def _listing(noun: str, where: str, items: Sequence[object]) -> str:
    if len(items) == 1:
        return str(items[0])
    lines = [f"{len(items)} {noun}s {where}:", *(f"  - {item}" for item in items)]
    return "\n".join(lines)
