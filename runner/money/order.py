"""What a stage would buy, before it does: named, so that what two arms share is bought once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from runner.config import GeminiModel
from runner.money.band import Band
from runner.money.dataset import DatasetTokens
from runner.money.price import Calls, Part, answer_part, readings, tuning_parts

Rates = tuple[Band, Band]
"""US dollars for a token of a prompt and for one of an answer."""


class Order(Protocol):
    """Something to be paid for. `label` names it in the ledger; empty when that is not known
    yet, and then nothing can be shared."""

    @property
    def label(self) -> str: ...

    def parts(self, model: GeminiModel | None) -> tuple[Part, ...]:
        """Its parts with their prices; `model` is the arm's, None where it costs nothing."""

    def readings(self, model: GeminiModel | None) -> Mapping[str, Band | None]:
        """See `Price.readings`; empty for everything but tuning."""


@dataclass(frozen=True, slots=True)
class AnswerOrder:
    """Answers of a model."""

    label: str
    calls: Calls
    rates: Rates | None = None
    """The arm's model's where there are none."""

    def parts(self, model: GeminiModel | None) -> tuple[Part, ...]:
        calls = self.calls
        if self.rates is not None:
            usd = calls.prompt * self.rates[0] + calls.output * self.rates[1]
            return (Part(calls.group, calls.what, calls.prompt + calls.output, usd),)
        return (answer_part(model, calls),) if model else ()

    def readings(self, model: GeminiModel | None) -> Mapping[str, Band | None]:
        return {}


@dataclass(frozen=True, slots=True)
class TuningOrder:
    """A tuning job over a dataset, `epochs` times."""

    label: str
    train: DatasetTokens
    validation: DatasetTokens
    epochs: Band

    def parts(self, model: GeminiModel | None) -> tuple[Part, ...]:
        return tuning_parts(model, self.train, self.validation, self.epochs) if model else ()

    def readings(self, model: GeminiModel | None) -> Mapping[str, Band | None]:
        return readings(model, self.train, self.epochs) if model else {}
