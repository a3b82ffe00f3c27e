"""Worked examples in tuning prompts are found; ordinary prompts are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.gemini_format.few_shot import labelled_examples
from tests.prepare.making import Rendered, prepared, rendered, rows_of

CASES = [
    ("Input: a\nOutput: b\nInput: c\nOutput:", True),
    ("Q: what\nA: that\n\nQ: and now\nA:", True),
    ("Q: what? A: that. Q: and now? A:", True),
    ("question 1: a\nanswer 1: b\nquestion 2: c", True),
    ("Text:\nfirst\nLabel:\ngood\nText:\nsecond\nLabel:\n", True),
    ("- **Input**: a", False),
    ("Example 1\na -> b\nExample 2\nc -> d\nNow e", True),
    ("Input: a\nOutput:", False),
    ("Question: a?\nText: b\nAnswer:", False),
    ("Summarise.\n\nText: a\nMore: b\nText: c", False),
    ("For example, dogs. Another example: cats.", False),
    ("Order: 7\nMessage: where is it?\n", False),
    ("", False),
]


@pytest.mark.parametrize(("prompt", "found"), CASES)
def test_labels(prompt: str, found: bool) -> None:
    assert bool(labelled_examples(prompt)) is found


TEXTS = [f"how do I reset my password number {n}" for n in range(12)]


def lint(tmp_path: Path, extra: dict[int, str], **template: str) -> Rendered:
    """Render rows of which some carry extra text, in a prompt with one label."""
    rows = rows_of([(text + extra.get(n, ""), f"answer {n}") for n, text in enumerate(TEXTS)])
    config = {"split": {"validation": 0, "test": 0}, "clean": {"whitespace": "keep"}}
    data = prepared(tmp_path / "prepared", {"train": rows}, config)
    return rendered(tmp_path / "out", data, **template)


def test_another_rows_question_and_answer_inside_a_prompt(tmp_path: Path) -> None:
    shot = f"\nEarlier ticket: {TEXTS[2]}\nanswer 2"
    done = lint(tmp_path, {5: shot, 7: f"\n{TEXTS[3]}\nno answer given"})
    (finding,) = done.summary["lint"]
    assert finding["rule"] == "few_shot/other_row"
    assert finding["rows"] == 1
    (example,) = finding["examples"]
    assert (example["id"], example["note"]) == ("train-7", "holds row train-4 with its answer")
    assert done.summary["rows"]["train"] == 12


def test_examples_in_the_template_are_in_every_prompt(tmp_path: Path) -> None:
    prompt = "Input: hello there\nOutput: hi\nInput: {{ text }}\nOutput:"
    done = lint(tmp_path, {}, prompt=prompt)
    (finding,) = done.summary["lint"]
    assert finding["rows"] == 12
    assert "they stand in the template itself" in finding["message"]


def test_a_train_row_pasted_into_the_template(tmp_path: Path) -> None:
    prompt = f"Like this one.\n{TEXTS[0]}\nanswer 0\nNow:\n{{{{ text }}}}"
    (finding,) = lint(tmp_path, {}, prompt=prompt).summary["lint"]
    assert finding["rows"] == 11  # the row itself is no other row


def test_drop_and_off(tmp_path: Path) -> None:
    extra = {4: "\nQ: a\nA: b\nQ: c"}
    done = lint(tmp_path / "drop", extra, few_shot_lint="drop", prompt="Mail: {{ text }}")
    assert [(row["id"], row["reason"]) for row in done.dropped] == [("train-6", "few_shot")]
    done = lint(tmp_path / "off", extra, few_shot_lint="off")
    assert done.summary["lint"] == []
    assert done.summary["rows"]["train"] == 12


def test_ordinary_prompts_have_no_findings(tmp_path: Path) -> None:
    done = lint(tmp_path, {}, prompt="Answer the mail.\n\nMail:\n{{ text }}\n\nAnswer:")
    assert done.summary["lint"] == []
