"""Texts as vectors of length one, so that their product is their cosine similarity."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from runner.base.errors import ConfigError, DataError, Problem
from runner.config.select import Encoder, GeminiEncoder, LexicalEncoder, SentenceEncoder
from runner.records import Progress, quiet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

Encode = Callable[[Sequence[str], Encoder, str], "Vectors"]
"""`encode`, or what takes its place where an encoder has to be asked for and paid."""
Sentences = Callable[[Sequence[str], SentenceEncoder, Progress], Any]
"""Runs a sentence model: one vector a text."""
ENTRY_POINTS = "runner.encoders"
BUCKETS = 2**20
"""Hashed terms before they are folded; collisions among a million rows stay rare."""
WORD = re.compile(r"\w+")
# Scripts written without blanks: a run of letters is no word, so pairs of characters stand in.
UNSPACED = re.compile(r"[぀-ヿ㐀-鿿฀-໿ក-៿က-႟]")


def encode(
    texts: Sequence[str],
    encoder: Encoder,
    key: str = "prepare.select.diverse.encoder",
    progress: Progress = quiet,
    sentences: Sentences | None = None,
) -> Vectors:
    """Vectors of shape (texts, dimensions), float32, each of length one or all zeros. `key` is
    where the configuration has the encoder, `sentences` runs a sentence model.

    Raises ConfigError for an unknown plug-in, for ``sentence`` without `sentences`, and for
    ``gemini``, which nobody answers here;
    DataError when a plug-in answers in another shape; BackendError when a sentence model cannot
    be had.
    """
    if isinstance(encoder, LexicalEncoder):
        return lexical(texts, encoder.dimensions)
    if isinstance(encoder, SentenceEncoder):
        if sentences is None:
            message = "is sentence, which needs a backend that runs models on this machine"
            raise ConfigError([Problem(f"{key}.kind", message)])
        return unit(_checked(sentences(texts, encoder, progress), len(texts), encoder.model))
    if isinstance(encoder, GeminiEncoder):
        message = "is gemini, which needs a backend that can be asked for vectors (backend=vertex)"
        raise ConfigError([Problem(f"{key}.kind", message)])
    known = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if encoder.name not in known:
        listed = ", ".join(sorted(known)) or "none is installed"
        message = f"no plug-in {encoder.name!r} under {ENTRY_POINTS}; installed: {listed}"
        raise ConfigError([Problem(f"{key}.name", message)])
    return unit(_checked(known[encoder.name].load()(list(texts)), len(texts), encoder.name))


def lexical(texts: Sequence[str], dimensions: int) -> Vectors:
    """Count-sketch (Charikar, Chen, Farach-Colton 2002) of TF-IDF weighted words and word pairs:
    every term adds its weight, with a sign of its own, to one of the dimensions. Products of
    sketches are unbiased estimates of products of the full vectors."""
    import numpy as np
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    if not texts:
        return np.zeros((0, dimensions), np.float32)
    hashing = HashingVectorizer(
        n_features=BUCKETS, alternate_sign=False, norm=None, analyzer=lambda t: list(terms(t))
    )
    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(hashing.transform(texts))
    rng = np.random.default_rng(0)
    bucket = rng.integers(dimensions, size=BUCKETS)
    sign = rng.choice(np.array([-1, 1], np.float32), BUCKETS)
    fold = csr_matrix((sign, (np.arange(BUCKETS), bucket)), shape=(BUCKETS, dimensions))
    return unit(np.asarray((weighted @ fold).todense(), np.float32))


def terms(text: str) -> Iterator[str]:
    """Words and pairs of neighbouring words; pairs of characters in scripts without blanks."""
    before = ""
    for word in WORD.findall(text.lower()):
        if UNSPACED.search(word):
            yield from (word[at : at + 2] for at in range(max(1, len(word) - 1)))
            before = ""
            continue
        yield word
        if before:
            yield f"{before} {word}"
        before = word


def _checked(answer: Any, texts: int, name: str) -> Vectors:
    import numpy as np

    found = np.asarray(answer, np.float32)
    if found.ndim != 2 or len(found) != texts or not np.isfinite(found).all():
        raise DataError(
            f"the encoder {name!r} gave an array of shape {found.shape} for {texts:,} texts; "
            "expected is one row of finite numbers a text"
        )
    return found


def unit(vectors: Vectors) -> Vectors:
    """Each row at length one; rows of zeros stay."""
    import numpy as np

    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
    return scaled
