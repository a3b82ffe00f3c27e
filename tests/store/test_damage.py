"""A damaged artifact is never used: every file of it, lost, cut, emptied or changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.base.errors import SftError
from runner.inference.cache import PredictionCache
from runner.records import Prediction
from runner.sources.digest import load_known, save_known
from runner.store.artifacts import ArtifactStore, sound
from tests.store.damaging import WAYS, flip

FILES = {"rows.jsonl": '{"id": 1}\n{"id": 2}\n', "summary.json": '{"rows": 2}', "deep/a.bin": "ab"}


def build(out: Path) -> None:
    for name, text in FILES.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*FILES, "artifact.json"])
def test_a_damaged_file_is_set_aside_said_and_made_again(
    tmp_path: Path, name: str, way: str
) -> None:
    said: list[str] = []
    made = ArtifactStore(tmp_path).make("stage", {"a": 1}, build)
    WAYS[way](made.path / name)
    again = ArtifactStore(tmp_path, said.append).make("stage", {"a": 1}, build)
    assert not again.reused
    assert {name: (again.path / name).read_text() for name in FILES} == FILES
    (line,) = said
    assert str(made.path) in line
    assert name in line
    (kept,) = (tmp_path / "damaged").iterdir()
    assert str(kept) in line
    assert ArtifactStore(tmp_path).make("stage", {"a": 1}, build).reused


@pytest.mark.parametrize("way", ["deleted", "cut", "emptied"])
def test_what_is_not_whole_is_not_found(tmp_path: Path, way: str) -> None:
    made = ArtifactStore(tmp_path).make("stage", {"a": 1}, build)
    WAYS[way](made.path / "rows.jsonl")
    assert ArtifactStore(tmp_path).get("stage", made.digest) is None


def test_a_file_of_a_damaged_artifact_is_refused_in_a_sentence(tmp_path: Path) -> None:
    made = ArtifactStore(tmp_path).make("stage", {"a": 1}, build)
    file = made.path / "rows.jsonl"
    assert sound(file) == file
    flip(made.path / "summary.json")
    with pytest.raises(SftError, match=r"summary\.json is not what was written"):
        sound(file)


def without_manifest(path: Path) -> None:
    """What a version before manifests left."""
    (path / "artifact.json").write_text(
        f'{{"stage": "score", "digest": "{path.name}", "seconds": 1}}'
    )


def scores(out: Path) -> None:
    (out / "scores.json").write_text("{}")
    (out / "rows.jsonl").write_text("{}\n")


def test_an_older_artifact_opens_and_gets_no_manifest(tmp_path: Path) -> None:
    made = ArtifactStore(tmp_path).make("score", {"a": 1}, scores)
    without_manifest(made.path)
    before = (made.path / "artifact.json").read_text()
    assert ArtifactStore(tmp_path).make("score", {"a": 1}, scores).reused
    assert (made.path / "artifact.json").read_text() == before


@pytest.mark.parametrize("name", ["scores.json", "rows.jsonl"])
@pytest.mark.parametrize("way", ["deleted", "cut"])
def test_damage_that_can_be_seen_without_a_manifest(tmp_path: Path, name: str, way: str) -> None:
    made = ArtifactStore(tmp_path).make("score", {"a": 1}, scores)
    without_manifest(made.path)
    WAYS[way](made.path / name)
    assert not ArtifactStore(tmp_path).make("score", {"a": 1}, scores).reused


def test_a_damaged_artifact_is_recovered_when_it_can_be(tmp_path: Path) -> None:
    def recover(digest: str, out: Path) -> bool:
        build(out)
        return True

    def never(out: Path) -> None:
        raise AssertionError("made again, although it can be recovered")

    made = ArtifactStore(tmp_path).make("tune", {"a": 1}, build)
    (made.path / "summary.json").unlink()
    store = ArtifactStore(tmp_path, recover={"tune": recover})
    assert store.get("tune", made.digest)
    flip(made.path / "summary.json")
    assert store.make("tune", {"a": 1}, never).reused


def test_what_lies_elsewhere_counts_as_well(tmp_path: Path) -> None:
    made = ArtifactStore(tmp_path).make("tune", {"a": 1}, build)
    store = ArtifactStore(tmp_path, also={"tune": lambda _: "the checkpoint is missing"})
    assert not store.make("tune", {"a": 1}, build).reused
    assert made.digest in next((tmp_path / "damaged").iterdir()).name


def test_digests_of_sources_that_were_changed_are_not_believed(tmp_path: Path) -> None:
    cache = tmp_path / "source_digests.json"
    save_known(cache, {"/rows.csv": [10, 20, "abcdef"]})
    assert load_known(cache) == {"/rows.csv": [10, 20, "abcdef"]}
    cache.write_text(cache.read_text().replace("abcdef", "abcdee"))
    assert load_known(cache) == {}
    cache.write_text('{"/rows.csv": [10, 20, "abcdef"]}')
    assert load_known(cache), "one of the version before"


@pytest.mark.parametrize("answer", ["CAST(x'7b22ff' AS TEXT)", "replace(answer, 'yes', 'yep')"])
def test_an_answer_that_was_changed_is_no_answer(tmp_path: Path, answer: str) -> None:
    path = tmp_path / "predictions.db"
    with PredictionCache(path).writer() as store:
        for key in ("a", "b"):
            store.put(key, Prediction("", "yes", output_tokens=1), 5)
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(f"UPDATE predictions SET answer = {answer} WHERE key = 'a'")
    assert list(PredictionCache(path).get(["a", "b"])) == ["b"]


def test_answers_of_the_version_before_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "predictions.db"
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("CREATE TABLE predictions (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        base.execute("""INSERT INTO predictions VALUES ('a', '{"text": "yes"}')""")
    assert PredictionCache(path).get(["a"])["a"].text == "yes"
