"""Artifacts appear whole or not at all, and only once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.digests import digest_of
from runner.store.artifacts import ArtifactStore


def _write(out: Path) -> None:
    (out / "data.txt").write_text("whole")


def test_an_artifact_is_made_once(tmp_path: Path) -> None:
    store, made = ArtifactStore(tmp_path), []

    def build(out: Path) -> None:
        made.append(1)
        _write(out)

    first = store.make("stage", {"a": 1}, build)
    second = store.make("stage", {"a": 1}, build)
    assert (first.reused, second.reused, len(made)) == (False, True, 1)
    assert first.path == second.path
    assert store.make("stage", {"a": 2}, build).path != first.path


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)

    def build(out: Path) -> None:
        _write(out)
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        store.make("stage", {"a": 1}, build)
    assert not [path for path in (tmp_path / "stage").iterdir() if path.suffix != ".lock"]
    assert store.make("stage", {"a": 1}, _write).reused is False


def _slow(root: Path) -> None:
    def build(out: Path) -> None:
        (out / "half.txt").write_text("half")
        time.sleep(60)

    ArtifactStore(root).make("stage", {"a": 1}, build)


def test_a_killed_build_is_swept_away(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_slow, args=(tmp_path,))
    process.start()
    while not list(tmp_path.glob("stage/.*.partial/half.txt")):
        time.sleep(0.01)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    made = ArtifactStore(tmp_path).make("stage", {"a": 1}, _write)
    assert sorted(path.name for path in made.path.iterdir()) == ["artifact.json", "data.txt"]


def _count(root: Path, counter: Path) -> None:
    def build(out: Path) -> None:
        time.sleep(0.2)
        with counter.open("a") as file:
            file.write("x")
        _write(out)

    ArtifactStore(root).make("stage", {"a": 1}, build)


def test_two_processes_make_it_once(tmp_path: Path) -> None:
    context, counter = multiprocessing.get_context("spawn"), tmp_path / "counter"
    both = [context.Process(target=_count, args=(tmp_path, counter)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert counter.read_text() == "x"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES))
def test_a_digest_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    assert digest_of(value) == digest_of(dict(reversed(list(value.items()))))


@given(VALUES, VALUES)
def test_different_values_have_different_digests(a: object, b: object) -> None:
    # bool is an int to Python's ==, but not to JSON.
    if repr(a) != repr(b) and a != b:
        assert digest_of(a) != digest_of(b)
