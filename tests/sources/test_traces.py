"""Traces of a real MLflow store (SQLite) as rows and as production prompts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.base.errors import ConfigError
from runner.config import Source, TracesSkew
from runner.records import Turn
from runner.sources import source_digest
from runner.sources.traces import answer_text, production_prompts, prompt_record, right_answer
from runner.tracking.logged import Logged
from tests.sources.reading import read, rules, source

mlflow = pytest.importorskip("mlflow")


@pytest.fixture(scope="module", autouse=True)
def this_process_s_own_store() -> Iterator[None]:
    """MLflow keeps a store per process: one set here would be every later test's."""
    yield
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Five traces: corrected, liked, disliked, without feedback, without a prompt."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("served")
    chat = {"messages": [{"role": "system", "content": "Be brief."}]}
    chat["messages"].append({"role": "user", "content": "Where is my card?"})
    for inputs, output, said in (
        (chat, {"choices": [{"message": {"content": "lost"}}]}, ("expect", "card_arrival")),
        ({"prompt": "What is the fee?"}, "fees", ("good", True)),
        ({"prompt": "Bad one"}, "wrong", ("good", False)),
        ({"prompt": "Unrated"}, "?", None),
        ({"numbers": [1, 2]}, "x", ("good", True)),
    ):
        with mlflow.start_span("answer") as span:
            span.set_inputs(inputs)
            span.set_outputs(output)
        mlflow.flush_trace_async_logging()
        if said and said[0] == "expect":
            mlflow.log_expectation(trace_id=span.trace_id, name="expected_response", value=said[1])
        elif said:
            mlflow.log_feedback(trace_id=span.trace_id, name="good", value=said[1])
    return uri


def served(store: str, **config: object) -> Source:
    return source(kind="traces", train="served", tracking_uri=store, max_bad_share=1.0, **config)


def test_corrections_and_liked_answers_become_rows(store: str) -> None:
    rows, faults = read(served(store, feedback="good"))
    assert [(row.history[-1], row.target, row.system) for row in rows] == [
        (Turn("user", "Where is my card?"), "card_arrival", "Be brief."),
        (Turn("user", "What is the fee?"), "fees", ""),
    ]
    assert all(row.id.startswith("tr-") for row in rows)
    assert rules(faults) == [(5, "missing_column")]
    tally = faults.tally()
    assert tally.dropped == {"no_answer_vouched_for": 2, "missing_column": 1}
    assert tally.rows_in == 5


def test_without_feedback_only_corrections_count(store: str) -> None:
    rows, _ = read(served(store))
    assert [row.target for row in rows] == ["card_arrival"]


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        *((value, True) for value in (True, 1, 1.5, "yes", "Yes", "true", "1", " 4 ")),
        *((value, False) for value in (False, 0, 0.5, "no", "false", "0.9", "good", "", None, [1])),
    ],
)
def test_feedback_counts_however_it_is_written(said: object, counts: bool) -> None:
    trace = Logged("tr-1", {"prompt": "What is the fee?"}, "fees", {}, {"good": said})
    answer = right_answer(trace, source(kind="traces", train="served", feedback="good"))
    assert answer == ("fees" if counts else "")


def test_feedback_that_no_trace_has_is_named_with_what_there_is(store: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(served(store, feedback="god", expectation=None))
    (problem,) = refused.value.problems
    assert problem.key == "source.feedback"
    assert problem.message == "no trace of 'served' has feedback 'god'; there is: good"
    assert problem.hint == "did you mean good?"


def test_the_digest_goes_by_what_people_said(store: str, tmp_path: Path) -> None:
    cache = tmp_path / "digests.json"
    assert source_digest(served(store), cache) == source_digest(served(store), cache)
    before = source_digest(served(store), cache)
    mlflow.set_tracking_uri(store)
    trace = mlflow.MlflowClient(store).search_traces(
        locations=[mlflow.get_experiment_by_name("served").experiment_id], max_results=1
    )[0]
    mlflow.log_feedback(trace_id=trace.info.trace_id, name="tone", value=0.5)
    assert source_digest(served(store), cache) != before


def test_an_experiment_that_is_not_there_is_named_with_those_that_are(store: str) -> None:
    with pytest.raises(ConfigError, match=r"^source.train: .*no experiment 'serve'.*served"):
        read(source(kind="traces", train="serve", tracking_uri=store))
    skew = TracesSkew(kind="traces", experiment="serve", tracking_uri=store)
    with pytest.raises(ConfigError, match=r"^skew.experiment: .*no experiment 'serve'"):
        production_prompts(skew)
    with pytest.raises(ConfigError, match=r"^source.filter: MLflow refuses 'what'"):
        read(served(store, filter="what"))


def test_prompts_of_the_served_model(store: str) -> None:
    config = TracesSkew(kind="traces", experiment="served", tracking_uri=store)
    found = production_prompts(config)
    assert [sorted(row) for row in found] == [["id", "messages"], *[["id", "text"]] * 3]


@pytest.mark.parametrize(
    ("inputs", "record"),
    [
        ("hi", {"text": "hi"}),
        ({"question": "q", "user": "u"}, {"text": "q"}),
        ({"only": "this"}, {"text": "this"}),
        ({"a": "x", "b": "y"}, None),
        ([1], None),
        (
            {"request": {"contents": "c", "config": {"system_instruction": "s"}}},
            {"contents": "c", "system_instruction": "s"},
        ),
    ],
)
def test_inputs_as_integrations_log_them(inputs: object, record: object) -> None:
    assert prompt_record(inputs) == record


def test_answers_as_integrations_log_them() -> None:
    gemini = {"candidates": [{"content": {"parts": [{"text": "yes"}]}}]}
    assert [answer_text(found) for found in ("a", None, gemini, {"x": 1})] == [
        "a",
        "",
        "yes",
        '{"x":1}',
    ]
