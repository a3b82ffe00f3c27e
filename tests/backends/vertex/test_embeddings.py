"""Google's embeddings as encoder: asked through the backend, kept, priced, paid for by `run`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from runner.backends.vertex.clients import Clients
from runner.backends.vertex.online import embed
from runner.base.errors import BackendError
from runner.cli import main
from runner.config import GeminiEncoder
from runner.emulator import Emulator
from runner.emulator.refusals import Refusal
from runner.records import Prediction, Request, Turn, packed, unpacked
from runner.store.ledger import Ledger
from tests.backends.vertex.asking import backend
from tests.backends.vertex.test_road import write

ENCODER = GeminiEncoder(kind="gemini", dimensions=64)
SEMANTIC = "prepare.leakage.semantic={threshold: 0.6, encoder: {kind: gemini, dimensions: 64}}"
DIVERSE = "prepare.select.diverse={encoder: {kind: gemini, dimensions: 64}}"

HERE = """\
# @package _global_
defaults:
  - override /suite: classification
name: here
question: Who answers?
source: {train: rows.csv, input: [text], target: label}
template: {name: plain, prompt: "{{ text }}"}
"""


def requests(*texts: str) -> list[Request]:
    return [Request(str(at), (Turn("user", text),)) for at, text in enumerate(texts)]


def ask(emulator: Emulator, *texts: str, encoder: GeminiEncoder = ENCODER) -> list[Prediction]:
    settings = backend(emulator)
    found = embed(Clients(settings), settings, encoder, requests(*texts))
    return sorted(found, key=lambda one: int(one.id))


def calls(emulator: Emulator) -> int:
    return sum(":predict" in one["path"] for one in emulator.overview()["requests"])


def test_vectors_come_back_and_tell_what_is_near() -> None:
    with Emulator() as emulator:
        found = ask(emulator, "money back for my lamp", "money back for my desk", "it broke")
        assert not emulator.overview()["violations"]
    one, two, other = (unpacked(item.text) for item in found)
    assert len(one) == 64
    assert one @ one == pytest.approx(1, abs=1e-5)
    assert one @ two > 0.5 > one @ other
    assert [item.prompt_tokens for item in found] == [6, 6, 2]
    assert unpacked(packed([0.5, -2.0])).tolist() == [0.5, -2.0]


def test_calls_that_meet_trouble_are_made_again() -> None:
    faults = [
        {"on": "*predict", "do": what, "nth": [nth]} for nth, what in ((1, "429"), (3, "503"))
    ]
    with Emulator(faults=faults) as emulator:
        found = ask(emulator, *(f"text {number}" for number in range(9)))
        assert calls(emulator) >= 11
    assert all(item.text and not item.error for item in found)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"instances": []}, "1 instance is allowed per prediction, got 0."),
        ({"instances": [{"content": "a"}] * 2}, "1 instance is allowed per prediction, got 2."),
        ({"instances": [{"content": ""}]}, "The text content is empty."),
        ({"instances": ["a"]}, "It must be an object."),
        ({"instances": [{"content": "a", "taskType": "CLUSTERING"}]}, "Unknown name 'taskType'."),
        ({"instances": [{"content": "a", "task_type": "GUESSING"}]}, "Unknown task type"),
        ({"instances": [{"content": "a"}], "parameters": {"size": 3}}, "Unknown name 'size'."),
        (
            {"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 4000}},
            "It must be from 1 to 3072.",
        ),
    ],
)
def test_the_emulator_is_strict_where_the_schema_is_open(body: dict[str, Any], said: str) -> None:
    from runner.emulator.generate import _asked

    with pytest.raises(Refusal, match=re.escape(said)):
        _asked(body, 3072)


def test_only_the_embedding_model_embeds() -> None:
    wrong = ENCODER.model_copy(update={"model": "text-embedding-gecko"})
    with Emulator() as emulator, pytest.raises(BackendError, match="gecko"):
        ask(emulator, "a", encoder=wrong)


def test_check_and_plan_pay_nothing_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        words = [str(write(tmp_path, emulator.url)), SEMANTIC]
        for verb in ("check", "plan"):
            assert main([verb, *words]) == 4
            shown = " ".join(capsys.readouterr().err.split())
            assert "takes 60 calls to a model that is paid for (embeddings)" in shown
            assert "this command pays nothing" in shown
            assert "the same command with --pay, or 'sft run'" in shown
        assert calls(emulator) == 0
        assert main(["check", *words, "--pay", "--json"]) == 0
        (report,) = json.loads(capsys.readouterr().out)["treatments"]
        assert calls(emulator) == 60
        assert any("nearly mean" in line for line in report["notes"])
        assert main(["check", *words]) == 0
        assert main(["plan", *words]) == 0
        assert calls(emulator) == 60, "what is kept is not asked for again"
    paid = [one for one in Ledger(tmp_path / "runs").spendings() if one.what == "embeddings"]
    tokens = sum(one.tokens for one in paid)
    assert tokens > 200
    assert sum(one.usd or 0 for one in paid) == pytest.approx(tokens * 0.15e-6)
    assert all(one.rehearsal for one in paid)


def test_paraphrases_are_paid_preparation_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        words = [str(write(tmp_path, emulator.url)), "prepare/augment=paraphrase"]
        assert main(["plan", *words]) == 4
        shown = " ".join(capsys.readouterr().err.split())
        assert "calls to a model that is paid for (paraphrase): up to 0.0012 USD" in shown
        asked = [one for one in emulator.overview()["requests"] if "generateC" in one["path"]]
        assert not asked
        assert main(["plan", *words, "budget.arm=0.000001"]) == 4
        assert main(["check", *words, "--pay", "budget.arm=0.000001"]) == 4
        assert "budget.arm=1e-06: paraphrase may cost up to" in capsys.readouterr().err
        assert main(["plan", *words, "--pay"]) == 0


def test_a_run_asks_for_each_text_once_and_bills_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        words = [str(write(tmp_path, emulator.url)), SEMANTIC, DIVERSE]
        assert main(["run", *words]) == 0, capsys.readouterr()
        assert calls(emulator) == 60, "the texts that were compared are clustered, too"
        assert main(["run", *words]) == 0
        shutil.rmtree(tmp_path / "runs" / "store" / "render")
        assert main(["run", *words, "prepare.leakage.semantic.threshold=0.7"]) == 0
        assert calls(emulator) == 60
        assert not emulator.overview()["violations"]
    for result in Ledger(tmp_path / "runs").experiments("road"):
        for arm in result.arms:
            assert "embeddings" in {item.what for item in arm.spent}, (result.digest, arm.name)


def test_a_cap_refuses_before_the_first_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dear = SEMANTIC.replace("dimensions", "usd_per_million: 100000, dimensions")
    with Emulator() as emulator:
        words = [str(write(tmp_path, emulator.url)), dear, "budget.month=5"]
        assert main(["run", *words]) == 4
        shown = " ".join(capsys.readouterr().err.split())
        assert calls(emulator) == 0
    assert "budget.month=5: embeddings may cost up to" in shown
    assert "fewer rows, or another encoder" in shown


def test_texts_without_a_vector_stop_and_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    faults = [{"on": "*predict", "do": "503", "nth": [7]}]
    with Emulator(faults=faults) as emulator:
        words = [str(write(tmp_path, emulator.url)), SEMANTIC, "backend.online.attempts=1"]
        assert main(["check", *words, "--pay"]) != 0
        shown = " ".join(capsys.readouterr().err.split())
        assert "1 of 60 answers did not come" in shown
        assert "give the same command again to ask for the rest" in shown
        assert main(["check", *words, "--pay"]) == 0
        assert calls(emulator) == 61


@pytest.mark.parametrize("key", ["prepare.leakage.semantic", "prepare.select.diverse"])
def test_without_a_service_the_encoder_is_refused_with_the_configuration(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    (tmp_path / "here.yaml").write_text(HERE)
    assert main(["check", "here.yaml", f"{key}={{encoder: {{kind: gemini}}}}"]) == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert f"{key}.encoder.kind" in shown
    assert "needs backend=vertex" in shown
