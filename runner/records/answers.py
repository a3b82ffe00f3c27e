"""What a model is asked, and what it answers."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from runner.records.rows import Turn, compact

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Generation:
    """Generation settings of a request; part of the prediction cache's key."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for a model: rendered example, with `shots` put before the last user turn."""

    id: str
    contents: tuple[Turn, ...]
    system: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """As in `Row`: tools and other settings that the model is given with the prompt."""
    files: str = ""
    """Digest of the content of the local files that `contents` names; empty without any. It is
    part of what is asked, since a path says nothing about what is there."""


NotAnswered = Literal["blocked", "refused", "too_long", "service"]
"""Why a backend has no answer. The model's doing: `blocked` (withheld for safety, recitation ...),
`refused` (no request that it takes), `too_long` (the prompt does not fit). `service` is anything
that may work another time: 429, 5xx, a lost connection."""

_OLD_ERRORS: dict[str, NotAnswered] = {
    "the prompt was blocked": "blocked",
    "the answer was withheld": "blocked",
    "the prompt has": "too_long",
    "no answer after": "service",
    "the batch came back without": "service",
    "the backend gave no answer": "service",
}
"""How errors began that were stored before causes had names; all others were refusals."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to one request. `error` non-empty means that there is none, and `cause`
    says whose doing that is: the model's counts as a wrong answer, the service's never does."""

    id: str
    text: str
    error: str = ""
    finish: Literal["stop", "length", "error"] = "stop"
    prompt_tokens: int = 0
    output_tokens: int = 0
    cause: NotAnswered | Literal[""] = ""

    @property
    def lost(self) -> bool:
        """Whether the service owes the answer. A backend that gives no cause may mean that, and
        what it may owe is not held against the model."""
        return bool(self.error) and self.cause in ("", "service")

    def to_json(self) -> dict[str, object]:
        return compact(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Predictions that were written before causes had names are read as well."""
        found = {"text": "", **raw}
        if found.get("error") and "cause" not in found:
            found["cause"] = cause_of_error(found["error"])
        return cls(**found)


def cause_of_error(error: str) -> NotAnswered:
    """The cause behind an error that was stored without one."""
    known = (cause for start, cause in _OLD_ERRORS.items() if error.startswith(start))
    return next(known, "refused")


# Vectors as text, so that an embedding is an answer like any other: asked once, kept, paid for.


def packed(values: Sequence[float]) -> str:
    """Numbers as base64 of little-endian 32-bit floats."""
    import numpy as np

    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def unpacked(text: str) -> NDArray[np.float32]:
    """The numbers of `packed`, float32."""
    import numpy as np

    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
