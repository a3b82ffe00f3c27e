"""What is being composed right now, for the Hydra plugins, which Hydra makes without arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from runner.compose.overrides import Override
from runner.compose.points import Composition

GROUP = "experiment"
"""The group that the experiment's folder is served as; its files go to ``_global_``."""

OnBatch = Callable[[Composition], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Request:
    """One call of `compose`."""

    file: Path
    typed: tuple[Override, ...]
    confs: tuple[Path, ...]
    """The user's conf folders, strongest first."""
    groups: frozenset[str]
    on_batch: OnBatch

    @property
    def option(self) -> str:
        """The experiment as an option of `GROUP`, in characters that need no quoting."""
        return re.sub(r"[^A-Za-z0-9_-]", "_", self.file.stem)

    def is_group(self, key: str) -> bool:
        return key in self.groups or key.startswith("hydra/")

    def typed_keys(self) -> dict[str, Override]:
        """Override by key; of several with one key the last one, which is the one that counts."""
        return {override.key: override for override in self.typed}


CURRENT: ContextVar[Request] = ContextVar("composition request")
