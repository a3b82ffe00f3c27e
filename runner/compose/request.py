"""What is being composed right now, for the Hydra plugins, which Hydra makes without arguments."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from runner.base.errors import ConfigError, Problem
from runner.compose.claims import Claim
from runner.compose.folders import is_own, packaged_conf
from runner.compose.points import Composition, ReplacedPart
from runner.compose.values import TypedOverride, place

# The process around a composition: what Hydra needs to find, and how it was left.

_FULL_ERROR = "HYDRA_FULL_ERROR"


@dataclass(frozen=True, slots=True)
class ProcessState:
    """State of the whole process that Hydra reads, or that its speed depends on."""

    argv: list[str]
    """`sys.argv`, which `hydra.main` takes its arguments from."""
    full_error: str | None
    """Environment variable that makes Hydra raise instead of print and exit."""
    collecting: bool
    """Whether garbage is collected. Composing makes half a million small objects that stay in
    use; looking for garbage among them takes a tenth of the time and finds none."""

    @classmethod
    def now(cls) -> ProcessState:
        return cls(sys.argv, os.environ.get(_FULL_ERROR), gc.isenabled())

    @contextmanager
    def apply(self) -> Iterator[None]:
        """Have these surroundings for the time being."""
        before = ProcessState.now()
        self._set()
        try:
            yield
        finally:
            before._set()

    def _set(self) -> None:
        sys.argv = self.argv
        if self.full_error is None:
            os.environ.pop(_FULL_ERROR, None)
        else:
            os.environ[_FULL_ERROR] = self.full_error
        (gc.enable if self.collecting else gc.disable)()


GROUP = "experiment"
"""The group that the experiment's folder is served as; its files go to ``_global_``."""

OnBatch = Callable[[Composition], Sequence[float]]


@dataclass(frozen=True, slots=True)
class ComposeRequest:
    """One call of `compose`."""

    file: Path
    typed: tuple[TypedOverride, ...]
    multirun: bool
    """``-m`` was given."""
    confs: tuple[Path, ...]
    """The user's conf folders, strongest first."""
    groups: frozenset[str]
    on_batch: OnBatch
    outside: ProcessState
    """The process as it was, and as `on_batch` has it again."""
    problems: dict[Problem, None] = field(default_factory=dict)
    """Found so far, in order. What is wrong is left out of the composition, so that it goes on
    and the rest can be validated as well."""
    doubtful: set[str] = field(default_factory=set)
    """Keys whose values were left out because of a problem: not to be validated any more."""
    unchosen: set[str] = field(default_factory=set)
    """Groups, as dotted keys, whose option was left out: which keys they have is not known."""
    sweeping: set[str] = field(default_factory=set)
    """Keys that the command line gives several values."""
    claims: list[Claim] = field(default_factory=list)
    """What the overrides set, those that can be composed."""
    replaced: dict[ReplacedPart, None] = field(default_factory=dict)
    """Parts of files that gave way to something stronger."""

    @property
    def option(self) -> str:
        """The experiment as an option of `GROUP`, in characters that need no quoting."""
        return re.sub(r"[^A-Za-z0-9_-]", "_", self.file.stem)

    def is_group(self, key: str) -> bool:
        return key in self.groups or key.startswith("hydra/")

    def typed_keys(self) -> dict[str, TypedOverride]:
        """Override by key; of several with one key the last one, which is the one that counts."""
        return {override.key: override for override in self.typed}

    def typed_leaves(self) -> set[str]:
        """The dotted keys that values were typed for."""
        return {key for claim in self.claims if not claim.chooses for key, _ in claim.leaves}

    def report(self, problem: Problem, doubtful: str = "", unchosen: str = "") -> None:
        """Note a problem, and the key or group that cannot be validated because of it."""
        self.problems[problem] = None
        self.doubtful.update({doubtful} - {""})
        self.unchosen.update({unchosen.replace("/", ".")} - {""})

    def error(self) -> ConfigError:
        """All problems found: those of the command line, of the experiment's file line by line,
        and of other files."""
        own = place(self.file)

        def order(problem: Problem) -> tuple[int, str, int]:
            file, _, line = problem.where.rpartition(":")
            if not line.isdigit():
                return (1 if problem.where == own else 0, own, 0)
            return (1 if file == own else 2, file, int(line))

        return ConfigError(sorted(self.problems, key=order))

    def file_of(self, config_path: str) -> Path:
        """The file that Hydra means by ``group/option``; it need not exist."""
        group, _, option = config_path.removesuffix(".yaml").rpartition("/")
        if group == GROUP:
            return self.file if option == self.option else self.file.with_name(f"{option}.yaml")
        name = Path(group, f"{option}.yaml")
        own = (conf / name for conf in self.confs if is_own(conf / name, conf))
        return next(own, packaged_conf() / name)


CURRENT: ContextVar[ComposeRequest] = ContextVar("composition request")
