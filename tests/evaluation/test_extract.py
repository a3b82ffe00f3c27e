"""Extraction of the judged part of an answer, as it shows in the rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.errors import ConfigError, DataError
from runner.evaluation import check_suite
from runner.records import Example, Origin, Prediction, Turn
from tests.evaluation.make import scored, suite


def extracted(text: str, rule: dict[str, object], **changes: object) -> str | None:
    target = "{}" if rule["kind"] == "json" else "x"
    _, rows = scored([(target, text)], suite("exact_match", extract=rule, **changes))
    found = rows[0].extracted
    assert found is None or isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"#### (\d+)", "so 4 #### 42 #### 7", "42"),
        (r"\d+", "so 4", "4"),
        (r"#### (\d+)", "no idea", None),
        (r"a(x)?b", "ab", None),
    ],
)
def test_regex_takes_group_one_of_the_first_match(
    pattern: str, text: str, found: str | None
) -> None:
    assert extracted(text, {"kind": "regex", "pattern": pattern}) == found


def test_a_regex_also_reads_the_target() -> None:
    rule = {"kind": "regex", "pattern": r"answer: (\w+)"}
    scores, rows = scored(
        [("because ... answer: yes", "answer: yes"), ("yes", "answer: yes"), ("yes", "yes")],
        suite("exact_match", extract=rule),
    )
    assert [row.scores["exact_match"] for row in rows] == [1, 1, 0]
    assert scores.unanswered == {"unparsable": 1}, "an answer without the pattern is wrong"


def test_a_regex_that_does_not_compile_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"suite.extract.pattern.*'\(a' is no regex"):
        check_suite(suite("exact_match", extract={"kind": "regex", "pattern": "(a"}))


def test_a_regex_that_never_ends_is_stopped() -> None:
    rule = {"kind": "regex", "pattern": r"(a|aa)+$"}
    with pytest.raises(ConfigError, match="backtracks"):
        extracted("a" * 80 + "b", rule)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is a refund, not a card.", "refund"),
        ("card lost", "card lost"),
        ("the CARD was Lost", None),
        ("cards", None),
        ("(card)", "card"),
        ("", None),
    ],
)
def test_choice_is_the_first_that_stands_as_a_word(text: str, found: str | None) -> None:
    rule = {"kind": "choice", "choices": ["card", "card lost", "refund"]}
    assert extracted(text, rule) == found


def test_choice_follows_the_suites_normalisation() -> None:
    rule = {"kind": "choice", "choices": ["Card Lost"]}
    assert extracted("the card  LOST?", rule, normalize=["case", "whitespace"]) == "Card Lost"


@given(st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, unique=True), st.data())
def test_a_choice_is_found_wherever_it_stands(choices: list[str], data: st.DataObject) -> None:
    wanted = data.draw(st.sampled_from(choices))
    noise = data.draw(st.text("0123456789.,;!? \n"))
    rule = {"kind": "choice", "choices": choices}
    spaced = f"{noise.rstrip('0123456789')} {wanted}. {noise}"
    assert extracted(spaced, rule) == wanted


@pytest.mark.parametrize(
    ("choices", "message"),
    [([], "empty"), (["a", " a "], "same after"), (["a", "  "], "empty after")],
)
def test_choices_that_cannot_work_are_config_errors(choices: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_suite(suite("exact_match", extract={"kind": "choice", "choices": choices}))


def test_json_is_rewritten_canonically() -> None:
    rule = {"kind": "json"}
    assert extracted('Here: {"b": 1, "a": [1.0, "x"]}', rule) == '{"a":[1,"x"],"b":1}'
    assert extracted("Here: {", rule) is None


def test_targets_without_json_are_data_errors_all_at_once() -> None:
    rows = [
        Example(f"r{line}", (Turn("user", "q"),), target, Origin("f.jsonl", line))
        for line, target in enumerate(["{}", "refund", "broken {"], start=1)
    ]
    answers = [Prediction(row.id, "{}") for row in rows]
    from runner.evaluation import check_targets, score

    chosen = suite("exact_match", extract={"kind": "json"})
    with pytest.raises(DataError, match=r"f.jsonl:2(.|\n)*f.jsonl:3"):
        score(rows, answers, chosen, "test", 0)
    check_targets(rows[:1], chosen)


@pytest.mark.parametrize(
    ("how", "text", "found"),
    [
        ("keep", "<think>1</think>2", "1"),
        ("strip", "<think>1</think>2", "2"),
        ("strip", "1</think>2", "2"),
        ("strip", "2", "2"),
        ("strip", "<think>1", None),
        ("after", "<think>1</think>2", "2"),
        ("after", "2", None),
    ],
)
def test_thinking_is_no_answer_where_the_suite_says_so(
    how: str, text: str, found: str | None
) -> None:
    assert extracted(text, {"kind": "regex", "pattern": r"\d"}, thinking=how) == found


def test_patterns_are_tried_in_their_order() -> None:
    rule = {"kind": "regex", "pattern": r"#### (\d+)", "otherwise": [r"is (\d+)", r"\d+"]}
    assert extracted("5 is 6 #### 7", rule) == "7"
    assert extracted("5 is 6", rule) == "6"
    assert extracted("5", rule) == "5"


def test_the_last_match_counts_where_the_suite_says_so() -> None:
    assert extracted("1 2 3", {"kind": "regex", "pattern": r"\d", "which": "last"}) == "3"
    rule = {"kind": "choice", "choices": ["yes", "no"], "which": "last"}
    assert extracted("yes or no", rule) == "no"


def test_a_broken_further_pattern_is_named() -> None:
    rule = {"kind": "regex", "pattern": "a", "otherwise": ["(a"]}
    with pytest.raises(ConfigError, match=r"suite.extract.otherwise\[0\].*'\(a' is no regex"):
        check_suite(suite("exact_match", extract=rule))
