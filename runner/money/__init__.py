"""What things cost: prices before, caps while it runs, and the bill afterwards.

Only models with prices (`priced`) cost anything; on this machine no figure is shown.
"""

from runner.money.account import Account, Accounts
from runner.money.budget import CHEAPER, over_estimate, refuse, unknown, usd
from runner.money.price import (
    MILLION,
    AnswerOrder,
    Band,
    Calls,
    DatasetTokens,
    Order,
    Part,
    Price,
    Rates,
    TuningOrder,
    answer_part,
    by_batch,
    checkpoints,
    dataset_tokens,
    queue_seconds,
    readings,
    total,
    tuning_parts,
    tuning_seconds,
)

__all__ = [
    "CHEAPER",
    "MILLION",
    "Account",
    "Accounts",
    "AnswerOrder",
    "Band",
    "Calls",
    "DatasetTokens",
    "Order",
    "Part",
    "Price",
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
