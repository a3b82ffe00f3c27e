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
from pydantic import ValidationError

from runner.config import Select, Template
from runner.config.select import Quality
from runner.errors import ConfigError, DataError
from runner.prepare import render
from runner.prepare.encode import row_line
from runner.prepare.select import choose, taking_turns
from runner.prepare.select.clusters import spherical_kmeans, vendi
from runner.prepare.select.encoders import lexical, terms
from runner.prepare.select.neighbours import nearest
from runner.prepare.select.quality import broken_rules, repetition, script_share
from runner.records import Origin, Row
from tests.prepare.making import prepared, rows_of

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
    monkeypatch.setattr("runner.prepare.select.neighbours.EXACT", 100)
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


def test_rows_that_break_a_rule_are_dropped_by_name(tmp_path: Path) -> None:
    made = [
        Row("ok", {"text": "where is my card please"}, "card", Origin("a", 1)),
        Row("short", {"text": "card"}, "card", Origin("a", 2)),
        Row("long", {"text": " ".join(map(str, range(60)))}, "card", Origin("a", 3)),
        Row("echo", {"text": "buy now today " * 5}, "card", Origin("a", 4)),
        Row("greek", {"text": "πού είναι η κάρτα μου"}, "card", Origin("a", 5)),
        Row("mute", {"text": "where is my other card"}, "a b c d", Origin("a", 6)),
    ]
    quality = {
        "min_words": 2,
        "max_words": 50,
        "max_repetition": 0.3,
        "scripts": ["Latin"],
        "max_target_words": 3,
    }
    choice = choose(written(tmp_path, made), Select.model_validate({"quality": quality}), 1)
    assert choice is not None
    found = {made[at].id: reason.reason for at, reason in choice.reasons.items()}
    assert found == {
        "short": "few_words",
        "long": "many_words",
        "echo": "repetition",
        "greek": "other_script",
        "mute": "many_target_words",
    }
    assert choice.chosen.tolist() == [True, *[False] * 5]


GERMAN = "Wo ist meine Karte und warum ist sie nicht da?"


def test_rows_in_another_language_are_dropped_and_doubtful_ones_stay(tmp_path: Path) -> None:
    said = {
        "english": "Where is my card and why is it not here?",
        "german": GERMAN,
        "french": "Où est ma carte et pourquoi est-ce que je ne la vois pas ?",
        "russian": "Где моя карта?",
        "chinese": "我的卡在哪里?",
        "short": "Status 4711?",
    }
    made = [
        Row(name, {"text": text}, "card", Origin("a", at))
        for at, (name, text) in enumerate(said.items())
    ]
    for languages, stay in (
        (["English"], {"english", "short"}),
        (["german", "Chinese"], {"german", "chinese", "short"}),
    ):
        select = Select.model_validate({"quality": {"languages": languages}})
        choice = choose(written(tmp_path, made), select, 1)
        assert choice is not None
        assert {row.id for row, kept in zip(made, choice.chosen, strict=True) if kept} == stay
        assert {reason.reason for reason in choice.reasons.values()} == {"other_language"}


def test_characters_are_words_where_a_script_has_no_blanks() -> None:
    quality = Quality(min_words=2, max_words=20, max_repetition=0.5)

    def broken(text: str) -> list[str]:
        row = Row("r", {"text": text}, "card", Origin("a", 1))
        return [name for name, _ in broken_rules(row, quality)]

    for text in ("我的卡还没有到,请帮我查一下", "カードはどこですか", "บัตรของฉันอยู่ที่ไหน"):
        assert broken(text) == []
    assert broken("卡") == ["few_words"]
    assert "many_words" in broken("我的卡还没有到请帮我查一下谢谢你们的帮助再见")
    assert "repetition" in broken("立即购买优惠立即购买优惠")


@pytest.mark.parametrize(
    ("quality", "message"),
    [
        ({"scripts": ["latn"]}, "no script 'latn'; did you mean latin?"),
        ({"scripts": ["qqq"]}, "no script 'qqq'; there are: adlam, "),
        ({"languages": ["Englsh"]}, "no language 'Englsh'; did you mean English?"),
        ({"languages": ["Klingon"]}, "no language 'Klingon'; there are: English, German"),
    ],
)
def test_misspelt_scripts_and_languages_are_refused(quality: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Quality.model_validate(quality)
    assert message in str(refused.value)


def test_when_no_row_is_left_the_reasons_are_counted(tmp_path: Path) -> None:
    source = prepared(
        tmp_path / "prepared",
        {"train": rows_of([("one", "a"), (GERMAN, "a"), ("three", "a")])},
        {"split": {"validation": 0, "test": 0}},
    )
    quality = Quality(min_words=2, languages=["English"])
    out = tmp_path / "rendered"
    out.mkdir()
    template = Template(name="t", prompt="{{ text }}")
    with pytest.raises(DataError) as refused:
        render(source.path, template, Select(quality=quality), 2048, 1, out, lambda _: None)
    assert str(refused.value).splitlines() == [
        "no training row is left:",
        "  select: 2 × few_words, 1 × other_language",
    ]


def test_repetition_by_hand() -> None:
    assert repetition("a b c a b c") == 1.0
    assert repetition("a b c d e f") == 0.0
    assert repetition("xx yy zz 1234 xx yy zz") == pytest.approx(12 / 16)
    assert repetition("") == 0.0


def test_scripts_by_hand() -> None:
    assert script_share("abc где", {"latin"}) == 0.5
    assert script_share("漢字", {"han"}) == 1.0
    assert script_share("12 !?", {"latin"}) == 1.0


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
        ('{"id": "other", "score": 1}', ConfigError, "scores none of the 5 training rows"),
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
