"""Planned trouble: which request or job suffers what, by a YAML file or by seed."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.base.errors import ConfigError, Problem
from runner.emulator.registry import StoredResource
from runner.emulator.trainer import problems


class _When(BaseModel):
    """Counted for each fault on its own, over the requests or jobs that it matches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nth: list[Annotated[int, Field(ge=1)]] = []
    """1-based: these suffer. Without `nth` and `chance` all do."""
    chance: float | None = Field(default=None, ge=0, le=1)
    """Each suffers with this probability, drawn from the emulator's seed."""


class CallFault(_When):
    """A request goes wrong."""

    on: str
    """API method, with wildcards: ``*tuningJobs.create``, ``*generateContent``."""
    do: Literal["401", "403", "429", "500", "503", "slow", "drop_before", "drop_after"]
    """`drop_before` cuts the connection before anything was done, `drop_after` once the work
    is done and before the client hears of it; `slow` answers after `seconds`."""
    seconds: float = Field(default=1.0, ge=0)
    retry_after: int | None = Field(default=None, ge=0)
    """Seconds in the header Retry-After of a 429 or 503."""


class JobFault(_When):
    """A tuning job ends otherwise than it should."""

    on: Literal["job"]
    do: Literal["stuck", "failed", "cancelled", "expired", "partial", "drop_rows"]
    share: float = Field(default=0.05, ge=0, le=1)
    """`drop_rows`: of the rows."""


class Skew(BaseModel):
    """All of the server's time stamps are wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: Literal["clock"]
    do: Literal["skew"] = "skew"
    seconds: float


Fault = CallFault | JobFault | Skew


def read_faults(file: Path) -> list[Fault]:
    """The plan of a YAML file: a list of faults. Raises ConfigError with every problem."""
    import yaml

    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"--faults: there is no file {file}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"--faults: {file} is not YAML: {error}") from None
    if not isinstance(raw, list):
        raise ConfigError(f"--faults: {file} has to be a list of faults, each with on: and do:")
    return parse_faults(raw, str(file))


def parse_faults(raw: Sequence[Any], file: str) -> list[Fault]:
    """Faults from plain data; `file` is named in problems."""
    found: list[Any] = []
    wrong: list[Problem] = []
    for number, item in enumerate(map(_plain, raw), 1):
        on = item.get("on") if isinstance(item, dict) else None
        kind: type[_When | Skew] = CallFault
        if on in ("job", "clock"):
            kind = JobFault if on == "job" else Skew
        try:
            found.append(kind.model_validate(item))
        except ValidationError as error:
            wrong += problems(error, f"{file}, fault {number}", list(kind.model_fields))
    if wrong:
        raise ConfigError(wrong)
    return found


def _plain(item: Any) -> Any:
    """YAML reads 429 as a number, and the key ``on`` as true."""
    if not isinstance(item, dict):
        return item
    named = {"on" if key is True else key: value for key, value in item.items()}
    return {**named, "do": str(named["do"])} if "do" in named else named


@dataclass
class Faults:
    """Counts what happens and says what goes wrong. Safe to use from threads."""

    plan: Sequence[Fault]
    seed: int
    _counts: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, method: str) -> CallFault | None:
        """What a call of `method` suffers."""
        for number, fault in enumerate(self.plan):
            matches = isinstance(fault, CallFault) and fnmatchcase(method, fault.on)
            if isinstance(fault, CallFault) and matches and self._hits(number, fault):
                return fault
        return None

    def outcome(self, job: StoredResource) -> JobFault | None:
        """How a job that starts now ends."""
        for number, fault in enumerate(self.plan):
            if isinstance(fault, JobFault) and self._hits(number, fault):
                return fault
        return None

    def matched(self, number: int) -> int:
        """Requests or jobs that have come to the plan's fault of this number (from 0) so far."""
        with self._lock:
            return self._counts[number]

    @property
    def skew(self) -> float:
        """Seconds by which the server's clock is ahead."""
        return sum(fault.seconds for fault in self.plan if isinstance(fault, Skew))

    def _hits(self, number: int, fault: _When) -> bool:
        with self._lock:
            self._counts[number] += 1
            count = self._counts[number]
        if fault.nth:
            return count in fault.nth
        if fault.chance is None:
            return True
        return random.Random(f"{self.seed}/{number}/{count}").random() < fault.chance
