"""A client that sends one thing wrong: the emulator refuses it as Google does, and the run ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.cli import main
from runner.emulator import Emulator
from runner.store.ledger import Ledger
from tests.backends.vertex.test_road import write

Spec = dict[str, Any]


def misspelled(knobs: Spec) -> None:
    knobs["learningRateMultiplyer"] = knobs.pop("learningRateMultiplier")


def wrong_enum(knobs: Spec) -> None:
    knobs["adapterSize"] = "ADAPTER_SIZE_THREE"


def wrong_type(knobs: Spec) -> None:
    knobs["epochCount"] = "two"


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (misspelled, "learningRateMultiplyer"),
        (wrong_enum, "adapter_size"),
        (wrong_type, "epoch_count"),
    ],
)
def test_a_wrong_field_ends_the_run_and_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Spec], None],
    field: str,
) -> None:
    from google.genai._api_client import BaseApiClient

    sent = BaseApiClient.request

    def request(self: Any, method: str, path: str, body: Any, options: Any = None) -> Any:
        if method == "post" and path.endswith("tuningJobs"):
            spoil(body["supervisedTuningSpec"]["hyperParameters"])
        return sent(self, method, path, body, options)

    monkeypatch.chdir(tmp_path)
    with Emulator() as emulator:
        file = str(write(tmp_path, emulator.url))
        monkeypatch.setattr(BaseApiClient, "request", request)
        knobs = ("tuning.learning_rate_multiplier=2", "tuning.adapter_size=4")
        assert main(["run", file, *knobs]) == 1
        overview = emulator.overview()
        assert overview["jobs"] == []
        (violation,) = overview["violations"]
        assert field in json.dumps(violation)
    said = capsys.readouterr()
    (experiment,) = Ledger(tmp_path / "runs").experiments("road")
    (failed,) = [arm for arm in experiment.arms if arm.status == "failed"]
    assert failed.kind == "tuned"
    assert field in failed.error
    assert field in said.out + said.err
    assert "Traceback" not in said.out + said.err
