"""Scores as a whole: errors, slices, intervals, nothing to score, plug-ins, suites."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config import Suite
from runner.errors import ConfigError
from runner.evaluation import check_suite, known_scores, score
from runner.records import Prediction, read_jsonl, write_jsonl
from runner.results import Score, Scores
from tests.evaluation.make import example, scored, suite, values

SUITES = sorted((Path(__file__).resolve().parents[2] / "conf" / "suite").glob("*.yaml"))
EVERYTHING = (
    "exact_match",
    "classification",
    "token_f1",
    {"kind": "sacrebleu", "scores": ["bleu", "chrf", "chrf++", "ter"]},
    {"kind": "rouge", "types": ["rouge1", "rouge2", "rougeL"]},
    "json_fields",
)


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_shipped_suites_work(path: Path) -> None:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert raw["name"] == path.stem
    chosen = Suite.model_validate(raw)
    check_suite(chosen)
    target = '{"a":"b"}'
    scores, _ = scored([(target, target), (target, "{}")], chosen)
    assert list(scores.overall) == known_scores(chosen, ["a"])
    assert not math.isnan(scores.overall[chosen.primary].value)


def test_a_row_without_an_answer_is_an_outcome_of_its_own() -> None:
    rows = [example("a", f"r{index}", slices={"kind": "x"}) for index in range(3)]
    rows.append(example("a", "r3", slices={"kind": "lost"}))
    answers = [
        Prediction("r0", "a"),
        Prediction("r1", "b"),
        Prediction("r2", "", "timeout", "error"),
        Prediction("r3", "", "timeout", "error"),
    ]
    scores, kept = score(rows, answers, suite("exact_match"), "test", 0)
    found = scores.overall["exact_match"]
    assert (scores.rows, scores.errors, found.n, found.value) == (4, 2, 2, 0.5)
    assert kept[2]["error"] == "timeout"
    assert kept[2]["scores"] == {}
    assert kept[2]["extracted"] is None
    assert scores.slices["kind=x"]["exact_match"].n == 2
    lost = scores.slices["kind=lost"]["exact_match"]
    assert lost.n == 0
    assert math.isnan(lost.value)


@pytest.mark.parametrize("answers", [[], [Prediction("r0", "", "no", "error")]])
def test_scores_of_nothing_are_nan(answers: list[Prediction]) -> None:
    rows = [example("{}", item.id) for item in answers]
    scores, _ = score(rows, answers, suite(*EVERYTHING), "test", 0)
    assert set(scores.overall) >= {"exact_match", "macro_f1", "bleu", "ter", "rougeL"}
    for found in scores.overall.values():
        assert found.n == 0
        assert math.isnan(found.value)
        assert math.isnan(found.low)
    assert Scores.model_validate_json(scores.model_dump_json()).rows == len(rows)


def test_slices_below_the_minimum_have_no_interval() -> None:
    rows = [example("a", f"r{n}", slices={"k": "big" if n else "small"}) for n in range(7)]
    answers = [Prediction(row.id, "a" if row.id != "r1" else "b") for row in rows]
    scores, _ = score(rows, answers, suite("exact_match", "token_f1"), "test", 0)
    for name in ("exact_match", "token_f1"):
        small, big = scores.slices["k=small"][name], scores.slices["k=big"][name]
        assert (small.value, small.n) == (1, 1)
        assert math.isnan(small.low)
        assert math.isnan(small.high)
        assert 0 <= big.low <= big.value == 5 / 6 <= big.high <= 1


words = st.lists(st.sampled_from(["a", "b", "cat", "dog", "1", "."]), max_size=6).map(" ".join)
pairs_of_words = st.lists(st.tuples(words, words), min_size=1, max_size=12)


@settings(deadline=None, max_examples=50)
@given(pairs_of_words, st.integers(0, 3), st.randoms(use_true_random=False))
def test_intervals_hold_the_value_and_row_order_does_not_matter(
    pairs: list[tuple[str, str]], seed: int, rng: Any
) -> None:
    chosen = suite(*EVERYTHING[:-1], bootstrap={"samples": 100})
    rows = [example(target, f"r{index}") for index, (target, _) in enumerate(pairs)]
    answers = [Prediction(f"r{index}", answer) for index, (_, answer) in enumerate(pairs)]
    scores, _ = score(rows, answers, chosen, "test", seed)
    for name, found in scores.overall.items():
        if len(pairs) > 1 or name in ("exact_match", "accuracy"):
            assert found.low <= found.value <= found.high, name
    rng.shuffle(rows)
    rng.shuffle(answers)
    again, kept = score(rows, answers, chosen, "test", seed)
    assert again.model_dump_json() == scores.model_dump_json()
    assert [row["id"] for row in kept] == [row.id for row in rows]


def test_a_shares_interval_is_wilsons() -> None:
    scores, _ = scored([("a", "a")] * 8 + [("a", "b")] * 2, suite("exact_match"))
    found = scores.overall["exact_match"]
    # Wilson's interval of 8 of 10, as published tables have it.
    assert (found.low, found.high) == (
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )
    perfect, _ = scored([("a", "a")] * 10, suite("exact_match"))
    assert perfect.overall["exact_match"].high == 1
    assert perfect.overall["exact_match"].low == pytest.approx(0.7225, abs=1e-4)


def test_the_bootstrap_covers_the_true_mean() -> None:
    """Of 95 % intervals of a mean over 60 rows, about 95 % hold the true one."""
    import random

    rng = random.Random(5)
    chosen = suite("token_f1", bootstrap={"samples": 300})
    pool = {"a b": 2 / 3, "a": 1.0, "b": 0.0, "a c d": 0.5}
    truth = sum(pool.values()) / len(pool)
    held = 0
    for _ in range(200):
        drawn = [("a", rng.choice(list(pool))) for _ in range(60)]
        found = scored(drawn, chosen, seed=rng.randrange(2**31))[0].overall["token_f1"]
        held += found.low <= truth <= found.high
    assert 176 <= held <= 200


def test_rows_are_ready_for_jsonl(tmp_path: Path) -> None:
    chosen = suite("json_fields", "exact_match", extract={"kind": "json"})
    pairs = [('{"a":"\\ud800"}', '{"a":"\\ud800"}'), ('{"a":1}', "none"), ('{"b":1}', "{}")]
    _, rows = scored(pairs, chosen)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert list(read_jsonl(tmp_path / "rows.jsonl")) == rows
    json.dumps(rows, allow_nan=False)
    assert set(rows[0]) == {
        "id",
        "prompt",
        "target",
        "references",
        "text",
        "extracted",
        "error",
        "finish",
        "slices",
        "scores",
    }


def test_answers_that_belong_elsewhere_are_refused() -> None:
    with pytest.raises(ValueError, match="one to one"):
        score([example("a", "r0")], [Prediction("r1", "a")], suite("exact_match"), "test", 0)


@pytest.mark.parametrize(
    ("chosen", "fields", "message"),
    [
        (suite("classification", primary="macrof1"), (), "did you mean macro_f1"),
        (suite("json_fields", primary="json_field/intnet"), ["intent"], "json_field/intent"),
        (suite("exact_match", primary="json_field/a"), (), "it gives exact_match"),
        (suite("rouge", "rouge"), (), "rouge1 is given by 2 metrics"),
    ],
)
def test_suites_that_cannot_work(chosen: Suite, fields: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_suite(chosen, fields)


def test_a_field_score_is_believed_until_the_fields_are_known() -> None:
    check_suite(suite("json_fields", primary="json_field/intent"))
    with pytest.raises(ConfigError, match="json_field/a"):
        scored([('{"a":1}', "{}")], suite("json_fields", primary="json_field/intent"))


PLUGIN = """
from runner.evaluation.measure import Measured, mean_of

def names(metric, fields):
    return ["length"]

def measure(rows, metric, suite):
    unit = metric.options["unit"]
    return Measured([mean_of("length", [len(row.text) / unit for row in rows])])
"""


def test_an_installed_package_adds_a_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "length_metric.py").write_text(PLUGIN, encoding="utf-8")
    info = tmp_path / "length_metric-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: length-metric\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[runner.metrics]\nlength = length_metric\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    chosen = suite({"kind": "plugin", "name": "length", "options": {"unit": 2}}, primary="length")
    scores, _ = scored([("a", "abcd"), ("a", "ab")], chosen)
    assert values(scores) == {"length": 1.5}
    assert scores.overall["length"].low <= 1.5 <= scores.overall["length"].high
    unknown = suite({"kind": "plugin", "name": "lenght"}, primary="length")
    with pytest.raises(ConfigError, match="no metric plug-in 'lenght'; installed: length"):
        known_scores(unknown)


def test_score_records_survive_json() -> None:
    scores, _ = scored([("a", "a")], suite("exact_match"))
    assert isinstance(
        Scores.model_validate_json(scores.model_dump_json()).overall["exact_match"], Score
    )
