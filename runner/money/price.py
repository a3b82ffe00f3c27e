"""What an arm will cost, part by part, each from a low to a high figure.

Rules (supervised-tuning pages and price list of Google, read 2026-09 to 2026-11): tuning is
tokens of the dataset times epochs; whether validation rows are billed too is not said today (an
older notebook says so), so the high figure has them; answers are input and output tokens times
the multipliers of tuned models, batch prediction and place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from runner.config import GeminiModel
from runner.money.band import Band, total
from runner.money.dataset import DatasetTokens
from runner.money.rates import answer_rates, train_rate

EVENLY_SPACED = 10
"""Checkpoints of a job of more epochs than this, and its last one besides."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is paid for. `group` is ``train``, ``baseline`` or ``evaluation``; `usd` is
    None when the price is not known."""

    group: str
    what: str
    tokens: Band
    usd: Band | None


@dataclass(frozen=True, slots=True)
class Price:
    """All parts of an arm. Nothing that is done already is among them."""

    parts: tuple[Part, ...] = ()
    readings: Mapping[str, Band | None] = field(default_factory=dict)
    """Tuning in US dollars when only the last turn of a conversation is trained
    (``last_turn``), and when every model turn is (``every_turn``)."""

    @property
    def usd(self) -> Band | None:
        """Everything together; None when the price of a part is not known."""
        return _sum(self.parts)

    @property
    def groups(self) -> dict[str, Band | None]:
        """US dollars by group, in the order of the parts."""
        names = dict.fromkeys(part.group for part in self.parts)
        return {name: _sum([part for part in self.parts if part.group == name]) for name in names}

    @property
    def conversations(self) -> bool:
        """Whether it matters which turns are trained."""
        last, every = self.readings.get("last_turn"), self.readings.get("every_turn")
        return last is not None and every is not None and last != every

    def to_json(self) -> dict[str, object]:
        """For scripts: parts, groups and total, US dollars and tokens each as low and high."""
        return {
            "currency": "USD",
            "parts": [asdict(part) for part in self.parts],
            "groups": {name: _plain(usd) for name, usd in self.groups.items()},
            "readings": {name: _plain(usd) for name, usd in self.readings.items()},
            "total": _plain(self.usd),
        }


@dataclass(frozen=True, slots=True)
class Calls:
    """A set of requests to one model. Token counts are of all requests together."""

    group: str
    what: str
    requests: Band
    prompt: Band
    output: Band
    """From answers as long as the targets to answers of the allowed length."""
    tuned: bool
    batch: bool = False


def tuning_parts(
    model: GeminiModel, train: DatasetTokens, validation: DatasetTokens, epochs: Band
) -> tuple[Part, ...]:
    """Tuning, and validation rows in case they are billed."""
    rate = train_rate(model)
    rows = train.band * epochs
    maybe = Band(0.0, validation.every_turn.high * epochs.high)
    return (
        Part("train", "tuning", rows, _usd(rows, rate)),
        Part("train", "validation rows, if billed", maybe, _usd(maybe, rate)),
    )


def readings(model: GeminiModel, train: DatasetTokens, epochs: Band) -> dict[str, Band | None]:
    """Tuning in US dollars by which turns are trained."""
    rate = train_rate(model)
    return {
        "last_turn": _usd(train.last_turn * epochs, rate),
        "every_turn": _usd(train.every_turn * epochs, rate),
    }


def answer_part(model: GeminiModel, calls: Calls) -> Part:
    """Asking a model: prompts and answers."""
    prompt, output = answer_rates(model, tuned=calls.tuned, batch=calls.batch)
    usd = calls.prompt * prompt + calls.output * output
    return Part(calls.group, calls.what, calls.prompt + calls.output, usd)


def checkpoints(epochs: float, *, last_only: bool) -> int:
    """Checkpoints a job leaves on Vertex AI: one an epoch up to ten, then ten evenly spaced ones
    and the last (checkpoints page, read 2026-11)."""
    if last_only:
        return 1
    return int(epochs) if epochs <= EVENLY_SPACED else EVENLY_SPACED + 1


def _usd(tokens: Band, rate: float | None) -> Band | None:
    return None if rate is None else tokens * rate


def _sum(parts: Sequence[Part]) -> Band | None:
    known = [part.usd for part in parts if part.usd is not None]
    return total(known) if len(known) == len(parts) else None


def _plain(usd: Band | None) -> dict[str, float] | None:
    return None if usd is None else asdict(usd)
