"""What an arm will cost, part by part, each from a low to a high figure.

Rules (supervised-tuning pages and price list of Google, read 2026-09 to 2026-11): tuning is
tokens of the dataset times epochs; whether validation rows are billed too is not said today (an
older notebook says so), so the high figure has them; answers are input and output tokens times
the multipliers of tuned models, batch prediction and place.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from runner.config import GeminiModel
from runner.records import Example, Request, Turn

# A number that is known only between two bounds.


@dataclass(frozen=True, slots=True)
class Band:
    """From `low` to `high`, neither below zero."""

    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Band) -> Band:
        return Band(self.low + other.low, self.high + other.high)

    def __mul__(self, other: Band | float) -> Band:
        by = other if isinstance(other, Band) else Band(other, other)
        return Band(self.low * by.low, self.high * by.high)


def total(bands: Iterable[Band]) -> Band:
    """The sum; nothing sums to zero."""
    return sum(bands, Band())


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


# How many tokens of a dataset are billed for one pass over it.
#
# Google does not say which turns of a conversation are trained on Gemini 2.5 and 3 (read
# 2026-11-22), so both readings are counted:
#
# - *last turn*: each row is one record, all of it, once;
# - *every turn*: each model turn is a record of its own, in front of it everything said before,
#   which grows with the square of the number of turns. So Google's own cost notebook for Gemini 1.5
#   counts ("vertexai_supervised_tuning_token_count_and_cost_estimation", removed 2025-03), with
#   about 8 tokens of padding for each record.
#
# Preference tuning is documented: twice the prompt, and both completions.

PADDING = 8
"""Tokens the service may add to a record."""

Count = Callable[[Request], tuple[int, int]]
"""Fewest and most tokens of a system instruction and turns."""


@dataclass(frozen=True, slots=True)
class DatasetTokens:
    """Billed tokens of one pass, by either reading. The upper bounds include padding."""

    last_turn: Band
    every_turn: Band

    def __add__(self, other: DatasetTokens) -> DatasetTokens:
        return DatasetTokens(self.last_turn + other.last_turn, self.every_turn + other.every_turn)

    @property
    def band(self) -> Band:
        """From the cheaper reading to the dearer one."""
        return Band(self.last_turn.low, self.every_turn.high)


def dataset_tokens(examples: Iterable[Example], count: Count) -> DatasetTokens:
    """Tokens of the rows, preference rows (those with a worse answer as well) by their rule."""
    totals = DatasetTokens(Band(), Band())
    for example in examples:
        totals += _preference(example, count) if example.rejected else _supervised(example, count)
    return totals


def _supervised(example: Example, count: Count) -> DatasetTokens:
    turns = [*example.contents, Turn("model", example.target)]
    records = [
        _record(example, turns[:at], turn.text, count)
        for at, turn in enumerate(turns)
        if turn.role == "model"
    ]
    every = Band(sum(low for low, _ in records), sum(high for _, high in records))
    return DatasetTokens(Band(*records[-1]), every)


def _record(example: Example, before: Sequence[Turn], reply: str, count: Count) -> tuple[int, int]:
    """Fewest and most tokens of one reply with all that stands before it."""
    prompt, answer = _prompt(example, before, count), count(Request("", (Turn("model", reply),)))
    return prompt[0] + answer[0], prompt[1] + answer[1] + PADDING


def _preference(example: Example, count: Count) -> DatasetTokens:
    prompt = _prompt(example, example.contents, count)
    answers = [
        count(Request("", (Turn("model", text),))) for text in (example.target, example.rejected)
    ]
    low = 2 * prompt[0] + sum(answer[0] for answer in answers)
    high = 2 * prompt[1] + sum(answer[1] for answer in answers) + 2 * PADDING
    return DatasetTokens(Band(low, high), Band(low, high))


def _prompt(example: Example, before: Sequence[Turn], count: Count) -> tuple[int, int]:
    return count(Request(example.id, tuple(before), example.system, example.extras))


# What a token costs here: the model's prices with the multipliers that apply.

MILLION = 1_000_000


def answer_rates(model: GeminiModel, *, tuned: bool, batch: bool) -> tuple[Band, Band]:
    """US dollars for a token of a prompt and for one of an answer. They are bands because it is
    not published whether the ``us`` and ``eu`` multi-regions count as regional."""
    prices = model.prices
    factor = prices.tuned_multiplier if tuned else 1.0
    factor *= prices.batch_multiplier if batch else 1.0
    where = regional(model, tuned=tuned) * factor
    return where * (prices.input / MILLION), where * (prices.output / MILLION)


def regional(model: GeminiModel, *, tuned: bool) -> Band:
    """The multiplier for the place that answers. Models that answer where the job ran are in one
    region; else untuned ones answer at ``global``, and tuned ones in a multi-region."""
    by = model.prices.regional_multiplier
    if "job" in model.serving_locations:
        return Band(by, by)
    return Band(min(1.0, by), max(1.0, by)) if tuned else Band(1.0, 1.0)


def train_rate(model: GeminiModel) -> float | None:
    """US dollars for a token of one pass of tuning; None when it is not published."""
    return None if model.prices.train is None else model.prices.train / MILLION


def by_batch(batch_from: int | None, requests: float, *, tuned: bool) -> bool:
    """Whether so many requests are answered by batch prediction, which the untuned model is
    when `backend.batch_from` says so; checkpoints are asked online."""
    return not tuned and batch_from is not None and requests >= batch_from


# How long a tuning job on Vertex AI may take: a guess, since nothing is promised.
#
# Small jobs were seen to take 20 minutes for 32 rows (2024), about 45 minutes for a small one of
# Gemini 2.5 Flash (Google's notebooks, 2026-08), and 2 h 09 min for 17.5 million tokens of Gemini
# 3.1 Flash-Lite (a team's log, 2026-09): about 20 minutes before and after, and the rest by
# tokens.

OVERHEAD_SECONDS = 20 * 60.0
TOKENS_PER_SECOND = 17.5e6 / (129 * 60 - OVERHEAD_SECONDS)


def tuning_seconds(tokens: float) -> float:
    """Seconds of a job that trains on so many tokens, all epochs together."""
    return OVERHEAD_SECONDS + tokens / TOKENS_PER_SECOND


def queue_seconds(jobs: Sequence[float], at_a_time: int) -> float:
    """Seconds until the last of the jobs is done, each starting when there is room for it."""
    ends = [0.0] * at_a_time
    for job in jobs:
        heapq.heapreplace(ends, ends[0] + job)
    return max(ends)


# What a stage would buy, before it does: named, so that what two arms share is bought once.

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
