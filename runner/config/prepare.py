"""From rows as read to rows worth tuning on: the group `prepare`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runner.config.base import Group, Normalizer, Share


class Clean(Group):
    """Repairs of the text of every field; each change is counted by rule."""

    unicode: Literal["NFC", "NFKC", "keep"] = "NFC"
    control: Literal["drop", "keep"] = "drop"
    """Control and zero-width characters (newline and tab stay)."""
    whitespace: Literal["collapse", "strip", "keep"] = "strip"
    """`strip` trims the ends, `collapse` also turns runs of blanks into one."""
    markup: Literal["strip", "keep"] = "keep"
    """HTML tags and entities."""
    pii: Literal["mask", "keep"] = "keep"
    """E-mail addresses, phone, card and IBAN numbers become ``[EMAIL]``, ``[PHONE]`` ..."""


class FuzzyDedup(Group):
    """Near-duplicates by MinHash LSH, candidates verified by true Jaccard similarity."""

    threshold: Share = 0.8
    """Rows at or above this Jaccard similarity of their shingles are near-duplicates."""
    ngram: int = Field(default=3, ge=1, le=13)
    """Words per shingle."""
    permutations: int = Field(default=128, ge=16, le=1024)


class Dedup(Group):
    """Repeated rows: which ones count as repeats, and what happens to them."""

    exact: bool = True
    """Drop a training row whose input repeats an earlier one, after `normalize`. Evaluation rows
    are protected: their repeats are reported and stay."""
    normalize: list[Normalizer] = ["unicode", "case", "alphanumeric", "whitespace"]
    """What is ignored when two inputs are compared; empty compares them to the letter."""
    conflicts: Literal["drop_later", "drop_all", "keep"] = "drop_later"
    """Training rows with one input but different targets: keep the first, none, or all of them.
    With `exact: false` they are reported and stay."""
    fuzzy: FuzzyDedup | None = None
    """Near-duplicate removal in train; null for none."""


class Split(Group):
    """Cutting validation and test from train where the source does not give them."""

    validation: float = Field(default=0.1, ge=0)
    """Below 1 a share of train, from 1 a number of rows; 0 for none."""
    test: float = Field(default=0.1, ge=0)
    """The same for test."""
    max_validation: int = Field(default=256, gt=0)
    """Cap on validation rows, also when the source gives them: a stratified subsample."""
    max_test: int | None = Field(default=None, gt=0)
    """Cap on test rows, likewise."""
    stratify: str | None = "target"
    """`target`, or a slice or input column, whose proportions the splits keep; null for none.
    Ignored when it has about as many values as rows."""


class Leakage(Group):
    """Train rows that stand in validation or test. Evaluation rows are protected."""

    exact: bool = True
    """Drop train rows whose input equals an evaluation row's, after `dedup.normalize`."""
    fuzzy: bool = True
    """With `dedup.fuzzy` set, also train rows that are near-duplicates of evaluation rows."""
    max_share: Share = 0.05
    """Refuse to go on (exit 4) when more than this share of the evaluation rows leaks."""


class Select(Group):
    """Which of the prepared training rows are used."""

    size: int | None = Field(default=None, gt=0)
    """Use this many rows. Seeded and nested: the 80 rows are among the 240."""


class Prepare(Group):
    """From rows as read to rows worth tuning on; evaluation rows take the same road."""

    clean: Clean = Clean()
    dedup: Dedup = Dedup()
    split: Split = Split()
    leakage: Leakage = Leakage()
    select: Select = Select()
