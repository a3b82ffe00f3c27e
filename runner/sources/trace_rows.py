"""Traces with what people said about them, as training rows."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from typing import Any

import orjson

from runner.config import TracesSource
from runner.errors import ConfigError, Problem, RowFault
from runner.records import FaultLog, Origin, Row
from runner.sources.contents import gemini_turns
from runner.sources.conversation import BadTurns, Conversation, check_order
from runner.sources.locate import InputFile, weighted
from runner.sources.messages import chat_turns
from runner.sources.record import as_text
from runner.sources.traces import answer_text, prompt_record
from runner.tracking.logged import Logged, logged

SAID = {"yes": 1, "true": 1, "no": 0, "false": 0}


def experiments(source: TracesSource, split: str) -> list[InputFile]:
    """The MLflow experiments that make up a split."""
    named = enumerate(weighted(getattr(source, split)), 1)
    return [InputFile(name, "traces", "", "", weight, at, at) for at, (name, weight) in named]


def trace_rows(
    source: TracesSource, split: str, file: InputFile, faults: FaultLog
) -> Iterator[tuple[Row, str]]:
    """Yield a row per trace that has a right answer. The others are counted as skipped:
    ``no_answer_vouched_for``. A row's id is its trace's; its line is the place of the trace.

    Raises ConfigError when no trace has an answer that counts, nor any the `feedback` asked for.
    """
    named, vouched, at = set[str](), False, 0
    for at, trace in enumerate(
        logged(source.tracking_uri, file.path, source.filter, f"source.{split}"), 1
    ):
        named |= trace.feedback.keys()
        answer = right_answer(trace, source)
        vouched |= bool(answer.strip())
        if not answer.strip():
            faults.skip("no_answer_vouched_for")
            continue
        try:
            said = _conversation(trace, answer)
            check_order(said.turns)
        except BadTurns as error:
            rule, message, place = error.args
            faults.bad(RowFault(f"{file.path}/{trace.id}", at, rule, message, place))
            continue
        yield _row(trace, said, Origin(file.path, at)), ""
    if not at:
        faults.bad(RowFault(file.path, 1, "empty_file", "the experiment has no such traces"))
    elif not vouched and source.feedback and source.feedback not in named:
        there = ", ".join(sorted(named)) or "none"
        message = f"no trace of {file.path!r} has feedback {source.feedback!r}; there is: {there}"
        close = difflib.get_close_matches(source.feedback, named, n=1)
        hint = f"did you mean {close[0]}?" if close else ""
        raise ConfigError([Problem("source.feedback", message, hint=hint)])


def right_answer(trace: Logged, source: TracesSource) -> str:
    """The expectation, else the answer that feedback vouches for; empty when there is neither."""
    if source.expectation and trace.expectations.get(source.expectation) is not None:
        return as_text(trace.expectations[source.expectation])
    value = _number(trace.feedback.get(source.feedback)) if source.feedback else None
    return answer_text(trace.outputs) if value is not None and value >= source.min_feedback else ""


def _number(value: Any) -> float | None:
    """Feedback as a number: MLflow's judges say yes or no, people log true, 4 or "4"."""
    if isinstance(value, str):
        value = SAID.get(value.strip().lower(), value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _conversation(trace: Logged, answer: str) -> Conversation:
    """The prompt with the right answer as its last turn."""
    record = prompt_record(trace.inputs)
    if record is None:
        message = "the trace's inputs hold no messages, contents, prompt or text"
        raise BadTurns("missing_column", message, "inputs")
    if "contents" in record:
        contents = record["contents"]
        if isinstance(contents, str):
            contents = [{"role": "user", "parts": [{"text": contents}]}]
        said = [*contents, {"role": "model", "parts": [{"text": answer}]}]
        return gemini_turns({**record, "contents": said})
    asked = record.get("messages", [{"role": "user", "content": record.get("text")}])
    system = record.get("system")
    first = [{"role": "system", "content": system}] if isinstance(system, str) and system else []
    chat = {**record, "messages": [*first, *asked, {"role": "assistant", "content": answer}]}
    return chat_turns(chat, "messages")


def _row(trace: Logged, said: Conversation, origin: Origin) -> Row:
    answer = said.turns[-1]
    return Row(
        trace.id,
        {},
        answer.text,
        origin,
        system=said.system,
        history=said.turns[:-1],
        target_parts=answer.parts,
        extras=said.extras,
    )


def traces_digest(source: TracesSource, split: str, file: InputFile) -> str:
    """Digest of the traces and what was said about them up to now."""
    digest = hashlib.sha256()
    for trace in logged(source.tracking_uri, file.path, source.filter, f"source.{split}"):
        values: list[Any] = [trace.id, trace.inputs, trace.outputs]
        values += [dict(trace.expectations), dict(trace.feedback)]
        digest.update(orjson.dumps(values, option=orjson.OPT_SORT_KEYS, default=str) + b"\n")
    return digest.hexdigest()
