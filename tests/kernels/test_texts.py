"""Texts end to end: parts of them, copies of some, in memory and in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.kernels.texts import Texts, TextsWriter, gather

# Lone surrogates, which JSON can hold, are kept as they are.
SOME = st.lists(st.tuples(st.text(st.characters(codec=None), max_size=9), st.booleans()))


def plain(texts: Texts) -> list[str]:
    return [texts.text(row) for row in range(len(texts))]


@given(SOME, st.integers(1, 5), st.sampled_from([0, 1 << 20]))
def test_parts_and_copies_hold_what_they_should(
    some: list[tuple[str, bool]], rows: int, in_memory: int
) -> None:
    given_texts = [text for text, _ in some]
    with TextsWriter(None, in_memory or 1) as out:
        for text in given_texts:
            out.add(text)
        texts = out.done()
    assert plain(texts) == given_texts
    assert texts.size == sum(part.size for _, part in texts.batches(rows))
    pieces = [(low, plain(part)) for low, part in texts.batches(rows)]
    assert pieces == [
        (low, given_texts[low : low + rows]) for low in range(0, len(given_texts), rows)
    ]
    mask = np.array([kept for _, kept in some], np.bool_)
    kept = texts.where(mask)
    assert plain(kept) == [text for text, stays in some if stays]
    for low, part in texts.batches(rows):  # whose first text is not where the bytes begin
        chosen = some[low : low + rows]
        wanted = [text for text, stays in chosen if stays]
        assert plain(part.where(np.array([stays for _, stays in chosen], np.bool_))) == wanted


def test_all_of_them_are_no_copy(tmp_path: Path) -> None:
    texts = gather(["a", "b"])
    assert texts.where(np.array([True, True]), tmp_path) is texts


def test_a_copy_beyond_memory_lies_in_a_nameless_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.kernels.texts.IN_MEMORY", 3)
    copy = gather(["abc", "def", "ghi"]).where(np.array([True, False, True]), tmp_path)
    assert copy.pages
    assert list(tmp_path.iterdir()) == []
    with copy.scattered():
        assert plain(copy) == ["abc", "ghi"]
