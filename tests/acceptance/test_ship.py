"""`sft ship` after a run on this machine: the client answers as evaluation did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.records import read_jsonl
from tests.acceptance.tiny import options, sft, write

ASK = """
import ask, json, sys
print(json.dumps([ask.ask({"text": text}) for text in json.load(sys.stdin)]))
"""


@pytest.mark.slow
def test_the_client_of_a_local_model_answers_as_evaluation_did(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    write(tmp_path, sizes=[16], shots="[]")
    ran = sft(tmp_path, "run", "tiny.yaml", "suite.generation.stop=[a]")
    assert ran.returncode == 0, ran.stderr
    compared = sft(tmp_path, "compare", "tiny", "--json")
    (result,) = json.loads(compared.stdout)
    arm = next(arm for arm in result["arms"] if arm["kind"] == "tuned")
    shipped = sft(tmp_path, "ship", "tiny", "--arm", arm["name"])
    assert shipped.returncode == 0, shipped.stderr
    assert "adapter: " in shipped.stdout

    (folder,) = tmp_path.glob("runs/reports/*/ship")
    rows = list(read_jsonl(Path(arm["predictions"]["test"])))
    asked = json.dumps([row["prompt"] for row in rows])
    settings = {**options(tmp_path), "cwd": folder}
    done = subprocess.run([sys.executable, "-c", ASK], input=asked, **settings)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [row["text"] for row in rows]
    assert len(rows) == 12
