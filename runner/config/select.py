"""Which prepared training rows are used: the group `prepare.select`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator

from runner.base.language import LANGUAGES, script_names
from runner.config.base import Group, Share


class LabelNoise(Group):
    """Rows whose answer their neighbours do not share. For tasks whose answers are labels."""

    neighbours: int = Field(default=5, ge=2, le=50)
    """Most similar rows that are asked."""
    agreement: Share = 0.2
    """Drop a row when a smaller share of its neighbours has its answer."""


class Quality(Group):
    """Rules a training row has to pass; null switches a rule off."""

    min_words: int | None = Field(default=None, ge=1)
    """Of the input."""
    max_words: int | None = Field(default=None, ge=1)
    min_target_words: int | None = Field(default=None, ge=1)
    """Of the answer."""
    max_target_words: int | None = Field(default=None, ge=1)
    max_repetition: Share | None = None
    """Largest share of a text's characters that may stand in word triples it repeats (the rule of
    Rae et al. 2021, table A1, which uses 0.18); the input and the answer are held to it."""
    scripts: list[str] | None = None
    """Writing systems an input may be in, by their Unicode names: ``latin``, ``cyrillic``,
    ``han`` ... A row passes when most of its letters are of one of them."""
    languages: list[str] | None = None
    """Languages an input may be in: ``English``, ``German`` ... `runner.base.language` has them
    all. A light guess by script and small words; a text that is too short to tell passes."""
    label_noise: LabelNoise | None = None

    @field_validator("scripts", mode="after")
    @classmethod
    def _there_are_such_scripts(cls, scripts: list[str] | None) -> list[str] | None:
        named = [name.lower() for name in scripts or ()]
        _all_known("script", named, script_names() if named else ())
        return None if scripts is None else named

    @field_validator("languages", mode="after")
    @classmethod
    def _there_are_such_languages(cls, languages: list[str] | None) -> list[str] | None:
        named = [name.capitalize() for name in languages or ()]
        _all_known("language", named, LANGUAGES)
        return None if languages is None else named


def _all_known(what: str, named: list[str], known: Sequence[str]) -> None:
    for name in named:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
            raise ValueError(f"no {what} {name!r}; {meant}")


class LexicalEncoder(Group):
    """Texts as count-sketches of their weighted words and word pairs: fast, no model, and blind
    to meaning that is said in other words (lexical-semantic, not semantic)."""

    kind: Literal["lexical"]
    dimensions: int = Field(default=512, ge=32, le=8192)


class SentenceEncoder(Group):
    """The mean of a sentence model's last layer over a text's tokens, on this machine; needs the
    extra ``local``."""

    kind: Literal["sentence"]
    model: str
    """A folder with a model, or its id on the Hugging Face hub, such as
    ``sentence-transformers/all-MiniLM-L6-v2`` (Apache-2.0, 90 MB)."""
    revision: str | None = None
    """A commit, so that the same vectors come again; null is the newest."""
    max_tokens: int = Field(default=256, gt=0)
    """What a text has beyond this is not read."""


class GeminiEncoder(Group):
    """Google's text embeddings, asked for through backend=vertex and paid for by the token. They
    are kept in `paths.home`: no text is paid for twice. `sft check` and `sft plan` ask for new
    ones only with ``--pay``."""

    kind: Literal["gemini"]
    model: Literal["gemini-embedding-001"] = "gemini-embedding-001"
    dimensions: int = Field(default=768, ge=32, le=3072)
    """Google recommends 768, 1536 or 3072; a vector of 768 takes 4 KB in `paths.home`."""
    usd_per_million: float = Field(default=0.15, ge=0)
    """US dollars for a million tokens (Google's price when the model came out, 2025-07)."""


class PluginEncoder(Group):
    """An encoder that an installed package adds under the entry point ``runner.encoders``: a
    callable from a list of texts to an array of shape (texts, dimensions)."""

    kind: Literal["plugin"]
    name: str
    """Name of the entry point."""


Encoder = Annotated[
    LexicalEncoder | SentenceEncoder | GeminiEncoder | PluginEncoder, Field(discriminator="kind")
]


class Diverse(Group):
    """Not the same cluster over and over: rows are clustered by similarity, and clusters take
    turns when `size` is filled."""

    encoder: Encoder = LexicalEncoder(kind="lexical")
    clusters: int | None = Field(default=None, ge=2, le=10_000)
    """Null takes the square root of half the number of rows."""
    max_per_cluster: int | None = Field(default=None, ge=1)
    """Keep at most this many rows of a cluster, each little like the others; null keeps all."""


class Hard(Group):
    """Rows the base model finds hard come first (the guide's hard examples)."""

    scores: str
    """JSONL with an ``id`` and a ``score`` a row, or the ``rows.jsonl`` of a scored arm."""
    metric: str | None = None
    """Which of a scored row's metrics; null takes ``score``, or the only metric there is."""
    max_score: float | None = None
    """Use only rows that score at most this; null only orders them."""


class Select(Group):
    """Which of the prepared training rows are used. Rules of `quality` and the caps of `diverse`
    and `hard` drop rows; then `size` takes the first of an order that none of them repeats."""

    size: int | None = Field(default=None, gt=0)
    """Use this many rows. Seeded and nested: the 80 rows are among the 240."""
    balance: str | None = None
    """`target`, or a slice or input column, whose values take turns when `size` is filled; null
    for none."""
    quality: Quality | None = None
    diverse: Diverse | None = None
    hard: Hard | None = None
