"""What things cost: prices before, caps while it runs, and the bill afterwards.

Only models with prices (`priced`) cost anything; on this machine no figure is shown.
"""

from runner.money.band import Band, total
from runner.money.budget import CHEAPER, over_estimate, refuse, unknown, usd
from runner.money.dataset import DatasetTokens, dataset_tokens
from runner.money.duration import queue_seconds, tuning_seconds
from runner.money.order import AnswerOrder, Order, Rates, TuningOrder
from runner.money.price import (
    Calls,
    Part,
    Price,
    answer_part,
    checkpoints,
    readings,
    tuning_parts,
)
from runner.money.purse import Accounts, Purse
from runner.money.rates import MILLION, by_batch

__all__ = [
    "CHEAPER",
    "MILLION",
    "Accounts",
    "AnswerOrder",
    "Band",
    "Calls",
    "DatasetTokens",
    "Order",
    "Part",
    "Price",
    "Purse",
    "Rates",
    "TuningOrder",
    "answer_part",
    "by_batch",
    "checkpoints",
    "dataset_tokens",
    "over_estimate",
    "queue_seconds",
    "readings",
    "refuse",
    "total",
    "tuning_parts",
    "tuning_seconds",
    "unknown",
    "usd",
]
