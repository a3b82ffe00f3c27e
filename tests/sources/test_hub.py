"""A folder that `datasets` saved, read offline; the extra missing; splits that are not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.base.errors import ConfigError, DataError
from runner.sources import source_digest
from tests.sources.reading import read, source

datasets = pytest.importorskip("datasets")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    labels = datasets.ClassLabel(names=["no", "yes"])
    features = datasets.Features({"text": datasets.Value("string"), "label": labels})
    part = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    folder = tmp_path / "saved"
    datasets.DatasetDict({"train": part, "test": part.select([1])}).save_to_disk(folder)
    return folder


def test_saved_folder_is_read_with_label_names(saved: Path) -> None:
    config = source(kind="hub", dataset=str(saved), train="train", test="test", target="label")
    rows, faults = read(config)
    assert [(dict(row.fields), row.target) for row in rows] == [
        ({"text": "a"}, "yes"),
        ({"text": "b"}, "no"),
    ]
    assert rows[1].origin.file == f"{saved}:train"
    assert rows[1].origin.line == 2
    assert not faults.faulty
    assert [row.fields["text"] for row in read(config, "test")[0]] == ["b"]


def test_digest_follows_the_content(saved: Path, tmp_path: Path) -> None:
    config = source(kind="hub", dataset=str(saved), train="train", target="label")
    first = source_digest(config, tmp_path / "cache.json")
    assert source_digest(config, tmp_path / "other.json") == first
    changed = datasets.Dataset.from_dict({"text": ["z"], "label": ["no"]})
    datasets.DatasetDict({"train": changed}).save_to_disk(saved)
    assert source_digest(config, tmp_path / "cache.json") != first


def test_unknown_split_names_those_there_are(saved: Path) -> None:
    config = source(kind="hub", dataset=str(saved), train="trian", target="label")
    with pytest.raises(ConfigError, match="it has: train, test"):
        read(config)


def test_missing_column_names_those_there_are(saved: Path) -> None:
    with pytest.raises(DataError, match="columns there are: text, label"):
        read(source(kind="hub", dataset=str(saved), train="train", target="labels"))


def test_dataset_that_cannot_be_loaded_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be loaded"):
        read(source(kind="hub", dataset=str(tmp_path / "nothing"), train="train"))


def test_without_the_extra_the_error_names_it(saved: Path) -> None:
    code = (
        "import sys; sys.modules['datasets'] = None\n"
        "from tests.sources.reading import read, source\n"
        f"read(source(kind='hub', dataset={str(saved)!r}, train='train'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "pip install 'sft-runner[hub]'" in done.stderr
