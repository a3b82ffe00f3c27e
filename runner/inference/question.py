"""A set of answers before there are any: what is asked, and of whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from runner.inference.predict import PREDICT_VERSION
from runner.manifest import digest_of
from runner.records import Generation, Request


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that determines the answers."""

    requests: list[Request]
    model: Mapping[str, object]
    """Which model and checkpoint answer; part of the prediction cache's key."""
    generation: Generation

    @property
    def key(self) -> dict[str, object]:
        """The key of the answers in the store."""
        return {
            "version": PREDICT_VERSION,
            "model": self.model,
            "requests": digest_of([_asked(request) for request in self.requests]),
            "generation": asdict(self.generation),
        }

    @property
    def label(self) -> str:
        """Names the answers: in the store, and in the ledger's spending."""
        return digest_of({"stage": "predict", **self.key})


def _asked(request: Request) -> dict[str, object]:
    """The request as JSON; without the digest of its files where it names none."""
    raw = asdict(request)
    if not raw["files"]:
        del raw["files"]
    return raw
