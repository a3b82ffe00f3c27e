"""MLflow's traces of a served model: production prompts, and training rows with feedback.

The only adapter to MLflow's traces that are not our own. A trace's root inputs are read as the
chat and Gemini integrations log them (`messages`, `contents`), else as one text (`prompt`,
`question`, `input`, `text`, or the only text there is).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner.errors import ConfigError, DataError, MissingExtraError, Problem
from runner.plural import plural

if TYPE_CHECKING:
    from runner.config import TracesSkew

PAGE = 500
SYSTEM = ("systemInstruction", "system_instruction")
ASKED = ("prompt", "question", "input", "query", "text")
ANSWERED = ("text", "answer", "output", "response", "content")


@dataclass(frozen=True, slots=True)
class Logged:
    """One trace, as plain data."""

    id: str
    inputs: Any
    outputs: Any
    expectations: Mapping[str, Any]
    """The last value of each expectation."""
    feedback: Mapping[str, Any]
    """The last valid value of each feedback."""


def logged(tracking_uri: str | None, experiment: str, query: str, key: str) -> Iterator[Logged]:
    """Yield the traces of an experiment, oldest first, page by page. `key` is where the
    configuration names the experiment; the filter stands beside it.

    Raises:
        MissingExtraError: `mlflow` is not installed.
        ConfigError: there is no such experiment, or MLflow does not understand the filter.
        DataError: MLflow cannot be reached.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise MissingExtraError("mlflow", "local", "reading traces") from error
    try:
        client = MlflowClient(tracking_uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            there = ", ".join(e.name for e in client.search_experiments(max_results=20))
            message = f"MLflow has no experiment {experiment!r}; it has: {there or 'none'}"
            raise ConfigError([Problem(key, message)])
        token: str | None = None
        while True:
            page = client.search_traces(
                locations=[found.experiment_id],
                filter_string=query or None,
                max_results=PAGE,
                order_by=["timestamp_ms ASC"],
                page_token=token,
            )
            yield from map(_plain, page)
            token = page.token
            if not token:
                return
    except MlflowException as error:
        if getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE":
            beside = f"{key.rpartition('.')[0]}.filter"
            raise ConfigError([Problem(beside, f"MLflow refuses {query!r}: {error}")]) from error
        raise DataError(f"MLflow's traces cannot be read: {error}") from error


def _plain(trace: Any) -> Logged:
    expectations: dict[str, Any] = {}
    feedback: dict[str, Any] = {}
    for item in sorted(trace.info.assessments or (), key=lambda a: a.create_time_ms or 0):
        if item.expectation is not None:
            expectations[item.name] = item.expectation.value
        elif item.feedback is not None and item.feedback.error is None and item.valid is not False:
            feedback[item.name] = item.feedback.value
    root = next((span for span in trace.data.spans if span.parent_id is None), None)
    inputs, outputs = (root.inputs, root.outputs) if root else (None, None)
    return Logged(trace.info.trace_id, inputs, outputs, expectations, feedback)


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
