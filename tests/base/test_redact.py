"""Passwords are used for connecting and kept nowhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.redact import masked
from runner.experiment.console import Console
from runner.experiment.run import assemble
from runner.store.artifacts import ArtifactStore
from runner.verbs.common import command_line
from tests.acceptance.tiny import YAML
from tests.compose.composing import compose_text

URI = "postgresql://me:Hunter2@db.example.org:5432/runs"


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        (URI, "postgresql://me:***@db.example.org:5432/runs"),
        ("https://:tok@x/", "https://:***@x/"),
        (
            "see mysql+pymysql://a:b@h/d and s3://c:d@e",
            "see mysql+pymysql://a:***@h/d and s3://c:***@e",
        ),
        ("postgresql://me:a@b@host/d", "postgresql://me:***@host/d"),
        ("postgresql://me:a/b@host/d", "postgresql://me:***@host/d"),
        (
            "postgresql://h/d?user=me&password=x&port=1",
            "postgresql://h/d?user=me&password=***&port=1",
        ),
        ("https://host:80/a/b?c=d#e", "https://host:80/a/b?c=d#e"),
        ("sqlite:////home/me/x.db", "sqlite:////home/me/x.db"),
        ("mail me@host: at 10:30", "mail me@host: at 10:30"),
        (
            {"api_key": "x", "db": [URI], "max_tokens": 4, "tokenizer": "t", "key": "id"},
            {
                "api_key": "***",
                "db": ["postgresql://me:***@db.example.org:5432/runs"],
                "max_tokens": 4,
                "tokenizer": "t",
                "key": "id",
            },
        ),
        (
            {"backend.options.password": "x", "password": None},
            {"backend.options.password": "***", "password": None},
        ),
    ],
)
def test_what_is_kept(given_: object, kept: object) -> None:
    assert masked(given_) == kept


@given(
    st.text(st.characters(blacklist_characters="@/?#", blacklist_categories=("Z", "C")), min_size=1)
)
def test_no_password_is_kept_and_nothing_else_is_lost(password: str) -> None:
    assert masked(f"mysql://u:{password}@h:1/d?a=b#c") == "mysql://u:***@h:1/d?a=b#c"


def test_the_recorded_command_has_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["sft", "run", "my exp.yaml", f"tracking.uri={URI}", "+backend.options.token=T0p"]
    monkeypatch.setattr(sys, "argv", words)
    shown = command_line()
    assert "Hunter2" not in shown
    assert "T0p" not in shown
    assert shown.startswith("sft run 'my exp.yaml' 'tracking.uri=postgresql://me:***@db")


def test_arms_connect_with_the_password_and_keep_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    text = YAML.format(tracking="mlflow", sizes=[8], shots="[1]")
    composition = compose_text(tmp_path, text, f"tracking.uri={URI}", file="tiny.yaml")
    (point,) = composition.points
    assert point.config["tracking"]["uri"] == URI
    sweep = assemble(composition.points, composition.file, "", Console(silent=True))
    assert {arm.experiment.tracking.uri for arm in sweep.arms} == {URI}
    assert "db.example.org" in sweep.result.model_dump_json()
    assert "Hunter2" not in sweep.result.model_dump_json()
    kept = [file.read_bytes() for file in (tmp_path / "runs").rglob("*") if file.is_file()]
    assert kept
    assert not any(b"Hunter2" in content for content in kept)


def test_the_store_keeps_no_password(tmp_path: Path) -> None:
    made = ArtifactStore(tmp_path).make(
        "tune", {"options": {"password": "Hunter2"}}, lambda out: None
    )
    kept = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    assert any("options" in text for text in kept)
    assert "Hunter2" not in "".join(kept)
    again = ArtifactStore(tmp_path).make(
        "tune", {"options": {"password": "other"}}, lambda out: None
    )
    assert again.digest != made.digest
