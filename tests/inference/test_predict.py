"""Each prompt is asked once, in whatever order, through kills and broken files."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import BackendError
from runner.inference import PredictionCache, predict, stored_answers
from runner.records import Generation, Prediction, Request, Turn, write_jsonl

SETTINGS = Generation(max_tokens=8)
MODEL = {"model": "m", "checkpoint": None}


def ask(text: str, name: str = "", system: str = "") -> Request:
    return Request(name or text, (Turn("user", text),), system)


class Model:
    """Answers with the prompt in capitals, last request first, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, requests: Sequence[Request]) -> Iterator[Prediction]:
        for request in reversed(requests):
            text = request.contents[-1].text
            self.asked.append(text)
            yield self.answer(request.id, text)

    def answer(self, name: str, text: str) -> Prediction:
        if text.startswith("bad"):
            return Prediction(name, "", "refused", "error", 3, 0, "refused")
        if text.startswith("full"):
            return Prediction(name, text.upper(), "", "length", 3, SETTINGS.max_tokens)
        return Prediction(name, text.upper(), "", "length" if "long" in text else "stop", 3, 5)


@pytest.fixture
def cache(tmp_path: Path) -> PredictionCache:
    return PredictionCache(tmp_path / "deep" / "predictions.db")


@settings(max_examples=30)
@given(texts=st.lists(st.text(max_size=4), max_size=20))
def test_answers_come_in_request_order_and_equal_requests_are_asked_once(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    cache = PredictionCache(tmp_path_factory.mktemp("p") / "c.db")
    requests = [ask(text, f"id{n}") for n, text in enumerate(texts)]
    model = Model()
    first = predict(requests, model, cache, MODEL, SETTINGS)
    assert sorted(model.asked) == sorted(set(texts))
    assert [answer.id for answer in first] == [request.id for request in requests]
    assert [answer.text for answer in first] == [text.upper() for text in texts]
    again = Model()
    assert predict(requests, again, cache, MODEL, SETTINGS) == first
    assert again.asked == []


@pytest.mark.parametrize(
    ("request_", "key", "generation"),
    [
        (ask("q", system="s"), MODEL, SETTINGS),
        (Request("q", (Turn("user", "x"), Turn("model", "y"), Turn("user", "q"))), MODEL, SETTINGS),
        (ask("q"), {**MODEL, "checkpoint": ["job", "1"]}, SETTINGS),
        (ask("q"), MODEL, Generation(9)),
        (ask("q"), MODEL, replace(SETTINGS, temperature=0.5)),
        (ask("q"), MODEL, replace(SETTINGS, seed=1)),
        (ask("q"), MODEL, replace(SETTINGS, stop=("\n",))),
    ],
)
def test_whatever_determines_an_answer_is_in_its_key(
    cache: PredictionCache, request_: Request, key: dict[str, Any], generation: Generation
) -> None:
    predict([ask("q")], Model(), cache, MODEL, SETTINGS)
    model = Model()
    predict([request_], model, cache, key, generation)
    assert model.asked == ["q"]


def test_errors_and_answers_cut_too_early_are_asked_again(cache: PredictionCache) -> None:
    requests = [ask("bad"), ask("long"), ask("good"), ask("full")]
    answers = predict(requests, Model(), cache, MODEL, SETTINGS)
    assert [answer.finish for answer in answers] == ["error", "length", "stop", "length"]
    assert answers[0].error == "refused"
    again = Model()
    assert predict(requests, again, cache, MODEL, SETTINGS) == answers
    assert sorted(again.asked) == ["bad", "long"]


def test_an_answer_cut_at_max_tokens_is_asked_again_with_more_of_them(
    cache: PredictionCache,
) -> None:
    predict([ask("full")], Model(), cache, MODEL, SETTINGS)
    again = Model()
    predict([ask("full")], again, cache, MODEL, replace(SETTINGS, max_tokens=9))
    assert again.asked == ["full"]


@pytest.mark.parametrize("cause", ["left out", "service", ""])
def test_what_the_service_owes_is_asked_for_by_the_next_call(
    cache: PredictionCache, cause: Any
) -> None:
    def first_only(requests: Sequence[Request]) -> Iterator[Prediction]:
        yield Prediction(requests[0].id, "yes")
        if cause != "left out":
            yield Prediction(requests[1].id, "", "429", "error", cause=cause)

    requests = [ask("a"), ask("b")]
    with pytest.raises(BackendError, match="1 of 2 answers did not come") as caught:
        predict(requests, first_only, cache, MODEL, SETTINGS)
    assert (caught.value.transient, caught.value.exit_code) == (True, 3)
    again = Model()
    predict(requests, again, cache, MODEL, SETTINGS)
    assert again.asked == ["b"]


def test_answers_of_an_earlier_version_that_are_missing_are_pointed_at(tmp_path: Path) -> None:
    file = tmp_path / "predictions.jsonl"
    blocked = {"id": "a", "error": "the answer was withheld: SAFETY", "finish": "error"}
    write_jsonl(file, [blocked, {"id": "b", "text": "yes"}])
    assert [answer.cause for answer in stored_answers(file)] == ["blocked", ""]
    lost = {"id": "c", "error": "no answer after 5 tries: 503", "finish": "error"}
    write_jsonl(file, [blocked, lost])
    with pytest.raises(BackendError, match=f"delete the folder {tmp_path} and give the same"):
        stored_answers(file)


def test_a_stranger_is_refused(cache: PredictionCache) -> None:
    def stranger(requests: Sequence[Request]) -> Iterator[Prediction]:
        yield Prediction("who?", "yes")

    with pytest.raises(BackendError, match=r"not asked: who\?"):
        predict([ask("b")], stranger, cache, MODEL, SETTINGS)
    with pytest.raises(ValueError, match="share an id"):
        predict([ask("c", "same"), ask("d", "same")], Model(), cache, MODEL, SETTINGS)


def test_progress_counts_rows_and_says_what_came_from_the_cache(cache: PredictionCache) -> None:
    predict([ask("a")], Model(), cache, MODEL, SETTINGS)
    seen: list[tuple[float, float, str]] = []

    def watch(done: float, total: float, note: str = "") -> None:
        seen.append((done, total, note))

    requests = [ask("a"), ask("b", "1"), ask("b", "2"), ask("c")]
    predict(requests, Model(), cache, MODEL, SETTINGS, watch)
    assert [done for done, *_ in seen] == [1, 2, 4]
    assert {total for _, total, _ in seen} == {4}
    assert seen[0][2] == "1 of 4 from the cache"


def test_answers_before_a_failure_are_kept(cache: PredictionCache) -> None:
    def dies(requests: Sequence[Request]) -> Iterator[Prediction]:
        yield Prediction(requests[0].id, "kept")
        raise BackendError("out of memory")

    with pytest.raises(BackendError, match="out of memory"):
        predict([ask("a"), ask("b")], dies, cache, MODEL, SETTINGS)
    model = Model()
    answers = predict([ask("a"), ask("b")], model, cache, MODEL, SETTINGS)
    assert [answer.text for answer in answers] == ["kept", "B"]
    assert model.asked == ["b"]


def test_answers_before_a_kill_are_kept(tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import os, signal, sys
        from pathlib import Path
        from runner.inference import PredictionCache, predict
        from runner.records import Generation, Prediction, Request, Turn
        requests = [Request(f"t{n}", (Turn("user", f"t{n}"),)) for n in range(5)]
        def generate(asked):
            for n, request in enumerate(asked):
                if n == 3:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield Prediction(request.id, "before the kill")
        model = {"model": "m", "checkpoint": None}
        predict(requests, generate, PredictionCache(Path(sys.argv[1])), model, Generation(8))
        """
    )
    path = tmp_path / "c.db"
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    model = Model()
    requests = [ask(f"t{n}") for n in range(5)]
    answers = predict(requests, model, PredictionCache(path), MODEL, SETTINGS)
    assert [answer.text for answer in answers] == ["before the kill"] * 3 + ["T3", "T4"]
    assert sorted(model.asked) == ["t3", "t4"]


def test_processes_share_one_file(tmp_path: Path) -> None:
    code = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from runner.inference import PredictionCache, predict
        from runner.records import Generation, Prediction, Request, Turn
        base = int(sys.argv[2])
        for start in range(0, 60, 10):
            requests = [Request(f"t{base + start + n}", (Turn("user", f"t{base + start + n}"),))
                        for n in range(10)]
            generate = lambda asked: (Prediction(r.id, r.id.upper()) for r in asked)
            model = {"model": "m", "checkpoint": None}
            predict(requests, generate, PredictionCache(Path(sys.argv[1])), model, Generation(8))
        """
    )
    path = tmp_path / "c.db"
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(base)]) for base in (0, 40)
    ]
    assert [one.wait(timeout=60) for one in both] == [0, 0]
    model = Model()
    requests = [ask(f"t{n}") for n in range(100)]
    answers = predict(requests, model, PredictionCache(path), MODEL, SETTINGS)
    assert model.asked == []
    assert [answer.text for answer in answers] == [f"T{n}" for n in range(100)]


@pytest.mark.parametrize("damage", ["text", "cut", "scribble", "empty"])
def test_a_broken_file_is_put_aside(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.db"
    requests = [ask(f"question {n} " + "x" * 200) for n in range(300)]
    predict(requests, Model(), PredictionCache(path), MODEL, SETTINGS)
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()
    whole = path.read_bytes()
    path.write_bytes(
        {
            "text": b"this is no database, it is a text of some length" * 40,
            "cut": whole[: len(whole) // 2],
            "scribble": whole[:4096] + os.urandom(len(whole) - 4096),
            "empty": b"",
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        cache = PredictionCache(path)
    model = Model()
    predict(requests, model, cache, MODEL, SETTINGS)
    assert len(model.asked) == len(requests)
    aside = list(tmp_path.glob("c.db.broken-*"))
    assert bool(aside) == ("started anew" in caplog.text) == (damage != "empty")
    again = Model()
    predict(requests, again, PredictionCache(path), MODEL, SETTINGS)
    assert again.asked == []


def test_a_file_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    (tmp_path / "c.db").mkdir()
    with pytest.raises(BackendError, match=r"c\.db cannot be used(.|\n)*can be deleted"):
        PredictionCache(tmp_path / "c.db")


def test_any_text_can_be_stored(cache: PredictionCache) -> None:
    strange = "half a pair \ud800, a nul \x00, an emoji 🙂"

    def generate(requests: Sequence[Request]) -> Iterator[Prediction]:
        yield Prediction(requests[0].id, strange, prompt_tokens=7, output_tokens=2)

    (first,) = predict([ask("\udfff?")], generate, cache, MODEL, SETTINGS)
    (again,) = predict([ask("\udfff?", "other id")], Model(), cache, MODEL, SETTINGS)
    assert again == replace(first, id="other id")
    assert again.text == strange


def test_an_answer_is_paid_before_it_is_kept(cache: PredictionCache) -> None:
    paid: list[str] = []

    def pay(answers: Iterator[Prediction], requests: int) -> Iterator[Prediction]:
        assert requests == 2, "equal prompts are paid for once, and those kept not again"
        for answer in answers:
            paid.append(answer.text)
            if answer.text == "B":
                raise BackendError("killed between the payment and the answer")
            yield answer

    predict([ask("k")], Model(), cache, MODEL, SETTINGS)
    asked = [ask("b", "1"), ask("k", "2"), ask("a", "3"), ask("a", "4")]
    with pytest.raises(BackendError, match="killed"):
        predict(asked, Model(), cache, MODEL, SETTINGS, pay=pay)
    assert paid == ["A", "B"]
    again = Model()
    predict(asked, again, cache, MODEL, SETTINGS)
    assert again.asked == ["b"], "what was paid and kept is not asked again"
