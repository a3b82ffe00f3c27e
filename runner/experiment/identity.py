"""What makes two arms, or two files, the same: never a position, a place or a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.base.digests import digest_of
from runner.config import Experiment

MODEL_FACTS = {
    *("cpu_tokens_per_second", "accept_terms", "terms", "licence"),
    *("prices", "evidence", "retires", "successor", "force_retired"),
}
"""Keys of a model that are about it and change nothing it does."""


def arm_digest(
    experiment: Experiment, data: str, kind: Mapping[str, Any], versions: Sequence[str]
) -> str:
    """An arm's identity: its resolved config, its data and the `versions` of the stages it goes
    through, never a position or a time."""
    config = experiment.model_dump(
        mode="json",
        exclude={
            **dict.fromkeys(("name", "question", "source", "baseline", "tracking"), True),
            **dict.fromkeys(
                ("store", "paths", "sweep", "budget", "skew", "replicates", "planning"), True
            ),
            "diagnosis": True,
            "model": MODEL_FACTS,
        },
    )
    config["backend"] = experiment.backend.shaping()
    return digest_of({"versions": list(versions), "config": config, "data": data, **kind})


def file_digest(path: Path) -> str:
    """24 hex digits of the SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:24]
