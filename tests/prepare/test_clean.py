"""Repairs of text, each counted; masks for what identifies people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config import Clean
from runner.prepare.clean import Cleaner, mask
from runner.records import Origin, Row, Turn
from tests.prepare.making import prepared, rows_of

ALL: dict[str, Any] = {
    "unicode": "NFKC",
    "control": "drop",
    "whitespace": "collapse",
    "markup": "strip",
    "pii": "mask",
}
KEEP = dict.fromkeys(ALL, "keep")


def cleaned(text: str, **config: Any) -> tuple[str, set[str]]:
    cleaner = Cleaner(Clean(**config))
    row = cleaner.row(Row("x", {"text": text}, "t", Origin("f", 1)))
    return row.fields["text"], set(cleaner.changed)


@pytest.mark.parametrize(
    ("config", "text", "wanted", "rules"),
    [
        ({}, "plain", "plain", set()),
        ({}, "e\u0301", "é", {"unicode"}),
        ({}, "ﬁ", "ﬁ", set()),
        ({"unicode": "NFKC"}, "ﬁ", "fi", {"unicode"}),
        ({}, "a\x00b\u200bc\u202e", "abc", {"control"}),
        ({}, "a\r\nb\rc\td", "a\nb\nc\td", {"control"}),
        ({}, "می‌خواهم 👨‍👩‍👧", "می‌خواهم 👨‍👩‍👧", set()),
        ({}, " a  b\n", "a  b", {"whitespace"}),
        ({"whitespace": "collapse"}, " a \t b\n\nc ", "a b\n\nc", {"whitespace"}),
        ({"whitespace": "keep"}, " a ", " a ", set()),
        ({"markup": "strip"}, "<p>a &amp; b<br/>c</p>", "a & b c", {"markup", "whitespace"}),
        ({"markup": "strip"}, "<script>x()</script>ok", "ok", {"markup", "whitespace"}),
        ({"markup": "strip"}, "if a < b and List<String> c > d", None, set()),
        ({"markup": "strip"}, "&lt;control&#0;", "<control\ufffd", {"markup"}),
        ({"pii": "mask"}, "write to a.b@c.example", "write to [EMAIL]", {"pii"}),
        (KEEP, " <b>\x00a@b.cd ", " <b>\x00a@b.cd ", set()),
    ],
)
def test_each_rule(config: dict[str, Any], text: str, wanted: str | None, rules: set[str]) -> None:
    assert cleaned(text, **config) == (text if wanted is None else wanted, rules)


@given(text=st.text())
def test_the_short_cut_changes_nothing(text: str) -> None:
    """Printable ASCII skips the rules: the same as going through them one by one."""
    for config in (Clean(), Clean(whitespace="collapse"), Clean(unicode="NFKC")):
        cleaner = Cleaner(config)
        slow = text
        for _, repair in cleaner.rules:
            slow = repair(slow)
        got = cleaner.row(Row("x", {"text": text}, "t", Origin("f", 1))).fields["text"]
        assert got == slow


def test_every_text_of_a_row_is_repaired() -> None:
    row = Row(
        "x",
        {"a": " a"},
        "t ",
        Origin("f", 1),
        references=("r ",),
        system=" s",
        history=(Turn("user", " u"),),
    )
    cleaner = Cleaner(Clean())
    got = cleaner.row(row)
    assert (got.fields, got.target, got.references, got.system) == ({"a": "a"}, "t", ("r",), "s")
    assert got.history == (Turn("user", "u"),)
    assert cleaner.changed == {"whitespace": 1}


def test_rows_left_empty_go_with_their_reason(tmp_path: Path) -> None:
    rows = rows_of([("\u200b", "a"), ("b", "\x00"), ("c", "a")])
    done = prepared(tmp_path / "out", {"train": rows}, {"split": {"validation": 0, "test": 0}})
    assert done.reasons() == {"train-2": "empty_input", "train-3": "empty_target"}
    (tally,) = [t for t in done.tallies if t.step == "clean"]
    assert (tally.rows_in, tally.kept, tally.changed) == (3, 1, {"control": 2})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mail jo.e+x@mail.example.org!", "mail [EMAIL]!"),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [IBAN] please"),
        ("IBAN GB82WEST12345698765432", "IBAN [IBAN]"),
        ("no IBAN DE00 3704 0044 0532 0130 00", None),
        ("card 4111 1111 1111 1111", "card [CARD]"),
        ("card 4111-1111-1111-1111.", "card [CARD]."),
        ("call +49 30 1234567", "call [PHONE]"),
        ("call (030) 123 4567 now", "call [PHONE] now"),
        ("call 555-123-4567", "call [PHONE]"),
        ("call +14155552671", "call [PHONE]"),
        ("on 2024-01-15 or 15.01.2024", None),
        ("order 12345, size 42", None),
        ("version 1.2.3 costs 12.50", None),
        ("a budget of 10.000.000", None),
    ],
)
def test_masks(text: str, wanted: str | None) -> None:
    assert mask(text) == (text if wanted is None else wanted)
