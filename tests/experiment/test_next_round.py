"""`sft advise`: from findings to a YAML that composes and differs in what they call for alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.cli import main
from runner.experiment.next_round import as_yaml, next_round, words_of
from runner.records.experiments import ExperimentResult
from runner.records.findings import Finding, Findings
from runner.store.ledger import Ledger
from runner.verbs.advise import next_name
from tests.experiment.conftest import Trial

SCRIPT: dict[str, Any] = {
    "0": {"right_to": 5},
    **{f"{epochs}.{number}": {"right_to": 20} for epochs in (1, 2, 6) for number in (1, 2)},
}


def finding(name: str, override: str, severity: str = "warning", arm: str = "") -> Finding:
    return Finding.model_validate(
        {
            "id": name,
            "severity": severity,
            "confidence": 0.8,
            "title": f"Title of {name}",
            "evidence": f"numbers of {name}",
            "cause": "why",
            "advice": f"Advice of {name}.",
            "override": override,
            "arm": arm,
        }
    )


def told(trial: Trial, *found: Finding, words: tuple[str, ...] = ()) -> ExperimentResult:
    """An experiment that was run, and these findings about the better of its two arms."""
    result = trial.run(SCRIPT, *words).result
    focus = result.leading
    findings = [each.model_copy(update={"arm": each.arm or focus}) for each in found]
    kept = result.model_copy(update={"findings": Findings(found=findings, focus=focus)})
    ledger = Ledger(trial.folder / "runs", None)
    ledger.finish(kept)
    return kept


def advised(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["advise", "withheld", "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_next_round_differs_in_what_was_found(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    told(
        trial,
        finding("suboptimal", "tuning.epochs=6"),
        finding("one_class", "prepare/select=balanced"),
        finding("rare_labels", "prepare/select=diverse"),
        finding("length_drift", ""),
        finding("small_gain", "prepare/augment=noise", severity="note"),
        finding("leak_suspicious", "prepare/leakage=firewall", arm="another"),
    )
    found = advised(capsys)
    target = trial.folder / "withheld_next.yaml"
    assert found["file"] == str(target)
    assert [each["finding"] for each in found["changes"]] == ["suboptimal", "one_class"]
    assert {each["finding"]: each["why"] for each in found["left"]} == {
        "rare_labels": "one_class changes the same",
        "length_drift": "no setting does it",
    }
    text = target.read_text()
    assert "# tuning.epochs=6: Title of suboptimal (suboptimal; numbers of suboptimal)." in text
    assert "# Not changed: Title of length_drift" in text
    assert yaml.safe_load(text) == {
        "defaults": ["withheld", {"override /prepare/select": "balanced"}],
        "name": "withheld_next",
        "sweep": {"grid": {"tuning.epochs": [6]}},
    }
    # It is an experiment like any other.
    assert main(["run", str(target), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    (arm,) = [arm for arm in result["arms"] if arm["kind"] == "tuned"]
    assert arm["config"]["tuning"]["epochs"] == 6
    assert arm["config"]["prepare"]["select"]["balance"] == "target"


def test_the_plan_of_the_next_round_is_shown(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    told(trial, finding("suboptimal", "tuning.epochs=6"))
    assert main(["advise", "withheld"]) == 0
    said = capsys.readouterr()
    assert "tuning.epochs=6  Title of suboptimal" in said.out
    assert "smallest difference in exact_match" in said.out + said.err


def test_what_was_typed_is_kept_and_what_is_so_already_is_said(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    result = told(
        trial,
        finding("answers_cut", "suite.generation.max_tokens=64"),
        finding("overfitting", "tuning.epochs=1"),
        finding("hard", "prepare/select=hard"),
        words=("tuning.adapter_size=4",),
    )
    # The suite's own limit, and what cannot be without more.
    typed = f"sft run {result.file} tuning.adapter_size=4"
    Ledger(trial.folder / "runs", None).finish(result.model_copy(update={"command": typed}))
    found = advised(capsys)
    left = {each["finding"]: each["why"] for each in found["left"]}
    assert left["answers_cut"] == "suite.generation.max_tokens=64 is set already"
    assert "it does not compose" in left["hard"]
    epochs = result.arm(result.leading).config["tuning"]["epochs"]
    if epochs == 1:
        assert left["overfitting"] == "tuning.epochs=1 is set already"
        assert found["file"] is None
        assert not (trial.folder / "withheld_next.yaml").exists()
    else:
        written = yaml.safe_load((trial.folder / "withheld_next.yaml").read_text())
        assert written["tuning"] == {"adapter_size": 4}


def test_nothing_to_change_writes_nothing(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    told(trial)
    assert main(["advise", "withheld"]) == 0
    assert "nothing to change in withheld" in capsys.readouterr().out
    assert not (trial.folder / "withheld_next.yaml").exists()


def test_a_file_of_a_persons_is_not_written_over(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    result = told(trial, finding("suboptimal", "tuning.epochs=6"))
    mine = trial.folder / "withheld_next.yaml"
    mine.write_text("name: mine\n")
    assert main(["advise", "withheld"]) == 2
    assert "not sft's own; choose another name: --out NAME" in capsys.readouterr().err
    assert mine.read_text() == "name: mine\n"
    assert main(["advise", "withheld", "--out", "a/b"]) == 2
    assert "letters, digits" in capsys.readouterr().err
    assert advised(capsys, "--out", "second")["file"].endswith("/second.yaml")
    Path(result.file).unlink()
    assert main(["advise", "withheld", "--out", "third"]) == 2
    assert "which is not there any more" in capsys.readouterr().err


def test_without_a_tuned_arm_there_is_nothing_to_go_on_from(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    result = told(trial)
    empty = result.model_copy(update={"findings": Findings()})
    Ledger(trial.folder / "runs", None).finish(empty)
    assert main(["advise", "withheld"]) == 2
    assert "has no tuned arm to go on from" in capsys.readouterr().err
    assert next_round(empty, Findings(), "x") is None


def test_names_count_on() -> None:
    assert next_name("mail") == "mail_next"
    assert next_name("mail_next") == "mail_next2"
    assert next_name("mail_next9") == "mail_next10"


def test_what_has_no_place_in_a_file_is_said(trial: Trial) -> None:
    result = told(trial, finding("suboptimal", "tuning.epochs=6"))
    words = "++tuning.adapter_size=4 ~prepare.dedup.exact store.ledger=postgres://u:***@h/d --json"
    typed = result.model_copy(update={"command": f"sft run {result.file} {words}"})
    assert typed.findings
    found = next_round(typed, typed.findings, "withheld_next")
    assert found
    text = as_yaml(found, set(), "2026-11-27")
    assert yaml.safe_load(text)["tuning"] == {"adapter_size": 4}
    assert "# Typed then, and to be typed again: ~prepare.dedup.exact" in text
    assert "# Typed then, and to be typed again: store.ledger=postgres://u:***@h/d" in text


def test_several_words_of_one_finding() -> None:
    assert words_of("source.validation=null prepare/split=default") == {
        "source.validation": "null",
        "prepare/split": "default",
    }
    assert words_of("") == {}


def test_hostile_words_stay_comments(trial: Trial) -> None:
    evil = "x\nname: evil\n# [bold]"
    result = told(trial, finding("suboptimal", "tuning.epochs=6"))
    assert result.findings
    odd = [
        each.model_copy(update={"title": evil, "evidence": evil}) for each in result.findings.found
    ]
    findings = result.findings.model_copy(update={"found": odd})
    found = next_round(result, findings, "withheld_next")
    assert found
    assert (
        yaml.safe_load(as_yaml(found, {"prepare/select"}, "2026-11-27"))["name"] == "withheld_next"
    )
