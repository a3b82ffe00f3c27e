"""Tuning rows as token ids: what the trainer sees of a JSONL file of examples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.errors import BackendError
from runner.local.chat import Chat
from runner.plural import plural
from runner.records import Example, read_jsonl

IGNORED = -100
"""Label of a token that is not learned (the prompt), as torch's cross entropy has it."""
LISTED = 5


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row: `ids` of prompt, target and end of turn; `labels` the same with the prompt
    ignored."""

    ids: list[int]
    labels: list[int]


def encode(path: Path, chat: Chat, context_tokens: int) -> list[Encoded]:
    """All rows of the file. Raises BackendError naming the rows longer than the context."""
    rows, long = [], []
    for raw in read_jsonl(path):
        example = Example.from_json(raw)
        ids, cut = chat.example(example.system, example.contents, example.target)
        if len(ids) > context_tokens:
            long.append(f"{example.id} ({len(ids)} tokens)")
        rows.append(Encoded(ids, [IGNORED] * cut + ids[cut:]))
    if long:
        more = f" and {len(long) - LISTED} more" if len(long) > LISTED else ""
        raise BackendError(
            f"{plural(len(long), 'row')} of {path.name} cannot fit into model.context_tokens="
            f"{context_tokens}: {', '.join(long[:LISTED])}{more}; shorten or drop them, or raise "
            "model.context_tokens"
        )
    return rows
