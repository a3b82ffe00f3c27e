"""Shared n-grams, held against sets of tuples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.kernels import ngrams
from runner.kernels.ngrams import contained, index_ngrams
from runner.kernels.substring import counted, kernels, repeats, tokens
from runner.kernels.substring.alphabet import TOKEN
from runner.kernels.texts import gather
from tests.kernels import numpy_substring as oracle

rows = st.lists(
    st.lists(st.sampled_from("abcde"), max_size=25).map(" ".join), min_size=1, max_size=8
)


def grams(text: str, size: int) -> set[tuple[str, ...]]:
    stream = TOKEN.findall(text)
    return {tuple(stream[at : at + size]) for at in range(len(stream) - size + 1)}


def naive(
    texts: Sequence[str], corpus: Sequence[str], size: int, threshold: float, common: int
) -> tuple[list[tuple[int, float]], set[int]]:
    """Best row and score of every text, and the rows that are hit."""
    sets = [grams(row, size) for row in corpus]
    held = Counter(gram for row in sets for gram in row)
    template = {gram for gram, count in held.items() if count > common}
    sets = [row - template for row in sets]
    best, hit = [], set()
    for text in texts:
        own = grams(text, size) - template
        scores = [(len(own & row) / min(len(own), len(row)) if own & row else 0.0) for row in sets]
        hit |= {n for n, score in enumerate(scores) if score and score >= threshold}
        top = max(scores, default=0.0)
        best.append((scores.index(top), top) if top and top >= threshold else (-1, 0.0))
    return best, hit


@settings(max_examples=200)
@given(
    texts=rows,
    corpus=rows,
    size=st.integers(2, 5),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    common=st.sampled_from([2, 100]),
    kernel=st.sampled_from([kernels, oracle]),
)
def test_equals_sets_of_tuples(
    texts: list[str],
    corpus: list[str],
    size: int,
    threshold: float,
    common: int,
    kernel: ModuleType,
) -> None:
    texts = [*texts, corpus[0], corpus[-1] + " x y"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "COMMON", common)
        for module in (tokens, repeats, ngrams):
            patch.setattr(module, "text_kernels", lambda: kernel)
        index = index_ngrams(counted(gather(corpus)), size)
        found = contained(counted(gather(texts)), index, threshold)
    best, hit = naive(texts, corpus, size, threshold, common)
    pairs = list(zip(found.best.tolist(), found.score.tolist(), strict=True))
    assert pairs == best
    assert {n for n, one in enumerate(found.hit.tolist()) if one} == hit


def test_a_question_within_a_long_page_is_contained() -> None:
    question = "who wrote the first book on the art of the fugue"
    page = f"{'filler text of no import ' * 50}{question} {'and more of it ' * 50}"
    index = index_ngrams(counted(gather(["nothing of the kind stands here at all", question])), 8)
    found = contained(counted(gather([page, "unrelated"])), index, 0.5)
    assert found.best.tolist() == [1, -1]
    assert found.score.tolist() == [1.0, 0.0]
