"""Whole runs through the command line, with a model that is tuned in seconds."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.acceptance import kills
from tests.acceptance.tiny import outcome, sft, write


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A finished run: its folder, its YAML and what `--json` printed."""
    folder = tmp_path_factory.mktemp("tiny")
    yaml = write(folder, "mlflow")
    run = sft(folder, "run", str(yaml), "--json")
    assert run.returncode == 0, run.stderr
    return folder, yaml, run.stdout


def test_a_run_ends_with_every_arm_done(done: tuple[Path, Path, str]) -> None:
    result = json.loads(done[2])
    names = [arm["name"] for arm in result["arms"]]
    assert names == ["zero-shot", "1-shot", "8 rows", "16 rows"]
    assert {arm["status"] for arm in result["arms"]} == {"done"}
    tuned = result["arms"][-1]
    assert tuned["train_examples"] == 16
    assert [item["id"] for item in tuned["checkpoints"]] == ["1", "2"]
    assert tuned["test"]["rows"] == 12
    assert result["verdict"]["headline"]


def test_the_same_command_again_does_nothing(done: tuple[Path, Path, str]) -> None:
    folder, yaml, first = done
    again = sft(folder, "run", str(yaml))
    assert again.returncode == 0, again.stderr
    assert "nothing was run" in again.stdout
    assert outcome(sft(folder, "run", str(yaml), "--json").stdout) == outcome(first)


def test_what_was_found_is_told_and_kept(done: tuple[Path, Path, str]) -> None:
    folder, yaml, first = done
    (file,) = (folder / "runs" / "reports").glob("*/findings.json")
    kept = json.loads(file.read_text())
    assert json.loads(first)["findings"] == kept
    said = sft(folder, "diagnose", str(yaml), "--json")
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout) == kept
    words = sft(folder, "diagnose", "tiny").stdout
    for finding in kept["found"]:
        assert finding["title"] in " ".join(words.split())
    assert "data_issue: the base model begins with random weights" in " ".join(words.split())
    unknown = sft(folder, "diagnose", "tinny")
    assert unknown.returncode == 2
    assert unknown.stderr == "error: no experiment 'tinny' was run here; there are: tiny\n"


def test_a_finding_that_is_refused_exits_4(done: tuple[Path, Path, str]) -> None:
    """One that was found, and one that nobody could look for; nothing is run again."""
    folder, yaml, first = done
    kept = json.loads(first)["findings"]
    own = next(each["id"] for each in kept["found"] if each["arm"] == kept["focus"])
    run = sft(folder, "run", str(yaml), f"diagnosis.refuse=[{own},cost_high]")
    assert run.returncode == 4
    assert "nothing was run" in run.stdout
    assert f"findings {own} (" in run.stdout
    assert f"error: what diagnosis.refuse names was found:\n  {own}: " in run.stderr
    assert "cost_high: could not be looked for in " in run.stderr
    assert "sft diagnose tiny says how" in run.stderr
    clear = [c["id"] for c in kept["checks"] if c["outcome"] == "not_found"]
    assert sft(folder, "run", str(yaml), f"diagnosis.refuse=[{clear[-1]}]").returncode == 0


def test_arms_share_prepared_data(done: tuple[Path, Path, str]) -> None:
    result = json.loads(done[2])
    assert len({arm["artifacts"]["prepare"] for arm in result["arms"]}) == 1
    assert len({arm["artifacts"]["tune"] for arm in result["arms"][2:]}) == 2


def test_an_edited_suite_tunes_nothing_again(done: tuple[Path, Path, str]) -> None:
    folder, yaml, _ = done
    run = sft(folder, "run", str(yaml), "suite.bootstrap.samples=500", "--json")
    assert run.returncode == 0, run.stderr
    for arm in json.loads(run.stdout)["arms"][2:]:
        assert {"prepare", "render", "tune", "predict"} <= set(arm["reused"])


def test_an_edited_template_reruns_what_depends_on_it(done: tuple[Path, Path, str]) -> None:
    folder, yaml, first = done
    planned = sft(folder, "plan", str(yaml), "template.prompt='Mail: {{ text }}'", "--json")
    assert planned.returncode == 0, planned.stderr
    arms = json.loads(planned.stdout)["arms"]
    assert [arm["state"] for arm in arms] == ["new"] * 4
    before = json.loads(first)["arms"][0]["artifacts"]["prepare"]
    assert len(list(Path(before).parent.glob("[!.]*[!k]"))) == 1


def test_plan_says_what_is_done(done: tuple[Path, Path, str]) -> None:
    folder, yaml, _ = done
    planned = json.loads(sft(folder, "plan", str(yaml), "--json").stdout)["arms"]
    assert [arm["state"] for arm in planned] == ["done"] * 4
    more = sft(folder, "plan", str(yaml), "-m", "tuning.adapter_size=4,8", "--json")
    states = {arm["name"]: arm["state"] for arm in json.loads(more.stdout)["arms"]}
    assert sorted(states.values()).count("new") >= 2
    assert sorted(states.values()).count("tuned") == 2


def test_status_and_compare_read_what_was_run(done: tuple[Path, Path, str]) -> None:
    folder, _, _ = done
    status = json.loads(sft(folder, "status", "--json").stdout)
    assert {job["state"] for job in status["jobs"]} == {"succeeded"}
    compared = sft(folder, "compare", "tiny", "--html", "page.html")
    assert compared.returncode == 0, compared.stderr
    assert "zero-shot" in compared.stdout
    assert "16 rows" in (folder / "page.html").read_text()
    assert sft(folder, "compare", "nothing").returncode == 2


def test_one_failing_arm_is_one_red_row(tmp_path: Path) -> None:
    yaml = write(tmp_path)
    run = sft(tmp_path, "run", str(yaml), "-m", "tuning.learning_rate_multiplier=1,1e38", "--json")
    result = json.loads(run.stdout)
    states = {arm["name"]: arm["status"] for arm in result["arms"]}
    assert run.returncode == 1, run.stderr
    assert {status for name, status in states.items() if "1e38" in name or "1e+38" in name} == {
        "failed"
    }
    assert list(states.values()).count("done") == 4
    failed = next(arm for arm in result["arms"] if arm["status"] == "failed")
    assert Path(failed["log"]).is_file()
    assert failed["error"]


def test_kills_leave_no_trace_in_the_result() -> None:
    expected, seconds = kills.unbroken("none")
    rng = random.Random(7)
    for _ in range(2):
        round_ = kills.broken(expected, seconds, "none", rng, budget=3)
        assert round_.equal, round_.note
