"""What makes two arms, or two files, the same: never a position, a place or a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.base.digests import digest_of
from runner.compose.folders import packaged_conf
from runner.config import Experiment, RowsGuard

MODEL_FACTS = {
    *("cpu_tokens_per_second", "accept_terms", "terms", "licence"),
    *("prices", "evidence", "retires", "successor", "force_retired"),
}
"""Keys of a model that are about it and change nothing it does."""

WHO_IS_ASKED = {"sealed", "looks"}
"""Keys of a suite that say which arms answer test, and change nothing about an answer: the same
arm is opened later, not another one made."""


def arm_digest(
    experiment: Experiment, data: str, kind: Mapping[str, Any], versions: Sequence[str]
) -> str:
    """An arm's identity: its resolved config, its data and the `versions` of the stages it goes
    through, never a position or a time."""
    config = experiment.model_dump(
        mode="json",
        exclude={
            **dict.fromkeys(("name", "question", "source", "baseline", "tracking", "advice"), True),
            **dict.fromkeys(
                ("store", "paths", "sweep", "budget", "skew", "replicates", "planning"), True
            ),
            "diagnosis": True,
            "model": MODEL_FACTS,
            "suite": WHO_IS_ASKED,
            "guard": True,
        },
    )
    if isinstance(experiment.guard, RowsGuard):
        config["guard"] = guard_identity(experiment.guard)
    config["backend"] = experiment.backend.shaping()
    return digest_of({"versions": list(versions), "config": config, "data": data, **kind})


def guard_file(guard: RowsGuard) -> Path:
    """The rows of a guard: the user's, or the shipped ones."""
    return Path(guard.rows) if guard.rows else packaged_conf() / "suite" / "guard.jsonl"


def guard_identity(guard: RowsGuard) -> Mapping[str, Any]:
    """The guard, by the content of its rows and not their place."""
    file = guard_file(guard)
    rows = file_digest(file) if file.is_file() else ""
    return {**guard.model_dump(mode="json"), "rows": rows}


def file_digest(path: Path) -> str:
    """24 hex digits of the SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:24]
