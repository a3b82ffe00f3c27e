"""Rows that arrive as turns: Gemini's tuning format and chat messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.config import ChatSource, GeminiSource
from runner.errors import RowFault
from runner.records import FaultLog, Origin, Row
from runner.sources.contents import gemini_turns
from runner.sources.conversation import BadTurns, Conversation, check_order
from runner.sources.locate import InputFile
from runner.sources.messages import chat_turns
from runner.sources.record import Record
from runner.sources.rows import made_up_id

MENDABLE = {"missing_column", "bad_role", "bad_turns", "bad_part", "unsupported_key"}
"""Rules whose rows can often be repaired by themselves."""


def turn_rows(
    source: GeminiSource | ChatSource,
    split: str,
    file: InputFile,
    records: Iterator[Record],
    faults: FaultLog,
) -> Iterator[Row]:
    """Yield a row per good record: system instruction, history and the last answer as target."""
    read: Callable[[Mapping[str, Any]], Conversation] = (
        gemini_turns
        if isinstance(source, GeminiSource)
        else lambda record: chat_turns(record, source.messages)
    )
    for line, record in records:
        try:
            said = read(record)
            check_order(said.turns)
        except BadTurns as error:
            rule, message, place = error.args
            if isinstance(source, GeminiSource) and rule in MENDABLE:
                message += "; `sft check EXP --fix` writes a repaired copy where it can"
            faults.bad(RowFault(file.path, line, rule, message, place))
            continue
        answer = said.turns[-1]
        yield Row(
            made_up_id(split, file.number, line),
            {},
            answer.text,
            Origin(file.path, line),
            system=said.system,
            history=said.turns[:-1],
            target_parts=answer.parts,
            rejected=said.rejected,
            extras=said.extras,
        )
