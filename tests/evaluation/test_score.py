"""Scores as a whole: errors, slices, intervals, nothing to score, plug-ins, suites."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import ConfigError
from runner.config import Suite
from runner.evaluation import check_suite, known_scores, score, score_among
from runner.records import (
    EDITS,
    POINTS,
    SHARE,
    UNKNOWN,
    Example,
    Prediction,
    Scale,
    read_rows,
    write_jsonl,
    write_rows,
)
from runner.records.results import Score, Scores
from runner.statistics.intervals import intervals
from runner.statistics.measure import mean_of
from tests.evaluation.make import example, scored, suite, values

RULE = suite("exact_match").bootstrap
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
    target = '{"words":[1,9]}' if path.stem == "guard" else '{"a":"b 5"}'
    scores, _ = scored([(target, target), (target, "{}")], chosen)
    assert list(scores.overall) == known_scores(chosen, ["a"])
    assert not math.isnan(scores.overall[chosen.primary].value)


def missing(name: str) -> Prediction:
    return Prediction(name, "", "the answer was withheld: SAFETY", "error", cause="blocked")


def half_answered() -> tuple[list[Example], list[Prediction]]:
    rows = [example("a", f"r{index}", slices={"kind": "x"}) for index in range(3)]
    rows.append(example("a", "r3", slices={"kind": "lost"}))
    return rows, [Prediction("r0", "a"), Prediction("r1", "b"), missing("r2"), missing("r3")]


def test_a_row_without_an_answer_is_wrong() -> None:
    scores, kept = score(*half_answered(), suite("exact_match"), "test", 0)
    found = scores.overall["exact_match"]
    assert (scores.rows, scores.unanswered, found.n, found.value) == (4, {"blocked": 2}, 4, 0.25)
    assert kept[2].error == "the answer was withheld: SAFETY"
    assert (kept[2].unanswered, kept[2].scores) == ("blocked", {"exact_match": 0.0})
    assert kept[2].extracted is None
    lost = scores.slices["kind=lost"]["exact_match"]
    assert lost.n == 1
    assert scores.why_unanswered() == "50 % unanswered: blocked 50 %"


def test_common_leaves_it_out() -> None:
    chosen = suite("exact_match", unanswered="common")
    scores, kept = score(*half_answered(), chosen, "test", 0)
    found = scores.overall["exact_match"]
    assert (scores.rows, scores.unanswered, found.n, found.value) == (4, {"blocked": 2}, 2, 0.5)
    assert kept[2].scores == {}
    assert scores.slices["kind=x"]["exact_match"].n == 2
    lost = scores.slices["kind=lost"]["exact_match"]
    assert lost.n == 0
    assert math.isnan(lost.value)
    least = score_among(kept, {"r1"}, chosen, "test", 0)
    assert (least.rows, least.overall["exact_match"].n) == (4, 1)


def test_what_the_service_owes_is_nobodys_wrong_answer() -> None:
    lost = [Prediction("r0", "", "503", "error", cause=cause) for cause in ("service", "")]
    for answer in lost:  # a backend that gives no cause may mean the service
        with pytest.raises(ValueError, match="the service owes the answer to r0: 503"):
            score([example("a", "r0")], [answer], suite("exact_match"), "test", 0)


@pytest.mark.parametrize(
    ("text", "finish", "extract", "cause"),
    [
        ("the answer is", "length", {"kind": "none"}, "cut"),
        ("well: no no no no no no no no", "length", {"kind": "none"}, "looping"),
        ("0" * 30, "length", {"kind": "none"}, "looping"),
        ("one two three four", "length", {"kind": "none"}, "cut"),
        (" \n", "stop", {"kind": "none"}, "empty"),
        ("no no no no no no no no", "stop", {"kind": "none"}, ""),
        ("prose", "stop", {"kind": "json"}, "unparsable"),
        ('{"a": 1} and so on and', "length", {"kind": "json"}, ""),
        ('{"a": 1, "b', "length", {"kind": "json"}, "cut"),
        ("Answer: 7, and what a", "length", {"kind": "regex", "pattern": r"Answer: (\d)"}, ""),
        ("", "length", {"kind": "json"}, "cut"),
    ],
)
def test_why_there_is_no_usable_answer(
    text: str, finish: Any, extract: dict[str, Any], cause: str
) -> None:
    chosen = suite("exact_match", extract=extract)
    answers = [Prediction("r0", text, finish=finish)]
    scores, (row,) = score([example('{"a": 1}', "r0")], answers, chosen, "test", 0)
    assert row.unanswered == cause
    assert scores.unanswered == ({cause: 1} if cause else {})


def test_every_score_has_its_worst_for_a_row_without_an_answer() -> None:
    rows = [example('{"k":"a b c"}', f"r{index}") for index in range(4)]
    chosen = suite(*EVERYTHING)
    silent, _ = score(rows, [missing(row.id) for row in rows], chosen, "test", 0)
    for name, found in silent.overall.items():
        assert found.n == 4, name
        # Of TER, an empty hypothesis: every word of the reference is to be put in.
        assert found.value == (100.0 if name == "ter" else found.scale.worst), name


@pytest.mark.parametrize("answers", [[], [missing("r0")]])
def test_scores_of_nothing_are_nan(answers: list[Prediction]) -> None:
    rows = [example("{}", item.id) for item in answers]
    scores, _ = score(rows, answers, suite(*EVERYTHING, unanswered="common"), "test", 0)
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


@settings(max_examples=50)
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
    assert [row.id for row in kept] == [row.id for row in rows]


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


def test_graded_rows_near_the_bound_keep_their_interval_open() -> None:
    """40 of 40 right: the percentile bootstrap gave [1, 1] to token F1 and BLEU."""
    every = [(f"a b c d e{n}", f"a b c d e{n}") for n in range(40)]
    found = scored(every, suite("exact_match", "token_f1", {"kind": "sacrebleu"}))[0].overall
    assert found["exact_match"].low == pytest.approx(0.9124, abs=1e-4)
    assert found["token_f1"].low == pytest.approx(0.9073, abs=1e-4)
    assert found["bleu"].low == pytest.approx(90.73, abs=0.01)
    methods = [found[name].method for name in ("exact_match", "token_f1", "bleu")]
    assert methods == ["Wilson", "Wilson, effective rows", "Wilson, bootstrap variance"]


def test_a_mean_without_an_upper_bound_has_students_interval() -> None:
    stats = pytest.importorskip("scipy.stats")
    rows = [2.0, 5.0, 3.0, 8.0]
    measure = mean_of("length", rows, scale=Scale("characters", 0.0, None))
    everyone = np.ones(4, dtype=np.bool_)
    (found,) = intervals([measure], [4.5], everyone, RULE, 1, groups=np.arange(4))
    ends = stats.t.interval(0.95, 3, loc=4.5, scale=stats.sem(rows))
    assert (found.low, found.high) == pytest.approx(ends)
    assert found.method == "t"


def test_graded_rows_cover_the_true_mean_near_the_bound() -> None:
    """Of 95 % intervals of 40 rows with mean .975, about 95 % hold it; the percentile bootstrap,
    86 %."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        rows = np.where(rng.random(40) < 0.05, rng.random(40), 1.0)
        measure, everyone = mean_of("m", rows.tolist(), scale=SHARE), np.ones(40, dtype=np.bool_)
        (found,) = intervals(
            [measure], [float(rows.mean())], everyone, RULE, 1, groups=np.arange(40)
        )
        held += found.low <= 0.975 <= found.high
    assert 372 <= held <= 396  # 93 to 99 %


def test_intervals_go_by_group() -> None:
    """Two rows that always agree count as one: as wide as those of half the rows."""
    chosen = suite("exact_match", "token_f1", {"kind": "sacrebleu"}, "classification")
    pairs = [("a b c d e", "a b c d e" if n % 4 else "a b c x y") for n in range(12)]
    few, _ = scored(pairs, chosen)
    rows = [
        example(t, f"r{n:03}-{k}", group=f"g{n:02}") for n, (t, _) in enumerate(pairs) for k in "ab"
    ]
    answers = [Prediction(row.id, pairs[at // 2][1]) for at, row in enumerate(rows)]
    many, kept = score(rows, answers, chosen, "test", 1)
    assert kept[2].group == "g01"
    for name, found in many.overall.items():
        assert (found.n, found.groups) == (24, 12), name
        if few.overall[name].method != "Wilson":  # of 0/1 rows, exact without groups
            width = few.overall[name].high - few.overall[name].low
            assert found.high - found.low == pytest.approx(width), name
    alone, _ = score([replace(row, group="") for row in rows], answers, chosen, "test", 1)
    for name, found in alone.overall.items():
        grouped = many.overall[name]
        assert found.groups == 0
        assert found.value == grouped.value
        assert found.high - found.low < 0.9 * (grouped.high - grouped.low), name
    one_group = [replace(row, group="g") for row in rows]
    lost = score(one_group, answers, chosen, "test", 1)[0].overall
    assert all(math.isnan(found.low) for found in lost.values())


def test_rows_are_ready_for_jsonl(tmp_path: Path) -> None:
    chosen = suite("json_fields", "exact_match", extract={"kind": "json"})
    pairs = [('{"a":"\\ud800"}', '{"a":"\\ud800"}'), ('{"a":1}', "none"), ('{"b":1}', "{}")]
    _, rows = scored(pairs, chosen)
    write_rows(tmp_path / "rows.jsonl", rows)
    assert list(read_rows(tmp_path / "rows.jsonl")) == rows
    json.dumps([row.to_json() for row in rows], allow_nan=False)


def test_rows_and_scores_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    old = {"id": "r0", "prompt": "p", "target": "t", "references": [], "text": "", "scores": {}}
    said = {"error": "the prompt was blocked: SAFETY", "extracted": None, "finish": "error"}
    write_jsonl(tmp_path / "rows.jsonl", [{**old, **said, "slices": {"k": "v"}}])
    (row,) = read_rows(tmp_path / "rows.jsonl")
    assert (row.unanswered, row.error) == ("blocked", said["error"])
    score = {"value": 40.0, "low": 30.0, "high": 50.0, "n": 6, "signature": ""}
    of = {"ter": score, "bleu": score, "length": score}
    stored = {"split": "test", "rows": 9, "errors": 3, "overall": of, "slices": {"k=v": of}}
    found = Scores.model_validate_json(json.dumps(stored))
    assert found.why_unanswered() == "33 % unanswered: unknown 33 %"
    assert found.overall["bleu"].method == ""
    for scores in (found.overall, found.slices["k=v"]):
        assert [scores[name].scale for name in of] == [EDITS, POINTS, UNKNOWN]
    assert Scores.model_validate_json(found.model_dump_json()) == found


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
from runner.evaluation.measure import MetricResult
from runner.statistics.measure import mean_of
from runner.records import Scale

def names(metric, fields):
    return ["length"]

def measure(rows, metric, suite):
    unit = metric.options["unit"]
    scale = Scale("characters", 0.0, metric.options.get("most"), higher_is_better=False)
    values = [len(row.text) / unit for row in rows]
    return MetricResult([mean_of("length", values, scale=scale)])
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
    asked = {"kind": "plugin", "name": "length", "options": {"unit": 2, "most": 9.0}}
    chosen = suite(asked, primary="length")
    scores, _ = scored([("a", "abcd"), ("a", "ab")], chosen)
    assert values(scores) == {"length": 1.5}
    found = scores.overall["length"]
    assert found.low <= 1.5 <= found.high
    assert found.scale == Scale("characters", 0.0, 9.0, higher_is_better=False)
    # No answer is the shortest one there is, and counts as the worst.
    assert values(scored([("a", "abcd"), ("a", "")], chosen)[0]) == {"length": 5.5}
    endless = {**asked, "options": {"unit": 2}}
    with pytest.raises(ConfigError, match=r"(?s)length has no worst value.*as highest of"):
        check_suite(suite(endless, primary="length"))
    beside = suite("exact_match", endless)
    assert scored([("a", "abcd"), ("a", "")], beside)[0].overall["length"].n == 1
    check_suite(suite(endless, primary="length", unanswered="common"))
    unknown = suite({"kind": "plugin", "name": "lenght"}, primary="length")
    with pytest.raises(ConfigError, match="no metric plug-in 'lenght'; installed: length"):
        known_scores(unknown)


def test_score_records_survive_json() -> None:
    scores, _ = scored([("a", "a")], suite("exact_match"))
    assert isinstance(
        Scores.model_validate_json(scores.model_dump_json()).overall["exact_match"], Score
    )
