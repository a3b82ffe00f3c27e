"""What makes two arms, or two files, the same: never a position, a place or a time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from runner.config import Experiment, VertexBackend
from runner.store import digest_of

MODEL_FACTS = {
    *("cpu_tokens_per_second", "accept_terms", "terms", "licence"),
    *("prices", "evidence", "retires", "successor", "force_retired"),
}
"""Keys of a model that are about it and change nothing it does."""


def arm_digest(experiment: Experiment, data: str, kind: Mapping[str, object]) -> str:
    """An arm's identity: its resolved config and its data, never a position or a time."""
    config = experiment.model_dump(
        mode="json",
        exclude={
            **dict.fromkeys(("name", "question", "source", "baseline", "tracking"), True),
            **dict.fromkeys(("store", "paths", "sweep", "budget", "skew"), True),
            "model": MODEL_FACTS,
        },
    )
    config["backend"] = backend_facts(experiment)
    return digest_of({"versions": stage_versions(), "config": config, "data": data, **kind})


def backend_facts(experiment: Experiment, but: set[str] | None = None) -> dict[str, object]:
    """What of the group `backend` shapes results. Of Vertex AI that is little: project, place,
    pace and who pays change no result; whether it is the real service does."""
    backend = experiment.backend
    if not isinstance(backend, VertexBackend):
        return backend.model_dump(mode="json", exclude=but)
    shaping = {"kind", "last_checkpoint_only", "thinking", "auto_evaluation"}
    facts = backend.model_dump(mode="json", include=shaping)
    return {**facts, "emulated": backend.emulator is not None}


def stage_versions() -> list[str]:
    """The code versions of all stages: results of other code are other results."""
    from runner.evaluation import SCORE_VERSION
    from runner.inference import PREDICT_VERSION
    from runner.prepare import PREPARE_VERSION, RENDER_VERSION
    from runner.tuning import TUNE_VERSION

    return [PREPARE_VERSION, RENDER_VERSION, TUNE_VERSION, PREDICT_VERSION, SCORE_VERSION]


def file_digest(path: Path) -> str:
    """24 hex digits of the SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:24]
