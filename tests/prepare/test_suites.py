"""Named suites are held against train whatever their columns are called and whatever form their
rows, or those of the source, have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runner.base.errors import GateError
from runner.config import Prepare
from runner.prepare import prepare
from runner.sources import open_split, open_suites
from tests.prepare.making import SEED, Prepared, read_prepared
from tests.sources.reading import source

TRAIN = [f"Where is parcel number {n}, ordered in week {n}?" for n in range(20)]
OTHER = [f"How do I change address {n} of my account?" for n in range(6)]
INSTRUCTION = "Name the intent of the message."


def columns(text: str, **more: Any) -> dict[str, Any]:
    return {"id": f"i-{text}", "text": text, "label": "delivery", **more}


def renamed(text: str) -> dict[str, Any]:
    return {"nr": len(text), "question": text, "answer": "Something of its own."}


def chat(text: str, system: str = INSTRUCTION) -> dict[str, Any]:
    turns = [{"role": "user", "content": text}, {"role": "assistant", "content": "delivery"}]
    return {"messages": [{"role": "system", "content": system}, *turns]}


def gemini(text: str, system: str = INSTRUCTION) -> dict[str, Any]:
    return {
        "systemInstruction": {"role": "system", "parts": [{"text": system}]},
        "contents": [
            {"role": "user", "parts": [{"text": text}]},
            {"role": "model", "parts": [{"text": "delivery"}]},
        ],
    }


def write(path: Path, rows: Sequence[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


SOURCES: dict[str, tuple[Any, dict[str, Any]]] = {
    "input given": (columns, {"kind": "files", "input": ["text"], "target": "label"}),
    "input guessed": (columns, {"kind": "files", "target": "label", "id": "id"}),
    "chat": (chat, {"kind": "chat"}),
    "gemini": (gemini, {"kind": "gemini"}),
}
SUITES: dict[str, Any] = {
    "same columns": columns,
    "other columns": renamed,
    "chat": partial(chat, system="Answer in German."),
    "gemini": partial(gemini, system="Answer in German."),
    "contents only": lambda text: {"contents": gemini(text)["contents"][:1]},
}


def held(
    tmp_path: Path,
    kind: str,
    suite: Sequence[Any],
    max_share: float = 1.0,
    train: Sequence[Any] = (),
) -> Prepared:
    """Prepare `train`, or the usual texts in the form of `kind`, beside a suite."""
    make, settings = SOURCES[kind]
    rows = train or [make(text) for text in TRAIN]
    read = source(**settings, train=write(tmp_path / "train.jsonl", rows))
    files = {"bench": write(tmp_path / "bench.jsonl", suite)}
    leakage = {"suites": files, "max_share": max_share}
    config = Prepare.model_validate({"leakage": leakage, "split": {"validation": 0, "test": 0}})
    readers = {
        "train": partial(open_split, read, "train", SEED),
        "suites": partial(open_suites, read, files),
    }
    out = tmp_path / "out"
    out.mkdir()
    prepare(readers, config, 0.05, SEED, out)
    return read_prepared(out)


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("form", SUITES)
def test_every_form_of_suite_is_found_in_every_form_of_train(
    form: str, kind: str, tmp_path: Path
) -> None:
    make = SUITES[form]
    told = [*TRAIN[:2], TRAIN[2].upper().replace("?", " !"), *OTHER]
    done = held(tmp_path, kind, [make(text) for text in told])
    assert len(done.splits["train"]) == len(TRAIN) - 3
    assert set(done.reasons().values()) == {"leak_suite"}
    assert {drop["matched"] for drop in done.dropped} == {f"bench/{n}" for n in (1, 2, 3)}
    assert done.summary["leakage"]["suite_bench_rows_in_train"] == 3


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("form", SUITES)
def test_other_suites_are_no_leak(form: str, kind: str, tmp_path: Path) -> None:
    done = held(tmp_path, kind, [SUITES[form](text) for text in OTHER], max_share=0)
    assert len(done.splits["train"]) == len(TRAIN)


def test_rows_are_counted_once_however_they_are_read(tmp_path: Path) -> None:
    suite = [renamed(text) for text in [*TRAIN[:3], *OTHER]]
    with pytest.raises(GateError, match=r"3 of 9 suite bench rows \(33.3%\)"):
        held(tmp_path, "input given", suite, max_share=0.05)


def test_all_turns_of_the_user_count(tmp_path: Path) -> None:
    def long(text: str) -> dict[str, Any]:
        return {"messages": [*chat(text)["messages"], *chat("Yes.")["messages"][1:]]}

    suite = [long(TRAIN[0]), long(OTHER[0]), chat("yes")]
    done = held(tmp_path, "chat", suite, train=[long(text) for text in TRAIN])
    assert [drop["matched"] for drop in done.dropped] == ["bench/1"]
