"""An answer as a trace of one span, so that people can read and rate it in MLflow's pages.

The trace does not say which arm answered: whoever rates it in the review queue is blind.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from runner.base.digests import digest_of
from runner.tracking.facts import TraceFact, key, value

NAME = "answer"
MAX_PREVIEW = 1000
EXPECTED = "expected_response"
"""MLflow's name for the right answer."""


def trace_id(run: str, fact: TraceFact) -> str:
    """``tr-`` and 32 hex digits that only this answer in this run has."""
    shown = [run, fact.row, fact.prompt, fact.response, fact.error, fact.expected]
    return f"tr-{digest_of(shown)}{digest_of(shown[1:])[:8]}"


def inputs(fact: TraceFact) -> dict[str, str]:
    return {"prompt": fact.prompt}


def output(fact: TraceFact) -> str:
    return f"[no answer: {fact.error}]" if fact.error else fact.response


def span(identity: str, fact: TraceFact) -> dict[str, object]:
    """The span as MLflow's JSON; times in nanoseconds. How long an answer took is unknown in
    a batch, so it has no length."""
    start = fact.time_ms * 1_000_000
    return {
        "trace_id": identity,
        "span_id": digest_of(identity)[:16],
        "parent_span_id": None,
        "name": NAME,
        "start_time_unix_nano": start,
        "end_time_unix_nano": start,
        "events": [],
        "status": {"code": "ERROR" if fact.error else "OK", "message": fact.error},
        "attributes": {
            "mlflow.traceRequestId": json.dumps(identity),
            "mlflow.spanType": json.dumps("LLM"),
            "mlflow.spanInputs": json.dumps(inputs(fact), ensure_ascii=False),
            "mlflow.spanOutputs": json.dumps(output(fact), ensure_ascii=False),
        },
    }


def ratings(fact: TraceFact) -> Iterator[tuple[str, float | bool]]:
    """The row's scores by name. Those that are 0 or 1 become no or yes, which MLflow counts as
    a pass rate."""
    for name, score in fact.scores.items():
        if score is not None and math.isfinite(score):
            yield name, bool(score) if score in (0, 1) else float(score)


def as_trace(experiment: str, run: str, identity: str, fact: TraceFact) -> Any:
    """MLflow's own form of it."""
    from mlflow.entities import TraceInfo, TraceLocation, TraceState

    return TraceInfo(
        trace_id=identity,
        trace_location=TraceLocation.from_experiment_id(experiment),
        request_time=fact.time_ms,
        state=TraceState.ERROR if fact.error else TraceState.OK,
        request_preview=fact.prompt[:MAX_PREVIEW],
        response_preview=output(fact)[:MAX_PREVIEW],
        client_request_id=fact.row,
        execution_duration=0,
        trace_metadata={
            "mlflow.sourceRun": run,
            "mlflow.trace_schema.version": "3",
            "mlflow.traceInputs": json.dumps(inputs(fact), ensure_ascii=False)[:MAX_PREVIEW],
            "mlflow.traceOutputs": json.dumps(output(fact), ensure_ascii=False)[:MAX_PREVIEW],
        },
        tags={
            "mlflow.traceName": NAME,
            **{key(f"slice.{k}"): value(v) for k, v in fact.slices.items()},
        },
        assessments=_assessments(identity, fact),
    )


def _assessments(identity: str, fact: TraceFact) -> list[Any]:
    """The right answer as an expectation, the row's scores as feedback of a program."""
    from mlflow.entities import AssessmentSource, Expectation, Feedback

    times = {"create_time_ms": fact.time_ms, "last_update_time_ms": fact.time_ms}
    us = {"source": AssessmentSource("CODE", "runner"), "trace_id": identity, **times}
    scores = [Feedback(name=name, value=rating, **us) for name, rating in ratings(fact)]
    return [Expectation(name=EXPECTED, value=fact.expected, **us), *scores]
