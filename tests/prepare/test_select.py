"""Which training rows are used: nested ladders, turns, caps, rules, hard rows, label noise."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import ConfigError, DataError
from runner.config import Select
from runner.encoders.lexical import lexical, terms, unit
from runner.prepare.row_table import row_line
from runner.prepare.select import choose, taking_turns
from runner.prepare.select.diverse import spherical_kmeans, spread_first, vendi
from runner.prepare.select.quality import nearest
from runner.records import Origin, Row

TOPICS = {
    "card": "my new bank card has not arrived by post please send the plastic card again",
    "cash": "the cash machine kept my money and gave no notes at the corner branch",
    "rate": "which exchange rate do you use when currency is converted abroad on holiday",
}


def rows(count: int, seed: int = 1) -> list[Row]:
    """Short texts on three topics, most of them on the first."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        topic = rng.choices(list(TOPICS), weights=[8, 2, 1])[0]
        words = TOPICS[topic].split()
        start = rng.randrange(3)
        text = " ".join(words[start : start + 9]) + f" {number}"
        made.append(Row(f"r{number}", {"text": text}, topic, Origin("a.csv", number + 1)))
    return made


def written(folder: Path, made: list[Row]) -> Path:
    path = folder / "train.jsonl"
    path.write_bytes(b"".join(map(row_line, made)))
    return path


def chosen(folder: Path, made: list[Row], **config: object) -> list[Row]:
    choice = choose(written(folder, made), Select.model_validate(config), 17)
    assert choice is not None
    return [row for row, taken in zip(made, choice.chosen, strict=True) if taken]


@pytest.mark.parametrize(
    "config", [{}, {"balance": "target"}, {"diverse": {}}, {"balance": "target", "diverse": {}}]
)
def test_a_smaller_sample_is_part_of_a_larger_one(
    tmp_path: Path, config: dict[str, object]
) -> None:
    made = rows(120)
    ladder = [{row.id for row in chosen(tmp_path, made, size=n, **config)} for n in (9, 30, 80)]
    assert [len(step) for step in ladder] == [9, 30, 80]
    assert ladder[0] < ladder[1] < ladder[2]


def test_the_choice_does_not_depend_on_the_order_of_the_rows(tmp_path: Path) -> None:
    made = rows(60)
    turned = list(reversed(made))
    for config in ({"size": 20}, {"size": 20, "balance": "target"}):
        one = {row.id for row in chosen(tmp_path, made, **config)}
        assert one == {row.id for row in chosen(tmp_path, turned, **config)}


def test_labels_take_turns(tmp_path: Path) -> None:
    found = Counter(row.target for row in chosen(tmp_path, rows(200), size=24, balance="target"))
    assert found == {"card": 8, "cash": 8, "rate": 8}


def test_a_label_that_runs_out_leaves_its_turns_to_others(tmp_path: Path) -> None:
    made = rows(200)
    have = Counter(row.target for row in made)
    found = Counter(row.target for row in chosen(tmp_path, made, size=100, balance="target"))
    assert found["rate"] == have["rate"] < 33 < found["card"]


def test_balancing_by_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no column 'tone'; there are target, text"):
        chosen(tmp_path, rows(5), size=2, balance="tone")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_turns_keep_every_row_and_the_order_within_a_group(
    groups: list[int], rng: random.Random
) -> None:
    order = list(range(len(groups)))
    rng.shuffle(order)
    turned = taking_turns(np.array(order), np.array(groups)).tolist()
    assert sorted(turned) == list(range(len(groups)))
    for group in set(groups):
        assert [r for r in turned if groups[r] == group] == [r for r in order if groups[r] == group]
    first = turned[: len(set(groups))]
    assert len({groups[row] for row in first}) == len(set(groups))


def test_clusters_take_turns_and_are_capped(tmp_path: Path) -> None:
    made = rows(150)
    plain = Counter(row.target for row in chosen(tmp_path, made, size=30))
    spread = Counter(row.target for row in chosen(tmp_path, made, size=30, diverse={}))
    assert plain["card"] > spread["card"]
    assert plain["rate"] < spread["rate"]
    config = Select.model_validate({"diverse": {"clusters": 4, "max_per_cluster": 7}})
    choice = choose(written(tmp_path, made), config, 17)
    assert choice is not None
    assert choice.clusters is not None
    sizes = np.bincount(choice.clusters.of_row)
    kept = np.bincount(choice.clusters.of_row[choice.chosen])
    assert kept.tolist() == [min(7, size) for size in sizes]


def test_a_capped_row_names_the_row_that_stands_for_it(tmp_path: Path) -> None:
    made = rows(60)
    config = Select.model_validate({"diverse": {"clusters": 3, "max_per_cluster": 5}})
    choice = choose(written(tmp_path, made), config, 17)
    assert choice is not None
    assert choice.clusters is not None
    for at, reason in choice.reasons.items():
        assert reason.reason == "cluster_cap"
        assert choice.clusters.of_row[reason.matched] == choice.clusters.of_row[at]
        assert choice.chosen[reason.matched]
        assert choice.matched[reason.matched].id == made[reason.matched].id
        mine = choice.chosen & (choice.clusters.of_row == choice.clusters.of_row[at])
        alike = choice.clusters.vectors[mine] @ choice.clusters.vectors[at]
        assert reason.score == pytest.approx(alike.max(), abs=1e-3)
    everything = np.ones(len(made), np.bool_)
    assert choice.clusters.vendi(choice.chosen) != choice.clusters.vendi(everything)


def test_the_vendi_score_counts_what_has_nothing_in_common() -> None:
    assert vendi(np.eye(6, dtype=np.float32)) == pytest.approx(6)
    assert vendi(np.repeat(np.eye(6, dtype=np.float32), 5, axis=0)) == pytest.approx(6)
    assert vendi(np.repeat(np.eye(6, dtype=np.float32)[:1], 9, axis=0)) == pytest.approx(1)
    assert np.isnan(vendi(np.zeros((0, 4), np.float32)))


def test_kmeans_finds_planted_clusters() -> None:
    rng = np.random.default_rng(3)
    centre = np.eye(4, dtype=np.float32)[np.arange(80) % 4]
    points = centre + rng.normal(0, 0.1, centre.shape).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    _, found = spherical_kmeans(points, 4, 1)
    assert len({tuple(found[start::4]) for start in range(4)}) == 4
    assert all(len(set(found[start::4])) == 1 for start in range(4))


@settings(max_examples=20)
@given(st.integers(2, 60), st.integers(1, 8), st.integers(0, 9))
def test_neighbours_are_those_of_a_plain_search(count: int, wanted: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found, score = nearest(vectors, wanted)
    every = vectors @ vectors.T
    for row in range(count):
        others = [at for at in range(count) if at != row]
        best = sorted(others, key=lambda at, row=row: -every[row, at])[:wanted]
        assert found[row][: len(best)].tolist() == best
        assert (found[row][len(best) :] == -1).all()
        assert score[row][: len(best)] == pytest.approx(every[row][best], abs=1e-5)


def test_many_rows_are_searched_by_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    texts = [row.fields["text"] for row in rows(2000)]
    vectors = lexical(texts, 128)
    exact, _ = nearest(vectors, 5)
    monkeypatch.setattr("runner.prepare.select.quality.EXACT", 100)
    found, _ = nearest(vectors, 5)
    shared = [len(set(a) & set(b)) for a, b in zip(exact.tolist(), found.tolist(), strict=True)]
    assert np.mean(shared) > 4
    assert (found != np.arange(2000)[:, None]).all()


def test_sketches_estimate_the_cosine_of_the_full_vectors() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [row.fields["text"] for row in rows(60)]
    full = TfidfVectorizer(analyzer=lambda t: list(terms(t)), sublinear_tf=True)
    cosine = (lambda m: (m @ m.T).toarray())(full.fit_transform(texts))
    sketch = lexical(texts, 4096)
    off = ~np.eye(60, dtype=bool)
    assert np.abs((sketch @ sketch.T)[off] - cosine[off]).mean() < 0.02


def test_scripts_without_blanks_give_pairs_of_characters() -> None:
    assert list(terms("東京都 station")) == ["東京", "京都", "station"]
    assert list(terms("Two words")) == ["two", "words", "two words"]
    assert list(terms("!?")) == []


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 99))
def test_each_row_is_the_one_least_like_those_before_it(count: int, most: int, seed: int) -> None:
    vectors = unit(np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32))
    order = spread_first(vectors, most).tolist()
    assert order[0] == 0
    assert len(order) == len(set(order)) == min(most, count)
    similar = vectors @ vectors.T
    for at in range(1, len(order)):
        alike = similar[:, order[:at]].max(axis=1)
        left = [row for row in range(count) if row not in order[:at]]
        assert alike[order[at]] <= min(alike[left]) + 1e-6


@pytest.mark.parametrize("diverse", [{"max_per_cluster": 4}, {}])
def test_a_diverse_choice_is_more_diverse_than_chance(
    diverse: dict[str, Any], tmp_path: Path
) -> None:
    draw = random.Random(5)
    made = [
        Row(str(n), {"text": " ".join(draw.choices(TOPICS["card"].split(), k=5))}, "x", row.origin)
        for n, row in enumerate(rows(400))
    ]
    size = None if diverse else 60
    select = Select.model_validate({"diverse": {**diverse, "clusters": 15}, "size": size})
    choice = choose(written(tmp_path, made), select, 1)
    assert choice is not None
    assert int(choice.chosen.sum()) == 60
    vectors = lexical([row.fields["text"] for row in made], 512)
    chance = [vendi(vectors[draw.sample(range(400), 60)]) for _ in range(10)]
    assert vendi(vectors[choice.chosen]) > max(chance)


def test_labels_that_no_neighbour_shares(tmp_path: Path) -> None:
    made = rows(90)
    wrong = next(at for at, row in enumerate(made) if row.target == "card")
    made[wrong] = Row("wrong", made[wrong].fields, "rate", made[wrong].origin)
    config = {"quality": {"label_noise": {"neighbours": 5, "agreement": 0.2}}}
    choice = choose(written(tmp_path, made), Select.model_validate(config), 1)
    assert choice is not None
    assert choice.reasons[wrong].reason == "label_noise"
    assert made[choice.reasons[wrong].matched].target == "card"
    assert len(choice.reasons) <= 4


def test_answers_that_are_no_labels_are_not_held_against_neighbours(tmp_path: Path) -> None:
    made = [Row(r.id, r.fields, r.id, r.origin) for r in rows(30)]
    config = Select.model_validate({"quality": {"label_noise": {}}})
    choice = choose(written(tmp_path, made), config, 1)
    assert choice is not None
    assert choice.chosen.all()
    assert "answers are not labels here" in choice.notes[0]


def test_hard_rows_come_first(tmp_path: Path) -> None:
    made = rows(20)
    scores = tmp_path / "rows.jsonl"
    lines = [{"id": row.id, "scores": {"exact_match": at % 2}} for at, row in enumerate(made)]
    scores.write_text("\n".join(map(json.dumps, lines[:18])))
    hard = {"scores": str(scores)}
    found = {row.id for row in chosen(tmp_path, made, size=9, hard=hard)}
    assert found == {f"r{at}" for at in range(0, 18, 2)}
    capped = chosen(tmp_path, made, hard={**hard, "max_score": 0.5, "metric": "exact_match"})
    assert {row.id for row in capped} == found


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, ConfigError, "there is no file"),
        ('{"id": "other", "score": 1}', ConfigError, "scores none of 5 training rows"),
        ('{"id": "r1"}\n{"score": 1}\nnonsense', DataError, "rows.jsonl:3 bad_score"),
        ('{"id": "r1", "scores": {"a": 1, "b": 0}}', DataError, "name one of its metrics"),
    ],
)
def test_scores_that_do_not_fit(
    tmp_path: Path, text: str | None, error: type[Exception], message: str
) -> None:
    scores = tmp_path / "rows.jsonl"
    if text is not None:
        scores.write_text(text)
    with pytest.raises(error, match=message):
        chosen(tmp_path, rows(5), hard={"scores": str(scores)})


def test_an_encoder_that_is_not_installed(tmp_path: Path) -> None:
    diverse = {"encoder": {"kind": "plugin", "name": "minilm"}}
    with pytest.raises(ConfigError, match=r"no plug-in 'minilm' under runner\.encoders"):
        chosen(tmp_path, rows(9), diverse=diverse)
