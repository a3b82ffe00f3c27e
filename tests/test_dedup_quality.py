"""The benchmark on published sets reads them in their published formats and scores them right."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "dedup_quality.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = spec_from_file_location("dedup_quality", SCRIPT)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def documents(copies: int = 6) -> list[tuple[int, str]]:
    """Forty documents with their cluster; the first `copies` have one near copy each."""
    rng = random.Random(1)
    words = [f"word{at}" for at in range(3000)]
    made = [(at, " ".join(rng.sample(words, 80))) for at in range(40)]
    return [*made, *((at, text + " and more") for at, text in made[:copies])]


def told(kind: str, file: Path) -> str:
    command = [sys.executable, str(SCRIPT), kind, str(file)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_core_2020(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = documents()
    rows: list[dict[str, Any]] = [
        {
            "core_id": str(at),
            "processed_title": text[:30],
            "processed_abstract": text[30:],
            "cat": "near_exact",
            "labelled_duplicates": [
                str(other)
                for other, (same, _) in enumerate(found)
                if same == cluster and other != at
            ],
        }
        for at, (cluster, text) in enumerate(found)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "core.parquet")
    said = told("core", tmp_path / "core.parquet")
    assert "46 documents, threshold 0.5, word 2-grams" in said
    assert "engine: macro-F1 1.000, " in said
    assert "text-dedup: macro-F1 0.952, 11.1 s" in said


def test_news_copy(tmp_path: Path) -> None:
    lines = [json.dumps({"article": text, "cluster": cluster}) for cluster, text in documents()]
    (tmp_path / "news.jsonl").write_text("\n".join(lines), encoding="utf-8")
    said = told("news", tmp_path / "news.jsonl")
    assert "engine: ARI 1.000, " in said
    assert "text-dedup: ARI 0.729" in said


def test_the_figures_are_those_of_scikit_learn(benchmark: ModuleType) -> None:
    from sklearn.metrics import adjusted_rand_score, f1_score

    rng = random.Random(2)
    for _ in range(20):
        one, two = ([rng.randrange(6) for _ in range(50)] for _ in range(2))
        assert benchmark.adjusted_rand(one, two) == pytest.approx(adjusted_rand_score(one, two))
        said, true = ([value > 3 for value in side] for side in (one, two))
        expected = f1_score(true, said, average="macro")
        assert benchmark.macro_f1(said, true) == pytest.approx(expected)
