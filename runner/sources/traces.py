"""MLflow's traces of a served model: production prompts, and training rows with feedback.

A trace's root inputs are read as the
chat and Gemini integrations log them (`messages`, `contents`), else as one text (`prompt`,
`question`, `input`, `text`, or the only text there is).
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from runner.base.errors import ConfigError, DataError, Problem, RowFault
from runner.base.text import plural
from runner.config import TracesSource
from runner.records import FaultLog, Origin, Row
from runner.sources.chat import chat_turns
from runner.sources.conversations import BadTurns, Conversation, check_order, gemini_turns
from runner.sources.files import InputFile, weighted
from runner.sources.rows import as_text
from runner.tracking.logged import Logged, logged

if TYPE_CHECKING:
    from runner.config import TracesSkew

SYSTEM = ("systemInstruction", "system_instruction")
ASKED = ("prompt", "question", "input", "query", "text")
ANSWERED = ("text", "answer", "output", "response", "content")


def prompt_record(inputs: Any) -> dict[str, Any] | None:
    """A trace's inputs as a row with `messages`, `contents` or `text`; None when none is there."""
    if isinstance(inputs, str):
        return {"text": inputs}
    if not isinstance(inputs, Mapping):
        return None
    inner = inputs.get("request")
    row = dict(inner if isinstance(inner, Mapping) else inputs)
    if isinstance(row.get("messages"), list) or "contents" in row:
        config = row.get("config")
        if isinstance(config, Mapping) and "systemInstruction" not in row:
            row |= {key: config[key] for key in SYSTEM if key in config}
        kept = ("messages", "contents", "tools", "system", *SYSTEM)
        return {key: row[key] for key in kept if row.get(key) is not None}
    texts = {key: value for key, value in row.items() if isinstance(value, str)}
    key = next((key for key in ASKED if key in texts), None)
    key = key or (next(iter(texts)) if len(texts) == 1 else None)
    if key is None:
        return None
    system = texts.get("system")
    return {"text": texts[key], **({"system": system} if system is not None else {})}


def answer_text(outputs: Any) -> str:
    """A trace's answer as text: chat choices, Gemini candidates, one text; else compact JSON."""
    if outputs is None or isinstance(outputs, str):
        return outputs or ""
    if isinstance(outputs, Mapping):
        for way in (
            ("choices", 0, "message", "content"),
            ("candidates", 0, "content", "parts", 0, "text"),
            *((name,) for name in ANSWERED),
        ):
            if isinstance(found := _at(outputs, way), str):
                return found
    return json.dumps(outputs, ensure_ascii=False, separators=(",", ":"), default=str)


def _at(value: Any, way: tuple[Any, ...]) -> Any:
    for step in way:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def production_prompts(config: TracesSkew) -> list[dict[str, Any]]:
    """The prompts of a served model for `runner.skew`, with trace ids as their ids. Raises as
    `logged` does, and DataError when no trace holds a prompt."""
    rows = []
    seen = 0
    for trace in logged(config.tracking_uri, config.experiment, config.filter, "skew.experiment"):
        seen += 1
        if record := prompt_record(trace.inputs):
            rows.append({**record, "id": trace.id})
    if not rows:
        raise DataError(
            f"skew.experiment: none of {plural(seen, 'trace')} of {config.experiment!r} "
            "holds a prompt: inputs with messages, contents, prompt or text"
        )
    return rows


# Traces with what people said about them, as training rows.

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
