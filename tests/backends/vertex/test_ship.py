"""`sft ship` against the emulator: the default is set, the client asks what evaluation asked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.backends.vertex.clients import Clients
from runner.backends.vertex.online import answer
from runner.cli import main
from runner.config import Template, VertexBackendSettings
from runner.emulator import Emulator
from runner.inference import requests_for
from runner.prepare.template import Renderer
from runner.records import Example, Generation, Origin, Row, Turn, write_jsonl
from runner.store.ledger import Ledger
from tests.backends.vertex.asking import backend, model
from tests.backends.vertex.recording import Recording, camel, recorded
from tests.backends.vertex.tuned import arm, experiment, tune

TEMPLATE = {
    "name": "t",
    "system": "Answer in {{ language }}.",
    "prompt": "{{ question|upper }} <{{ row['Order no.'] }}>",
}
COLUMNS = ["question", "language", "Order no."]
FIELDS = {"question": 'où est "it"?\n', "language": "Deutsch", "Order no.": "7=8"}
TOOLS = [{"functionDeclarations": [{"name": "find", "description": "Finds."}]}]
SUITE = {"generation": {"max_tokens": 21, "temperature": 0.0, "stop": ["\n\n"]}}


@dataclass
class Shop:
    """An experiment on the emulator, with everything that passes on the way to it."""

    home: Path
    emulator: Emulator
    recording: Recording
    settings: VertexBackendSettings
    ledger: Ledger
    job: dict[str, Any]

    def ship(self, *words: str) -> int:
        return main(["ship", "exp", "--home", str(self.home), *words])

    @property
    def folder(self) -> Path:
        return self.home / "reports" / "exp-exp-dige" / "ship"

    def evaluated(self, example: Example) -> dict[str, Any]:
        """The body that evaluation sends for this example."""
        job, generation = self.job["tunedModel"], Generation(21, 0.0, 5, ("\n\n",))
        checkpoint = arm(self.settings, self.job, "job1").tuning.checkpoints[1]  # type: ignore[union-attr]
        assert checkpoint.path == job["checkpoints"][1]["endpoint"]
        self.recording.bodies.clear()
        requests = requests_for([example])
        clients = Clients(self.settings)
        list(answer(clients, self.settings, model(), checkpoint, requests, generation))
        return self.only()

    def asked(self, *words: str) -> tuple[str, dict[str, Any]]:
        """What ask.py prints, and the body that it sends."""
        self.recording.bodies.clear()
        command = [sys.executable, str(self.folder / "ask.py"), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout, self.only()

    def only(self) -> dict[str, Any]:
        ((path, body),) = self.recording.bodies
        return {"path": path, **camel(body)}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with Emulator() as emulator, recorded(emulator.url) as recording:
        settings = backend(emulator).model_copy(update={"emulator": recording.url})
        job = tune(Clients(settings))
        row = Row("r", FIELDS, "answer", Origin("f", 1), extras={"tools": TOOLS})
        example = Renderer(Template.model_validate(TEMPLATE), COLUMNS)(row)
        prepare, render = tmp_path / "prepare", tmp_path / "render"
        prepare.mkdir()
        render.mkdir()
        (prepare / "summary.json").write_text(json.dumps({"columns": COLUMNS}))
        write_jsonl(render / "test.jsonl", [example.to_json(), example.to_json()])
        config = {
            "template": TEMPLATE,
            "suite": SUITE,
            "seed": 5,
            "model": model().model_dump(mode="json"),
        }
        won = arm(settings, job, "job1", best="2", **config)
        made = {**won.artifacts, "prepare": str(prepare), "render": str(render)}
        won = won.model_copy(update={"artifacts": made})
        ledger = experiment(tmp_path / "runs", "exp", [won])
        yield Shop(tmp_path / "runs", emulator, recording, settings, ledger, job)
        assert not emulator.overview()["violations"]


def test_the_winning_checkpoint_becomes_the_default(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    name = shop.job["tunedModel"]["model"]
    client = Clients(shop.settings).serving("us")
    assert client.models.get(model=name).default_checkpoint_id == "3"
    assert shop.ship() == 0
    assert client.models.get(model=name).default_checkpoint_id == "2"
    said = capsys.readouterr().out
    assert f"{name}: 2 (in place of 3)" in said
    assert shop.job["tunedModel"]["checkpoints"][1]["endpoint"] in said
    assert shop.ship() == 0
    assert "was it before" in capsys.readouterr().out


def test_the_client_sends_what_evaluation_sent(shop: Shop) -> None:
    assert shop.ship() == 0
    row = Row("r", FIELDS, "answer", Origin("f", 1), extras={"tools": TOOLS})
    example = Renderer(Template.model_validate(TEMPLATE), COLUMNS)(row)
    wanted = shop.evaluated(example)
    text, body = shop.asked(*(f"{name}={value}" for name, value in FIELDS.items()))
    assert body == wanted
    assert body["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "MINIMAL"}
    assert text.startswith("answer ")


def test_the_files_stand_alone(shop: Shop) -> None:
    assert shop.ship() == 0
    names = sorted(path.name for path in shop.folder.iterdir())
    assert names == ["ask.py", "client.json", "prompt.py"]
    for name in ("ask.py", "prompt.py"):
        text = (shop.folder / name).read_text(encoding="utf-8")
        assert "import runner" not in text
        assert "from runner" not in text


def test_earlier_turns_go_along_as_in_evaluation(shop: Shop) -> None:
    assert shop.ship() == 0
    history = (Turn("user", "Hi"), Turn("model", "Hello"))
    row = Row("r", FIELDS, "answer", Origin("f", 1), extras={"tools": TOOLS}, system="Own.")
    example = Renderer(Template.model_validate(TEMPLATE), COLUMNS)(row)
    whole = Example(
        "r", (*history, *example.contents), "answer", example.origin, "Own.", extras=row.extras
    )
    wanted = shop.evaluated(whole)
    shop.recording.bodies.clear()
    turns = [turn.to_gemini() for turn in history]
    code = f"import ask; ask.ask({FIELDS!r}, {turns!r}, 'Own.')"
    subprocess.run([sys.executable, "-c", code], cwd=shop.folder, check=True)
    assert shop.only() == wanted


def test_what_was_cleaned_cannot_be_shipped(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "exp", "--home", str(shop.home), "--yes"]) == 0
    assert shop.ship() == 2
    assert "sft clean has deleted" in capsys.readouterr().err


def test_without_a_winner_it_says_how_to_choose(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    known = shop.ledger.experiments("exp")[0]
    assert known.verdict
    lost = known.verdict.model_copy(update={"winner": ""})
    shop.ledger.finish(known.model_copy(update={"verdict": lost}))
    assert shop.ship() == 2
    assert "--arm NAME, one of 'tuned job1'" in capsys.readouterr().err
    assert shop.ship("--arm", "tuned job1") == 0
