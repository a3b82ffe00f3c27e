"""What `sft check`, `plan`, `status`, `compare` and `ui` say to people and to scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filelock import FileLock

from runner.records.experiments import ExperimentResult
from runner.records.results import ArmResult
from runner.store.ledger import Ledger
from tests.acceptance.tiny import THINGS, sft, write


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no table has to fold."""
    monkeypatch.setenv("COLUMNS", "160")


def one(
    result_name: str = "night", status: str = "running", digest: str = "d1"
) -> ExperimentResult:
    arm = ArmResult(digest=f"a-{digest}", name="all rows", kind="tuned", status=status)
    return ExperimentResult(
        name=result_name,
        digest=digest,
        question="Does it hold?",
        file="night.yaml",
        command="sft run night.yaml",
        primary="exact_match",
        arms=[arm],
        home="",
        started_ms=1,
    )


def recorded(home: Path, *results: ExperimentResult) -> Ledger:
    ledger = Ledger(home)
    for result in results:
        ledger.begin(result)
        for arm in result.arms:
            ledger.put_arm(result.digest, arm)
    return ledger


FILES = ("data_card", "dropped", "unused", "faults_file", "gemini_train", "gemini_validation")


def test_check_names_faults_conflicts_and_files(tmp_path: Path) -> None:
    yaml = write(tmp_path, sizes=[8], shots="[]")
    with (tmp_path / "rows.csv").open("a") as rows:
        rows.write("it broke: tent 1,refund\n" + ",refund\n" * 12)
    loose = ("source.max_bad_share=0.5", "template.prompt='Input: a\nOutput: b\nInput: {{ text }}'")
    said = sft(tmp_path, "check", str(yaml), *loose)
    assert said.returncode == 0, said.stderr
    assert f"{tmp_path}/rows.csv:63 empty_input" in said.stdout
    assert "faults of train: 12 (12 × empty_input)" in said.stdout
    assert "... and 2 more" in said.stdout
    assert f"{tmp_path}/rows.csv:62 refund" in said.stdout
    assert f"{tmp_path}/rows.csv:60 defect" in said.stdout
    assert "lint few_shot/labelled_examples: 8 of 8 tuning prompts" in said.stdout
    assert "leaks: none" in said.stdout
    report = json.loads(sft(tmp_path, "check", str(yaml), *loose, "--json").stdout)["treatments"][0]
    for key in FILES:
        assert Path(report[key]).is_file()
        assert report[key] in said.stdout
    assert len(report["first_faults"]["train"]) == 10
    assert len(Path(report["faults_file"]).read_text().splitlines()) == 12


def test_check_shows_new_rows_and_counts_those_that_leak(tmp_path: Path) -> None:
    yaml = write(tmp_path, sizes=[24], shots="[]")
    said = [f"money back pls for {thing} {number}" for thing in THINGS for number in range(2)]
    (tmp_path / "bench.csv").write_text("\n".join(["text", *said]))
    rules = ("prepare.augment.rules=[informal,typos]", "prepare.augment.share=1.0")
    words = ("check", str(yaml), "+prepare.leakage.suites.bench=bench.csv", *rules)
    report = json.loads(sft(tmp_path, *words, "--json").stdout)["treatments"][0]
    new = report["augmented"]
    left_out = new["refused"]["leak_suite"]
    assert left_out
    assert report["dropped_by_reason"]["train"]["leak_suite"] == left_out
    assert set(new["rows"]) == {"typos"}
    assert report["rows"]["train"]["used"] == 24 + new["rows"]["typos"]
    assert new["share"] == round(new["rows"]["typos"] / report["rows"]["train"]["used"], 4)
    assert "train" not in report["changed"]
    shown = sft(tmp_path, *words).stdout
    assert f"new rows left out, also in an external suite (leak): {left_out}" in shown
    assert "leaks: none" not in shown
    assert f"new rows: {new['rows']['typos']}, " in shown
    assert len(new["samples"]) == 5
    for sample in new["samples"]:
        assert f"{sample['before']}\n    → {sample['after']}\n" in shown
    assert Path(report["augmented_file"]).is_file()
    assert report["augmented_file"] in shown


@pytest.mark.parametrize("verb", ["check", "run"])
def test_a_refusal_leaves_the_leaks_to_be_read(tmp_path: Path, verb: str) -> None:
    yaml = write(tmp_path, sizes=[8], shots="[]")
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    leak = [*rows[:3], '"<b>only here</b>",refund']
    (tmp_path / "test.csv").write_text("\n".join(leak) + "\n")
    said = sft(tmp_path, verb, str(yaml), "source.test=test.csv")
    assert said.returncode == 4, said.stderr
    assert "2 of 3 test rows (66.7%) also stand in train" in said.stderr
    named = dict(line.strip().split(": ", 1) for line in said.stderr.splitlines()[-2:])
    listed = [json.loads(line) for line in Path(named["one a line"]).read_text().splitlines()]
    assert {(line["id"], line["matched"]) for line in listed} == {
        ("train-2", "test-2"),
        ("train-3", "test-3"),
    }
    page = Path(named["every pair"]).read_text()
    assert "so nothing was prepared" in page
    assert all(row.split(",")[0] in page for row in rows[1:3])


def test_check_refuses_a_suite_that_cannot_judge(tmp_path: Path) -> None:
    yaml = write(tmp_path, sizes=[8], shots="[]")
    said = sft(tmp_path, "check", str(yaml), "suite=json_record")
    assert said.returncode == 2, said.stdout
    assert "rows.csv:" in said.stdout
    assert "target_not_json" in said.stdout
    assert "Traceback" not in said.stderr
    found = sft(tmp_path, "check", str(yaml), "suite=json_record", "--json")
    assert found.returncode == 2
    assert json.loads(found.stdout)["treatments"][0]["suite_faults"]


def test_plan_on_a_fresh_machine(tmp_path: Path) -> None:
    yaml = write(tmp_path, sizes=[8], shots="[]")
    said = sft(tmp_path, "plan", str(yaml))
    assert "time not known yet" in said.stdout
    arms = json.loads(sft(tmp_path, "plan", str(yaml), "--json").stdout)["arms"]
    assert [arm["seconds"] for arm in arms] == [0.0, None]
    known = sft(tmp_path, "plan", str(yaml), "model.cpu_tokens_per_second=10")
    assert "not known" not in known.stdout
    assert "training tokens; tuning ~" in known.stdout


def test_the_usual_model_comes_with_its_speed() -> None:
    import yaml

    from runner.compose.folders import packaged_conf

    model = yaml.safe_load((packaged_conf() / "model" / "smollm2_135m.yaml").read_text())
    assert model["cpu_tokens_per_second"] > 0


@pytest.mark.usefixtures("wide")
def test_status_shows_jobs_and_what_a_kill_left(tmp_path: Path) -> None:
    home = tmp_path / "runs"
    ledger = recorded(home, one())
    ledger.intend_job("0123456789abcdef", "tiny-random", 1606)
    ledger.end_job("0123456789abcdef", "failed", 42.0, "no memory [bold]left")
    said = sft(tmp_path, "status").stdout
    job = next(line for line in said.splitlines() if "01234567" in line)
    for words in ("failed", "tiny-random", "1,606", "42 s", "no memory [bold]left"):
        assert words in job
    assert "interrupted" in said
    (home / "locks").mkdir()
    with FileLock(home / "locks" / "d1.lock"):
        busy = sft(tmp_path, "status").stdout
        assert "running now" in busy
        assert "interrupted" not in busy
    after = json.loads(sft(tmp_path, "status", "--json").stdout)
    assert after["experiments"][0]["arms"][0]["status"] == "interrupted"
    assert "interrupted" in sft(tmp_path, "compare", "night").stdout


def test_compare_says_which_pages_it_wrote(tmp_path: Path) -> None:
    results = [one(name, "pending", name) for name in ("night", "day")]
    recorded(tmp_path / "runs", *results)
    said = sft(tmp_path, "compare", "night", "day", "--html", "out/page.html")
    assert said.returncode == 0, said.stderr
    assert "wrote out/page.html: night" in said.stdout
    assert "wrote out/page-2.html: day" in said.stdout
    assert "day" in (tmp_path / "out" / "page-2.html").read_text()
    assert "time" in said.stdout  # seconds of each arm, for people


def test_ui_takes_a_database_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run with tracking.uri does; seen where the pages' server would be started."""
    from runner.cli import main
    from runner.tracking import ui

    asked: list[str] = []
    monkeypatch.setattr(ui, "serve", lambda uri, home, port: asked.append(uri) or 0)
    monkeypatch.chdir(tmp_path)
    assert main(["ui", "--uri", "sqlite:///x.db"]) == 0
    assert main(["ui"]) == 0
    assert main(["ui", "--uri", "http://127.0.0.1:1"]) == 0
    assert asked == [
        f"sqlite:///{tmp_path}/x.db",
        f"sqlite:///{tmp_path}/runs/mlflow/mlflow.db",
        "http://127.0.0.1:1",
    ]
