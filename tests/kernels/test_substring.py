"""ExactSubstr, held against comparing every window with every other."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.base.errors import MissingExtraError
from runner.kernels.substring import (
    CountedTokens,
    counted,
    cut,
    repeated_spans,
    repeats,
    suffix_array,
    tokens,
)
from runner.kernels.substring import kernels as compiled_kernels
from runner.kernels.substring.alphabet import TOKEN
from runner.kernels.texts import gather
from runner.prepare.kernel_settings import kernel_errors
from tests.kernels import numpy_substring as plain_kernels

WORDS = [
    "a",
    "b",
    "ab",
    "été",
    "日本",
    "。",
    "no-op",
    "“x”",
    "\u3000",
    "ไทย",
    "🙂",
    "\u00a0",
    "x_1",
    "\n",
    "ª",
]
texts_of_words = st.lists(
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join), min_size=1, max_size=6
)
ALL = [compiled_kernels, plain_kernels]


@pytest.fixture(params=ALL, ids=["numba", "numpy"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Both sets of kernels behind the same doors."""
    use(request.param, monkeypatch)
    kernel: ModuleType = request.param
    return kernel


def use(kernel: ModuleType, patch: pytest.MonkeyPatch) -> None:
    from runner.kernels import substring

    def chosen() -> ModuleType:
        return kernel

    for module in (tokens, repeats, substring):
        patch.setattr(module, "text_kernels", chosen)


def brute(texts: Sequence[str], size: int, keep_first: bool) -> list[list[bool]]:
    """Per text and token, whether a window over it is repeated; every pair of windows compared."""
    streams = [TOKEN.findall(text) for text in texts]
    windows = [
        (row, at, tuple(stream[at : at + size]))
        for row, stream in enumerate(streams)
        for at in range(len(stream) - size + 1)
    ]
    covered = [[False] * len(stream) for stream in streams]
    for number, (row, at, window) in enumerate(windows):
        others = [n for n, (_, _, other) in enumerate(windows) if other == window and n != number]
        if keep_first:
            first = min([*others, number])
            there, place, _ = windows[first]
            hit = first < number and (there != row or at - place >= size)
        else:
            hit = bool(others)
        if hit:
            covered[row][at : at + size] = [True] * size
    return covered


def cover(texts: Sequence[str], size: int, **options: Any) -> list[list[bool]]:
    """The same from the spans found; also holds every span's characters to its tokens."""
    covered = [[False] * len(TOKEN.findall(text)) for text in texts]
    for span in repeated_spans(texts, size, **options):
        inside = TOKEN.findall(texts[span.text][span.start : span.end])
        assert inside == TOKEN.findall(texts[span.text])[span.first : span.first + span.tokens]
        window = inside[:size]
        other = TOKEN.findall(texts[span.matched])
        places = [n for n in range(len(other)) if other[n : n + len(window)] == window]
        assert len(places) > (span.matched == span.text)
        covered[span.text][span.first : span.first + span.tokens] = [True] * span.tokens
    return covered


@settings(max_examples=150)
@given(st.lists(st.text(max_size=30), max_size=5), st.sampled_from(ALL))
def test_tokens_are_those_of_the_regular_expression(texts: list[str], kernel: ModuleType) -> None:
    with pytest.MonkeyPatch.context() as patch:
        use(kernel, patch)
        first = counted(gather(texts)).first
        assert [int(b - a) for a, b in pairwise(first)] == [
            len(TOKEN.findall(text)) for text in texts
        ]


LETTERS = "aB9 .,\t\n'-_\x1f\x7f\u00e9\u00a0\u3042"
WORDS = st.one_of(
    st.text(st.sampled_from(LETTERS[:12]), max_size=80),
    st.text(st.sampled_from(LETTERS), max_size=20),
    st.integers(1, 200).map("w".__mul__),
)


@settings(max_examples=300)
@given(st.lists(st.lists(WORDS, max_size=6).map(" ".join), max_size=4), st.integers(1, 3))
def test_windows_are_equal_where_views_of_64_bytes_meet(texts: list[str], size: int) -> None:
    """Behind the texts lie enough others for all of them to be read 64 bytes at a time."""
    held = gather([*texts, "." * 64, "x" * 64])
    found = []
    for kernel in ALL:
        counts, out = np.zeros(len(held), np.int64), np.zeros(len(held.data) + 1, np.uint64)
        made = kernel.count_and_windows(held.data, held.start, size, counts, out)
        found.append((counts.tolist(), out[:made].tolist()))
    assert found[0] == found[1]
    assert found[0][0][:-2] == [len(TOKEN.findall(text)) for text in texts]


def test_every_character_is_of_the_same_kind_everywhere() -> None:
    every = [*range(0x3100), *range(0x3100, 0x110000, 61)]
    text = "".join(f"a{chr(code)}b\n" for code in every)
    expected = len(TOKEN.findall(text))
    packed = gather([text])
    for kernel in ALL:
        found = np.zeros(1, np.int64)
        kernel.count_tokens(packed.data, packed.start, found)
        assert found[0] == expected


@settings(max_examples=150)
@given(
    texts=texts_of_words,
    size=st.integers(5, 7),
    keep_first=st.booleans(),
    kernel=st.sampled_from(ALL),
    backend=st.sampled_from(["window_hash", "suffix_array"]),
)
def test_covers_token_for_token_what_comparing_everything_covers(
    texts: list[str], size: int, keep_first: bool, kernel: ModuleType, backend: str
) -> None:
    texts = [*texts, " ".join(texts), texts[0]]
    with pytest.MonkeyPatch.context() as patch:
        use(kernel, patch)
        found = cover(texts, size, keep_first=keep_first, backend=backend)
        assert found == brute(texts, size, keep_first)


@pytest.mark.parametrize("keep_first", [True, False])
def test_parts_and_backends_agree(kernels: ModuleType, keep_first: bool) -> None:
    held = counted(gather(corpus(5)))
    whole = repeats.repeated(held, 20, keep_first)
    assert whole.any()
    for parts in (2, 5):
        assert (repeats.repeated(held, 20, keep_first, parts) == whole).all()
    assert (suffix_array.repeated(held, 20, keep_first) == whole).all()


@pytest.mark.parametrize("seed", range(3))
def test_spans_are_equal_when_their_first_windows_are_known(
    kernels: ModuleType, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, size = corpus(seed), 8
    spans = repeated_spans(texts, size)
    assert len(spans) > 20
    monkeypatch.setattr(repeats, "PART", 100)  # more windows than fit: counted, in parts
    assert repeats.repeated_with_heads(gather(texts), 8) is None
    assert repeated_spans(texts, size) == spans


def test_dense_tokens_are_counted_first(kernels: ModuleType) -> None:
    texts = ["!" * 60] * 3  # a token a byte, more than the one pass makes room for
    assert repeats.repeated_with_heads(gather(texts), 5) is None
    assert [span.tokens for span in repeated_spans(texts, 5)] == [55, 60, 60]


def corpus(seed: int, rows: int = 200) -> list[str]:
    """Texts with passages of earlier ones, some of a text repeated within itself."""
    draw = random.Random(seed)
    words = [f"w{n}" for n in range(40)]
    texts: list[str] = []
    for _ in range(rows):
        own = draw.choices(words, k=draw.randint(5, 120))
        if texts and draw.random() < 0.4:
            own[draw.randrange(len(own)) : 0] = draw.choice(texts).split()[: draw.randint(10, 60)]
        if draw.random() < 0.1:
            own += own
        texts.append(" ".join(own))
    return texts


def test_a_run_of_one_word_keeps_its_first_window() -> None:
    assert repeated_spans(["a " * 19], 10) == []
    (span,) = repeated_spans(["a " * 45], 10)
    assert (span.first, span.tokens, span.matched) == (10, 35, 0)


def test_nothing_and_short_texts_hold_no_span(kernels: ModuleType) -> None:
    for texts in ([], [""], ["a b", "a b"]):
        assert repeated_spans(texts, 5) == []


@pytest.mark.parametrize(
    ("spans", "left"),
    [([], "one two three"), ([(0, 13)], ""), ([(4, 7)], "one three"), ([(0, 3), (8, 13)], "two")],
)
def test_cut(spans: list[tuple[int, int]], left: str) -> None:
    assert cut("one two three", spans) == left


def test_counts_are_of_all_windows() -> None:
    held: CountedTokens = counted(gather(["a b c d", "", "a b"]))
    assert held.windows(2).tolist() == [0, 3, 3, 4]


def test_without_the_package_of_the_suffix_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydivsufsort", None)
    with (
        pytest.raises(MissingExtraError, match=r"(?s)backend=suffix_array.*sft-runner\[data\]"),
        kernel_errors(),
    ):
        repeated_spans(["a b", "a b"], 5, backend="suffix_array")
