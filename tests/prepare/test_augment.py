"""New training rows: by rules, by swapped entities, by a model's wordings; never a leak."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.errors import ConfigError
from runner.config import Augment, Prepare, Select, Template
from runner.prepare import Augmentation, render, reword_prompts
from runner.prepare.augment.rules import INFORMAL, apply
from runner.prepare.row_table import row_line
from runner.records import Origin, Row, Turn
from tests.prepare.making import prepared, read_lines

RULES = ["case", "typos", "whitespace", "punctuation", "informal"]


def row(number: int, text: str, target: str = "yes") -> Row:
    return Row(f"r{number}", {"text": text}, target, Origin("a.csv", number + 1))


def folder(path: Path, train: list[Row], test: list[Row] | None = None) -> Path:
    path.mkdir()
    (path / "train.jsonl").write_bytes(b"".join(map(row_line, train)))
    (path / "validation.jsonl").write_bytes(b"")
    (path / "test.jsonl").write_bytes(b"".join(map(row_line, test or [])))
    rows = {"train": len(train), "validation": 0, "test": len(test or [])}
    (path / "summary.json").write_text(json.dumps({"rows": rows, "columns": ["text"]}))
    return path


def rendered(
    tmp_path: Path, train: list[Row], test: list[Row] | None = None, **config: object
) -> tuple[list[dict[str, object]], list[dict[str, object]], list[dict[str, object]]]:
    """Examples of train, what was made, and what was dropped."""
    out, answers = tmp_path / "out", config.pop("answers", None)
    out.mkdir()
    source = folder(tmp_path / "prepared", train, test)
    prepare = Prepare.model_validate({"augment": config})
    augmentation = Augmentation(prepare, answers if isinstance(answers, Path) else None)
    render(
        source,
        Template(name="plain"),
        Select(),
        2048,
        17,
        out,
        lambda examples: None,
        augmentation=augmentation,
    )
    read = [
        [json.loads(line) for line in (out / name).read_text().splitlines()]
        for name in ("train.jsonl", "augmented.jsonl", "dropped.jsonl")
        if (out / name).exists()
    ]
    return read[0], read[1], read[2]


def test_new_rows_stand_behind_the_old_ones_with_their_provenance(tmp_path: Path) -> None:
    train = [row(at, f"Please send order number {at}, I am waiting.") for at in range(40)]
    examples, made, dropped = rendered(tmp_path, train, rules=RULES, share=0.5)
    assert [example["id"] for example in examples[:40]] == [r.id for r in train]
    assert len(made) + len(dropped) == 20
    assert [example["id"] for example in examples[40:]] == [new["id"] for new in made]
    for new, example in zip(made, examples[40:], strict=True):
        assert new["rule"] in RULES
        assert new["id"] == f"{new['of']}+{new['rule']}1"
        assert new["after"] != new["before"]
        assert example["target"] == "yes"
    tally = json.loads((tmp_path / "out" / "tally.json").read_text())
    step = next(step for step in tally if step["step"] == "augment")
    assert step["in"] == 60
    assert step["kept"] == 40 + len(made)
    assert sum(step["changed"].values()) == len(made)


def test_the_same_rows_and_seed_give_the_same_new_rows(tmp_path: Path) -> None:
    train = [row(at, f"Please send order number {at}, I am waiting.") for at in range(20)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = rendered(tmp_path / "a", train, rules=RULES, share=0.5)
    assert one == rendered(tmp_path / "b", list(train), rules=RULES, share=0.5)


def test_a_new_row_that_a_test_row_says_already_is_a_leak(tmp_path: Path) -> None:
    train = [row(at, "The card is lost", "a") for at in range(1)]
    test = [Row("t", {"text": "the account is LOST"}, "b", Origin("t.csv", 9))]
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": "r0", "text": "The account is lost."}\n')
    paraphrase = {"share": 1.0, "length": 3.0}
    examples, made, dropped = rendered(
        tmp_path, train, test, paraphrase=paraphrase, answers=answers
    )
    assert len(examples) == 1
    assert made == []
    assert dropped[0]["reason"] == "leak_test"
    assert dropped[0]["matched"] == "t"


def story(seed: int, product: str) -> str:
    """Fifty words, every fifth the product, so that a swap leaves no run of five as it was."""
    drawn = iter(random.Random(seed).choices([f"w{n}" for n in range(500)], k=40))
    return " ".join(word for _ in range(10) for word in (product, *islice(drawn, 4)))


@pytest.mark.parametrize(
    ("leakage", "methods"),
    [
        ({}, ["normalised"]),
        ({"fuzzy": {"threshold": 0.8, "ngram": 2}}, ["normalised", "minhash"]),
        ({"ngrams": {"sizes": [8]}}, ["normalised", "8-gram", "8-gram"]),
        ({"substring": 20}, ["normalised", "substring", "substring"]),
    ],
)
@pytest.mark.parametrize("split", ["validation", "test", "suites"])
def test_new_rows_are_held_against_evaluation_as_others_are(
    tmp_path: Path, split: str, leakage: dict[str, object], methods: list[str]
) -> None:
    """What the swap makes of the first three rows stands in `split`: in capitals, with a word
    behind it, within a longer text. All but one of these are beyond the cap."""
    train = [
        row(at, story(at, name), json.dumps({"product": name}))
        for at, name in enumerate(["lamp", "radio"] * 4)
    ]
    held = [story(0, "radio").upper(), f"{story(1, 'lamp')} please"]
    held.append(f"{story(91, 'a')} {story(2, 'radio')} {story(92, 'b')}")
    rows = [
        Row(f"t{at}", {"text": text}, "{}", Origin("t.csv", at), group="mine")
        for at, text in enumerate(held)
    ]
    config = {
        "split": {"validation": 0, "test": 0, "max_validation": 1, "max_test": 1},
        "leakage": {**leakage, "suites": {"mine": "t.csv"}, "max_share": 1},
        "augment": {"rules": ["entity_swap"], "entity": "product", "share": 1.0},
    }
    done = prepared(tmp_path / "prepared", {"train": train, split: rows}, config)
    assert done.splits["train"] == train
    out = tmp_path / "out"
    out.mkdir()
    augmentation = Augmentation(Prepare.model_validate(config))
    plain = Template(name="plain")
    render(done.path, plain, Select(), 2048, 17, out, lambda _: None, augmentation=augmentation)
    found = {line["of"] for line in read_lines(out / "augmented.jsonl")}
    assert found == {f"r{at}" for at in range(len(methods), 8)}
    dropped = [line for line in read_lines(out / "dropped.jsonl") if line["step"] == "augment"]
    assert {(line["id"], line["matched"], line["method"]) for line in dropped} == {
        (f"r{at}+entity_swap1", f"t{at}", method) for at, method in enumerate(methods)
    }
    reason = f"leak_{split.removesuffix('s')}"
    assert all(line["reason"] == reason and line["matched_origin"] for line in dropped)
    assert not list(out.glob(".*"))


def test_wordings_of_a_model(tmp_path: Path) -> None:
    train = [row(0, "Where is my card?"), row(1, "Where is my money?"), row(2, "And my pin?")]
    answers = tmp_path / "answers.jsonl"
    lines = [
        {"id": "r0", "text": " My card, where is it? "},
        {"id": "r1", "text": "Where is my money?"},
        {"id": "r2", "text": "word " * 40},
        {"id": "gone", "text": "hello"},
    ]
    answers.write_text("\n".join(map(json.dumps, lines)))
    examples, made, _ = rendered(tmp_path, train, paraphrase={"share": 1}, answers=answers)
    assert [new["id"] for new in made] == ["r0+paraphrase"]
    assert examples[3]["contents"] == [{"role": "user", "text": "My card, where is it?"}]


def test_entities_are_swapped_in_input_and_answer(tmp_path: Path) -> None:
    train = [
        row(
            at,
            f"My {name} is broken since {at + 1} days.",
            json.dumps({"product": name, "urgent": True}),
        )
        for at, name in enumerate(["Lamp", "Kettle", "Radio"])
    ]
    config = {"rules": ["entity_swap"], "entity": "product", "share": 1.0}
    examples, made, _ = rendered(tmp_path, train, **config)
    assert made
    for example in examples[3:]:
        target = json.loads(str(example["target"]))
        assert target["urgent"] is True
        contents = example["contents"]
        assert isinstance(contents, list)
        assert contents[0]["text"].startswith(f"My {target['product']} is broken since ")
    assert {new["of"] for new in made} <= {"r0", "r1", "r2"}


SWAP = {"rules": ["entity_swap"], "entity": "product", "share": 1.0}


def swapped(tmp_path: Path, first: Row) -> dict[str, object] | None:
    """What the swap of lamp for radio makes of a row; None where it makes nothing."""
    other = row(9, "Nothing is named here", '{"product": "radio"}')
    examples, _, _ = rendered(tmp_path, [first, other], **SWAP)
    return next((example for example in examples if str(example["id"]).startswith("r0+")), None)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            '{"product":"lamp","summary":"the Lamp, no lampshade","all":[{"of":"a lamp"}]}',
            '{"product":"radio","summary":"the radio, no lampshade","all":[{"of":"a radio"}]}',
        ),
        (
            '{"label": "refund",\n  "lamp" : 1.50, "product": "lamp"}',
            '{"label": "refund",\n  "lamp" : 1.50, "product": "radio"}',
        ),
        (
            '{"product": "lamp", "note": "gr\\u00fcne \\"lamp\\"", "by": "J\\u00f6rg"}',
            '{"product": "radio", "note": "gr\\u00fcne \\"radio\\"", "by": "J\\u00f6rg"}',
        ),
    ],
    ids=["all its texts", "its blanks", "its escapes"],
)
def test_a_swap_leaves_no_old_entity_and_keeps_the_form_of_the_answer(
    tmp_path: Path, target: str, expected: str
) -> None:
    first = replace(row(0, "My lamp is broken", target), slices={"product": "lamp", "day": "2"})
    new = swapped(tmp_path, first)
    assert new
    assert new["target"] == expected
    assert new["slices"] == {"product": "radio", "day": "2"}


def test_a_swap_in_turns_reaches_all_of_them_and_the_worse_answer(tmp_path: Path) -> None:
    turns = (Turn("user", "A lamp"), Turn("model", "Your lamp?"), Turn("user", "My lamp, yes"))
    target, system = '{"product": "lamp"}', "Products: lamp, radio"
    first = Row("r0", {}, target, Origin("c", 1), history=turns, rejected=target, system=system)
    new = swapped(tmp_path, first)
    assert new
    contents = new["contents"]
    assert isinstance(contents, list)
    assert [turn["text"] for turn in contents] == ["A radio", "Your radio?", "My radio, yes"]
    assert new["rejected"] == '{"product": "radio"}'
    assert new["system"] == system


@pytest.mark.parametrize(
    "more",
    [
        {"system": "You answer for the lamp only"},
        {"target_parts": ({"functionCall": {"name": "repair", "args": {"of": "lamp"}}},)},
        {"history": (Turn("user", "{}", ({"fileData": {"fileUri": "gs://b/lamp.png"}},)),)},
    ],
)
def test_no_swap_where_the_old_entity_would_stay(tmp_path: Path, more: dict[str, object]) -> None:
    first: dict[str, object] = {"history": (Turn("user", "My lamp is broken"),), **more}
    assert not swapped(tmp_path, replace(row(0, "", '{"product": "lamp"}'), **first))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("subject", "column", "made"),
    [("Broken", "text", 1), ("My lamp", "text", 0), ("My lamp", "subject", 0)],
)
def test_a_swap_changes_the_named_columns_or_nothing(
    tmp_path: Path, subject: str, column: str, made: int
) -> None:
    fields = {"subject": subject, "text": "My lamp is broken"}
    train = [
        replace(row(0, "", '{"product": "lamp"}'), fields=fields),
        replace(row(1, "", '{"product": "radio"}'), fields={"subject": "", "text": "Hello"}),
    ]
    _, new, _ = rendered(tmp_path, train, **SWAP, columns=[column])
    assert [line["after"] for line in new] == ["Broken | My radio is broken"] * made


def test_rows_that_arrive_as_turns(tmp_path: Path) -> None:
    turn = Row("c", {}, "ok", Origin("c.jsonl", 1), history=(Turn("user", "Please help me now"),))
    examples, made, _ = rendered(tmp_path, [turn], rules=["case", "informal"], share=1.0)
    assert len(made) == 1
    contents = examples[1]["contents"]
    assert isinstance(contents, list)
    assert contents[0]["text"] != "Please help me now"


def test_the_name_of_a_file_is_no_text(tmp_path: Path) -> None:
    fields, media = {"text": "Please look", "picture": "gs://b/a.png"}, {"picture": "image/png"}
    shown = replace(row(0, ""), fields=fields, media=media)
    _, made, _ = rendered(tmp_path, [shown] * 9, rules=["case", "whitespace"], share=1.0)
    assert made
    assert all(str(line["after"]).endswith(" | gs://b/a.png") for line in made)


def test_nothing_is_asked_for(tmp_path: Path) -> None:
    source = folder(tmp_path / "p", [row(0, "Hello there")])
    out = tmp_path / "o"
    out.mkdir()
    render(source, Template(name="plain"), Select(), 2048, 17, out, lambda examples: None)
    assert not (out / "augmented.jsonl").exists()
    assert len((out / "train.jsonl").read_text().splitlines()) == 1


@given(st.sampled_from(RULES), st.text(max_size=80), st.integers(0, 99))
def test_rules_bear_any_text_and_are_repeatable(rule: str, text: str, seed: int) -> None:
    one = apply(rule, text, random.Random(seed))  # type: ignore[arg-type]
    assert one == apply(rule, text, random.Random(seed))  # type: ignore[arg-type]


@given(st.text(alphabet="abcdefgh ", min_size=20, max_size=200), st.integers(0, 99))
def test_typos_are_few_and_keep_first_letters(text: str, seed: int) -> None:
    words, typed = text.split(" "), apply("typos", text, random.Random(seed)).split(" ")
    assert len(words) == len(typed)
    changed = [(a, b) for a, b in zip(words, typed, strict=True) if a != b]
    assert len(changed) <= max(1, round(len(text.split()) / 10))
    assert all(a[0] == b[0] for a, b in changed)


def test_numbers_are_left_alone() -> None:
    for seed in range(30):
        for rule in RULES:
            made = apply(rule, "Pay 1,250.50 to DE4420 by 12:30", random.Random(seed))  # type: ignore[arg-type]
            assert "1,250.50" in made
            assert "12:30" in made
            assert "4420" in made


def test_informal_english_by_hand() -> None:
    said = apply("informal", "I am sorry, could you please answer? Thank you", random.Random(1))
    assert said == "im sorry, could u pls answer? thx"
    assert all(formal == formal.strip() for formal in INFORMAL)


def test_prompts_for_a_model(tmp_path: Path) -> None:
    source = folder(tmp_path / "p", [row(at, f"Text {at}") for at in range(10)])
    augment = Augment.model_validate({"paraphrase": {"share": 0.3, "prompt": "Say: {{ text }}"}})
    asked = reword_prompts(source, Select(), augment, 17)
    assert len(asked) == 3
    assert all(prompt == f"Say: Text {name[1:]}" for name, prompt in asked)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"rules": ["case"], "columns": ["texts"]}, ["no input column 'texts'", "mean text?"]),
        ({"rules": ["case"], "columns": ["body"]}, ["there is no input column 'body'", ": text"]),
        ({"rules": ["entity_swap"]}, ["which field of the answer", "entity: product"]),
        (SWAP | {"entity": "prodct"}, ["prepare.augment.entity: no answer has a field 'prodct'"]),
        (SWAP | {"entity": "prodct"}, ["there are: product, note", "did you mean product?"]),
        (SWAP | {"entity": "urgent"}, ["no answer has a field 'urgent' with a text"]),
        (SWAP | {"entity": "target"}, ["there are: product, note"]),
    ],
)
def test_rules_that_do_not_fit_the_rows(
    tmp_path: Path, config: dict[str, object], message: list[str]
) -> None:
    answer = '{"product": "lamp", "urgent": true, "note": "soon"}'
    with pytest.raises(ConfigError) as error:
        rendered(tmp_path, [row(0, "Hello", answer)], **config)
    assert all(part in str(error.value) for part in message), str(error.value)


def summary(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "out" / "summary.json").read_text())
    return found


def test_fewer_new_rows_than_asked_for_are_explained(tmp_path: Path) -> None:
    train = [row(at, f"{text}.", "spam") for at, text in enumerate(["1", "2", "Hi there", "3"])]
    test = [row(9, "HI THERE.")]
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"id": "r0", "text": ""}\n{"id": "r2", "text": "hello there."}')
    wording = {"paraphrase": {"share": 1.0}, "answers": answers}
    rendered(tmp_path, train, test, rules=["case"], share=1.0, **wording)
    assert summary(tmp_path)["notes"] == [
        "prepare.augment.share=1 asks for 4 new rows, and there are 0 "
        "(rows that the rules leave alone: 3; in train or in evaluation already: 1)",
        "prepare.augment.paraphrase.share=1 asks for 4 new rows, and there are 1 "
        "(empty, unchanged or 2 times longer or shorter: 3)",
    ]


def test_the_summary_shows_new_rows_of_every_rule(tmp_path: Path) -> None:
    filler = "word " * 200
    train = [row(at, f"{filler}My lamp is {at}", '{"product": "lamp"}') for at in range(9)]
    train.append(row(9, "My radio", '{"product": "radio"}'))
    rendered(tmp_path, train, **SWAP | {"rules": ["entity_swap", "case"]})
    told = summary(tmp_path)["augmented"]
    assert set(told["rows"]) == {"entity_swap", "case"}
    assert told["share"] == 0.5
    assert len(told["samples"]) == 5
    assert {sample["rule"] for sample in told["samples"]} == {"entity_swap", "case"}
    first = next(sample for sample in told["samples"] if sample["rule"] == "entity_swap")
    assert first["before"].startswith("…")
    assert "My lamp is" in first["before"]
    assert first["after"] == first["before"].replace("lamp", "radio")
    assert first["target_after"] == '{"product": "radio"}'
    assert summary(tmp_path)["notes"] == []


def test_the_summary_is_silent_where_nothing_was_asked_for(tmp_path: Path) -> None:
    done = prepared(tmp_path / "p", {"train": [row(at, f"Number {at}") for at in range(20)]})
    (tmp_path / "out").mkdir()
    plain = Template(name="plain")
    render(done.path, plain, Select(), 2048, 17, tmp_path / "out", lambda examples: None)
    assert summary(tmp_path)["augmented"] == {}


@pytest.mark.parametrize(
    ("paraphrase", "message"),
    [
        ({"prompt": "{{ text"}, "is no template"),
        ({"prompt": "{{ body }}"}, "'body' is undefined"),
        ({"prompt": "Reword it"}, "does not show the text"),
        ({"column": "body"}, "there is no column 'body'"),
    ],
)
def test_requests_that_cannot_be_made(
    tmp_path: Path, paraphrase: dict[str, object], message: str
) -> None:
    source = folder(tmp_path / "p", [row(0, "Hello")])
    augment = Augment.model_validate({"paraphrase": {"share": 1.0, **paraphrase}})
    with pytest.raises(ConfigError, match=message):
        reword_prompts(source, Select(), augment, 17)
