"""`sft init`: what it writes composes, plans and runs, whatever the user's file looks like."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.cli import main
from tests.acceptance.tiny import LABELS, THINGS, sft

TINY = ["model=tiny_random", "tracking=none"]

ANSWERS = ("two minutes", "a red house", "Paris", "the last king", "iron and tin")
MAILS = [
    {"text": f"{words} {thing} {n}", "label": label}
    for n in range(2)
    for label, words in LABELS.items()
    for thing in THINGS
]
ROWS: dict[str, list[dict[str, Any]]] = {
    "classification": MAILS,
    "json_record": [
        {"message": f"{n} lamps for {thing}", "record": {"count": n, "for": thing}}
        for n in range(6)
        for thing in THINGS
    ],
    "qa": [
        {"question": f"What about the {thing} of {n}?", "answer": f"{ANSWERS[n % 5]} {thing}"}
        for n in range(6)
        for thing in THINGS
    ],
    "generation": [
        {"mr": f"{thing}[{n}]", "ref": f"There is a rather nice {thing} in room {n}, {words}."}
        for n in range(10)
        for thing in THINGS
        for words in ("as they say", "and it is for sale")
    ],
    "gemini": [
        {
            "contents": [
                {"role": "user", "parts": [{"text": f"Where is the {thing} {n}?"}]},
                {"role": "model", "parts": [{"text": f"In room {n}."}]},
            ]
        }
        for n in range(6)
        for thing in THINGS
    ],
    "chat": [
        {
            "messages": [
                {"role": "user", "content": f"Where is the {thing} {n}?"},
                {"role": "assistant", "content": f"In room {n}."},
            ]
        }
        for n in range(6)
        for thing in THINGS
    ],
}


def jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])
    return str(path)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(folder: Path, experiment: str) -> list[dict[str, Any]]:
    done = sft(folder, "plan", experiment, *TINY, "--json")
    assert done.returncode == 0, done.stderr
    arms: list[dict[str, Any]] = json.loads(done.stdout)["arms"]
    return arms


@pytest.mark.parametrize("task", [task for task in ROWS if task != "classification"])
def test_every_kind_of_rows_can_be_planned(here: Path, task: str) -> None:
    jsonl(here / "rows.jsonl", ROWS[task])
    assert main(["init", "mine", "--data", "rows.jsonl"]) == 0
    tuned = [arm for arm in planned(here, "mine.yaml") if arm["kind"] == "tuned"]
    assert len(tuned) == (2 if len(ROWS[task]) > 150 else 1)
    assert all(arm["test_rows"] for arm in tuned)


def test_a_written_experiment_runs(here: Path) -> None:
    table(here / "my: mail #1.csv", ["text", "label"], ([*row.values()] for row in MAILS))
    assert main(["init", "on", "--data", "my: mail #1.csv"]) == 0
    short = ["tuning.epochs=1", "suite.generation.max_tokens=2"]
    done = sft(here, "run", "on.yaml", *TINY, *short, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["name"] == "on"
    assert "my: mail #1.csv" in result["question"]


def test_its_prompt_can_be_swept_against_others(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The prompt is an option of the group, and so are others beside it."""
    jsonl(here / "rows.jsonl", MAILS[:40])
    assert main(["init", "mine", "--data", "rows.jsonl"]) == 0
    assert "template:" not in (here / "mine.yaml").read_text().partition("name:")[2]
    options = here / "conf/template"
    text = (options / "mine.yaml").read_text().replace("name: mine", "name: polite")
    (options / "polite.yaml").write_text(text)
    assert arms(capsys, "-m", "template=plain,mine,polite") == ["plain", "mine", "polite"]


def arms(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Names of the tuned arms that are planned of `mine.yaml`."""
    capsys.readouterr()
    assert main(["plan", "mine.yaml", *words, *TINY, "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)["arms"]
    return [arm["name"] for arm in planned if arm["kind"] == "tuned"]


def test_no_choice_is_lost_on_what_init_wrote(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What wins is the rule of the README; here through the command line."""
    jsonl(here / "rows.jsonl", MAILS[:40])
    assert main(["init", "mine", "--data", "rows.jsonl"]) == 0
    page = here / "mine.yaml"
    # As it was written before the prompt was an option, and with a section for the data.
    own = "template: {name: own, system: Mine., prompt: '{{ text }}'}\n"
    page.write_text(page.read_text() + own + "prepare: {dedup: {fuzzy: {threshold: 0.9}}}\n")
    assert arms(capsys, "-m", "template=plain,mine") == ["plain", "mine"]
    assert arms(capsys, "-m", "prepare/dedup=exact,fuzzy") == ["exact", "fuzzy"]
    assert arms(capsys, "-m", "tuning.epochs=1,2") == ["epochs 1", "epochs 2"]
    assert main(["plan", "mine.yaml", "-m", "tuning.epochs=1,2", "tuning={epochs: 3}"]) == 2
    told = capsys.readouterr().err
    assert "override tuning.epochs=1,2" in told
    assert "override tuning={epochs: 3} sets it too" in told
    page.write_text(page.read_text() + "sweep: {grid: {tuning.epochs: [1, 2]}}\n")
    assert arms(capsys, "tuning={epochs: 3}") == ["tuned"]


@pytest.mark.parametrize(
    ("name", "option"), [("a b", "a_b"), ("on", "prompt_on"), ("plain", "prompt_plain")]
)
def test_a_prompt_has_a_name_that_can_be_typed(here: Path, name: str, option: str) -> None:
    jsonl(here / "rows.jsonl", MAILS[:40])
    assert main(["init", name, "--data", "rows.jsonl"]) == 0
    assert [file.stem for file in here.glob("conf/template/*")] == [option]


def test_nothing_is_written_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jsonl(here / "rows.jsonl", MAILS[:40])
    assert main(["init", "mine", "--data", "rows.jsonl"]) == 0
    (here / "mine.yaml").unlink()
    assert main(["init", "mine", "--data", "rows.jsonl"]) == 2
    assert "conf/template/mine.yaml exists; type --force" in capsys.readouterr().err
    assert main(["init", "mine", "--data", "rows.jsonl", "--force"]) == 0


@pytest.mark.parametrize("name", ["on", "null", "2024", "1.5", "a b", "2024-01-01", "0x1f", "x."])
def test_a_name_stays_a_name(here: Path, name: str) -> None:
    table(here / "mail.csv", ["text", "label"], ([*row.values()] for row in MAILS))
    assert main(["init", name, "--data", "mail.csv"]) == 0
    assert yaml.safe_load((here / f"{name}.yaml").read_text())["name"] == name


@pytest.mark.parametrize("name", ["a/b", "../x", ".x", "a:b", "ü", "", "a\n", "x" * 101])
def test_a_name_no_experiment_can_have(
    here: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    table(here / "mail.csv", ["text", "label"], [["a", "b"]])
    assert main(["init", name, "--data", "mail.csv"]) == 2
    assert "NAME must be letters" in capsys.readouterr().err
    assert [file.name for file in here.iterdir()] == ["mail.csv"]


def test_one_column_is_no_experiment(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(here / "mail.csv", ["text"], [["a"], ["b"]])
    assert main(["init", "mine", "--data", "mail.csv"]) == 2
    assert "only the column 'text'" in capsys.readouterr().err


def test_columns_and_labels_are_not_code(here: Path) -> None:
    """What stands in the file is text to YAML, to OmegaConf and to Jinja."""
    labels = ["{{ 7 * 7 }}", "{% raw %}", "${oc.env:HOME}", "a: b, [c]", "{# no #}"]
    columns = ["row's {{ name }}", "if", "a, b: #c", "${seed}", "two\nlines"]
    rows = [
        [*(f"{thing} {column} {n}" for column in range(5)), labels[n % 5]]
        for n in range(10)
        for thing in THINGS
    ]
    table(here / "odd.csv", [*columns, "label"], rows)
    assert main(["init", "odd", "--data", "odd.csv"]) == 0
    done = sft(here, "check", "odd.yaml", *TINY, "--json")
    assert done.returncode == 0, done.stderr
    example = json.loads(done.stdout)["treatments"][0]["rendered"][0]
    assert example["system"] == f"Answer with one of: {', '.join(sorted(labels))}."
    prompt = example["contents"][0]["text"].splitlines()
    names = ["row's {{ name }}", "if", "a, b: #c", "${seed}", "two lines"]
    assert [line.rsplit(": ", 1)[0] for line in prompt] == names
    assert [line.split()[-2] for line in prompt] == list("01234")


def test_several_answers_to_one_input_are_kept_apart(here: Path) -> None:
    jsonl(here / "rows.jsonl", ROWS["generation"])
    main(["init", "one", "--data", "rows.jsonl"])
    source = yaml.safe_load((here / "one.yaml").read_text())["source"]
    assert (source["group"], source["references_by"]) == ("mr", "mr")
    jsonl(here / "wide.jsonl", ({**row, "text": "same"} for row in ROWS["generation"]))
    main(["init", "two", "--data", "wide.jsonl"])
    assert "group" not in yaml.safe_load((here / "two.yaml").read_text())["source"]
    assert planned(here, "two.yaml")


def test_no_editor_header_without_a_schema_at_hand(here: Path) -> None:
    table(here / "mail.csv", ["text", "label"], ([*row.values()] for row in MAILS))
    main(["init", "mine", "--data", "mail.csv"])
    assert "yaml-language-server" not in (here / "mine.yaml").read_text()


def test_the_editor_header_in_a_checkout(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from runner.compose import folders

    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / "conf" / ".schema").mkdir(parents=True)
    (checkout / "conf" / ".schema" / "experiment.json").write_text("{}")
    (checkout / "mine").mkdir()
    monkeypatch.setattr(folders, "packaged_conf", lambda: checkout / "conf")
    monkeypatch.chdir(checkout / "mine")
    table(Path("mail.csv"), ["text", "label"], ([*row.values()] for row in MAILS))
    main(["init", "mine", "--data", "mail.csv"])
    lines = Path("mine.yaml").read_text().splitlines()
    assert lines[1] == "# yaml-language-server: $schema=../conf/.schema/experiment.json"
