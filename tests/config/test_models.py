"""The table of Gemini models: complete, dated, refused in time, and open to a user's own."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from runner.compose.folders import packaged_conf
from runner.config import Experiment, GeminiModel, RowLimits
from tests.compose.composing import compose_text, problems_of, write

FILES = sorted((packaged_conf() / "model").glob("gemini_*.yaml"))
CLOUD = "kind: vertex\nproject: p\nbucket: gs://bucket\n"
TEXT = """\
defaults:
  - override /backend: cloud
source:
  train: a.jsonl
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a backend of its own, on the day the table was written."""
    monkeypatch.setenv("SFT_TODAY", "2026-11-22")
    write(tmp_path, {"lab/conf/backend/cloud.yaml": CLOUD})
    return tmp_path


def composed(lab: Path, *argv: str) -> Experiment:
    (point,) = compose_text(lab, TEXT, *argv).points
    return point.experiment


def refused(lab: Path, *argv: str) -> dict[str, str]:
    """Key to message of every problem."""
    return {problem.key: problem.message for problem in problems_of(lab, TEXT, *argv)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_model_is_whole(lab: Path, file: Path) -> None:
    model = composed(
        lab, f"model={file.stem}", "model.force_retired=true", "tuning.adapter_size=4"
    ).model
    assert isinstance(model, GeminiModel)
    assert set(yaml.safe_load(file.read_text())) == set(GeminiModel.model_fields) - {
        *("base_learning_rate", "cpu_tokens_per_second", "licence", "terms", "accept_terms"),
    }
    assert model.successor is None or model.successor in {file.stem for file in FILES}
    assert all(kind in model.limits.media for kind in ("image", "audio", "video", "document"))
    told = " ".join(item.fact for item in model.evidence)
    for word in ("limits", "adapter sizes", "validation rows", "MIME", "price", "retire"):
        assert word in told, f"no evidence for {word}"
    assert all(item.read <= date(2026, 11, 22) for item in model.evidence)


def test_the_table_has_every_model() -> None:
    assert {file.stem for file in FILES} == {
        *("gemini_3_5_flash", "gemini_3_5_flash_lite", "gemini_3_1_flash_lite"),
        *("gemini_2_5_pro", "gemini_2_5_flash", "gemini_2_5_flash_lite"),
        *("gemini_2_0_flash", "gemini_2_0_flash_lite"),
        *("gemini_1_5_pro_002", "gemini_1_5_flash_002"),
    }


@pytest.mark.parametrize(
    ("option", "day", "successor"),
    [
        ("gemini_2_5_flash", "2026-11-22", "gemini_3_5_flash"),
        ("gemini_2_5_pro", "2026-10-16", "gemini_3_5_flash"),
        ("gemini_2_5_flash_lite", "2026-11-22", "gemini_3_1_flash_lite"),
        ("gemini_2_0_flash", "2026-11-22", "gemini_3_1_flash_lite"),
        ("gemini_1_5_flash_002", "2026-11-22", "gemini_3_1_flash_lite"),
        ("gemini_3_1_flash_lite", "2027-05-07", "gemini_3_5_flash_lite"),
    ],
)
def test_a_retired_model_is_refused_with_its_successor(
    lab: Path, monkeypatch: pytest.MonkeyPatch, option: str, day: str, successor: str
) -> None:
    monkeypatch.setenv("SFT_TODAY", day)
    (message,) = refused(lab, f"model={option}").values()
    assert "retired on" in message
    assert f"use model={successor}" in message
    assert "model.force_retired=true" in message
    assert composed(lab, f"model={option}", "model.force_retired=true")


@pytest.mark.parametrize(
    ("option", "day"),
    [
        ("gemini_2_5_flash", "2026-10-15"),
        ("gemini_3_1_flash_lite", "2027-05-06"),
        ("gemini_3_5_flash_lite", "2099-01-01"),
    ],
)
def test_a_model_is_taken_until_its_last_day(
    lab: Path, monkeypatch: pytest.MonkeyPatch, option: str, day: str
) -> None:
    monkeypatch.setenv("SFT_TODAY", day)
    assert composed(lab, f"model={option}")


def test_a_bad_date_is_named(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFT_TODAY", "soon")
    assert "SFT_TODAY=soon is no date" in " ".join(refused(lab, "model=gemini_3_5_flash").values())


def test_every_misfit_is_named_at_once(lab: Path) -> None:
    found = refused(
        lab,
        "model=gemini_3_1_flash_lite",
        "tuning.adapter_size=32",
        "tuning.method=preference",
        "backend.location=us-west1",
        "backend.kms_key=projects/p/locations/l/keyRings/r/cryptoKeys/k",
        "backend.auto_evaluation=true",
    )
    assert set(found) == {
        *("tuning.adapter_size", "tuning.method"),
        *("backend.location", "backend.kms_key", "backend.auto_evaluation"),
    }
    assert "1, 2, 4, 8 or 16" in found["tuning.adapter_size"]
    assert "us-central1 or europe-west4" in found["backend.location"]


def test_where_the_service_evaluates(lab: Path) -> None:
    old = ["model=gemini_2_5_flash", "model.force_retired=true", "backend.auto_evaluation=true"]
    assert composed(lab, *old)
    found = refused(lab, *old, "backend.location=europe-west4")
    assert "us-central1 only" in found["backend.auto_evaluation"]


def test_a_problem_names_the_place_it_came_from(lab: Path) -> None:
    (problem,) = problems_of(lab, TEXT, "model=gemini_3_5_flash", "tuning.adapter_size=32")
    assert "tuning.adapter_size=32" in problem.where


@pytest.mark.parametrize(
    ("argv", "key"),
    [
        (["model=gemini_3_5_flash", "backend=local"], "model.kind"),
        (["model=tiny_random"], "model.kind"),
        (["model=tiny_random", "backend=local", "tuning.epochs=null"], "tuning.epochs"),
        (["model=tiny_random", "backend=local", "tuning.method=preference"], "tuning.method"),
    ],
)
def test_backends_and_models_that_do_not_go_together(lab: Path, argv: list[str], key: str) -> None:
    assert set(refused(lab, *argv)) == {key}


def test_a_user_adds_a_model_by_adding_a_file(lab: Path) -> None:
    mine = """\
kind: gemini
name: gemini-next
id: gemini-9-flash
adapter_sizes: [2, 4]
tuning_locations: [mars-north1]
serving_locations: [job]
prices: {train: 1, input: 0.1, output: 0.2}
evidence:
  - {fact: all of it, source: a press release, read: 2026-11-01}
"""
    write(lab, {"lab/conf/model/gemini_9_flash.yaml": mine})
    found = refused(lab, "model=gemini_9_flash")
    assert set(found) == {"tuning.adapter_size", "backend.location"}
    right = ["tuning.adapter_size=4", "backend.location=mars-north1"]
    model = composed(lab, "model=gemini_9_flash", *right).model
    assert (model.name, model.context_tokens) == ("gemini-next", 131_072)


@pytest.mark.parametrize(
    ("train", "most"),
    [(0, 1000), (3000, 1000), (3334, 1000), (4000, 1200), (20_000, 5000), (10**7, 5000)],
)
def test_how_many_validation_rows_go_with_the_training_rows(train: int, most: int) -> None:
    limits = RowLimits()
    assert limits.most_validation(train) == most
    fits = [n for n in range(6001) if n <= 5000 and (n <= 1000 or n <= 0.3 * train)]
    assert fits[-1] == most


def test_a_fixed_cap_of_validation_rows() -> None:
    assert RowLimits(validation_rows=256, validation_share=None).most_validation(10**6) == 256
