"""From rows as read to rows worth tuning on: the group `prepare`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from runner.config.augment import Augment
from runner.config.base import Group, Normalizer, Share
from runner.config.select import Encoder, LexicalEncoder, Select


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
    """Near-duplicates by MinHash LSH, candidates verified by true Jaccard similarity.

    With the values given, two rows become candidates with probability 0.99 at similarity 0.8
    and above 0.999 from 0.85; what is no candidate is not found, and no candidate below
    `threshold` is taken. `recall`, `permutations` and `bands` change the first half of that.
    """

    threshold: Share = 0.8
    """Rows at or above this Jaccard similarity of their shingles are near-duplicates. A row goes
    only when it is that much like the row that stays for it; `split.cluster` also keeps rows
    together that a chain of such pairs connects."""
    unit: Literal["word", "char", "auto"] = "auto"
    """What shingles are made of. `auto` reads a text by words, and by characters when a tenth of
    them is of a script without blanks (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan)."""
    ngram: int = Field(default=3, ge=1, le=13)
    """Words per shingle."""
    char_ngram: int = Field(default=5, ge=1, le=32)
    """Characters per shingle, where characters are the unit."""
    permutations: int = Field(default=128, ge=16, le=1024)
    """Hash values per row; more let `bands` be longer and candidates fewer."""
    recall: float = Field(default=0.95, gt=0, lt=1)
    """Share of the pairs exactly at the threshold that must become candidates; more similar ones
    do more often. Decides the bands: 18 of 7 hash values for 0.8 and 128 permutations."""
    bands: int | None = Field(default=None, ge=1, le=1024)
    """Number of bands, instead of the number that `recall` asks for."""
    keep: Literal["first", "longest", "newest", "best"] = "first"
    """Which row of a cluster stays, and which of rows with equal inputs: the one read first, the
    one with the longest input, or the one with the largest value in `keep_by`. Among equals the
    first. Rows cut for evaluation all stay."""
    keep_by: str | None = None
    """For `newest` a slice or input column with dates (ISO 8601) or numbers, for `best` one with
    numbers. Rows without a value come last."""
    engine: Literal["local", "daft", "ray"] = "local"
    """What finds the clusters: this process; Daft in this process, which spills what does not
    fit into memory; Daft on a Ray cluster. The clusters are the same."""
    ray_address: str | None = None
    """For `engine: ray`: ``host:port`` of the head node, ``auto`` for a running one; null starts
    a cluster on this machine."""
    index: str | None = None
    """File or folder of fingerprints of past datasets: training rows that nearly repeat one of them
    are listed, and stay. `python -m runner.prepare.seen_before` makes fingerprints."""

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.bands and self.bands > self.permutations:
            raise ValueError(
                f"bands={self.bands} needs at least as many permutations; there are "
                f"{self.permutations}"
            )
        by_column = self.keep in ("newest", "best")
        if by_column and not self.keep_by:
            raise ValueError(f"keep: {self.keep} needs keep_by: the column to compare by")
        if self.keep_by and not by_column:
            raise ValueError(f"keep_by is for keep: newest or best; keep is {self.keep}")
        return self


class SubstringDedup(Group):
    """Spans of text that stand more than once in train, within a row or across rows (ExactSubstr,
    Lee et al. 2021). Looked for in inputs, after the split; evaluation rows keep their text."""

    tokens: int = Field(default=50, ge=5, le=1000)
    """Shortest span; a token is a run of letters and digits, or one other character."""
    action: Literal["drop_span", "drop_row", "report"] = "drop_span"
    """Cut the span out of its row, drop the row, or only list it in ``spans.jsonl``. A row of
    which a cut leaves nothing, or what stands in another row, is dropped."""
    keep_first: bool = True
    """Leave the first place where a span stands; false takes that one away as well."""
    backend: Literal["window_hash", "suffix_array"] = "window_hash"
    """`suffix_array` is the slow reference (package pydivsufsort); both find the same."""


class Dedup(Group):
    """Repeated rows: which ones count as repeats, and what happens to them."""

    exact: bool = True
    """Drop a training row whose input repeats an earlier one, after `normalize`. Evaluation rows
    are protected: their repeats are reported and stay."""
    normalize: list[Normalizer] = ["unicode", "case", "alphanumeric", "whitespace"]
    """What is ignored when two inputs are compared; empty compares them to the letter."""
    conflicts: Literal["drop_later", "drop_all", "keep"] = "drop_later"
    """Training rows with one input but different targets: keep the first (or the one `fuzzy.keep`
    names), none, or all of them; near-duplicates then as well. With `exact: false` they are
    reported and stay."""
    fuzzy: FuzzyDedup | None = None
    """Near-duplicate removal in train; null for none."""
    substring: SubstringDedup | None = None
    """Removal of repeated spans in train; null for none."""
    warn_share: Share = 0.3
    """Warn when more than this share of the training rows goes as repeats of any kind."""
    max_share: Share = 0.95
    """Refuse to go on (exit 4) when more than this share goes as near-duplicates, as conflicts or
    for repeated spans: text that no other row has in full. Equal rows do not count."""


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
    cluster: FuzzyDedup | None = None
    """Rows of one cluster of near-duplicates move together, as rows of one group do, so that no
    cut row has a near-duplicate left in train; null for exact repeats only."""
    warn_cluster: Share = 0.2
    """Warn when one such cluster holds more than this share of the rows that are split."""


class Ngrams(Group):
    """Containment: how many of an evaluation row's n-grams of tokens a train row holds."""

    sizes: list[Annotated[int, Field(ge=2, le=100)]] = [13, 8]
    """Tokens of an n-gram; each size is looked at by itself, the first that finds a pair names
    it. Rows shorter than that have none."""
    threshold: Share = 0.7
    """A leak at or above this share of the distinct n-grams of the shorter of both rows (Chowdhery
    et al. 2022, PaLM, section 8: 70 % of the 8-grams).
    N-grams that more than 100 evaluation rows hold are a template's and count on neither side."""


class Semantic(Group):
    """Neighbours in meaning, by cosine similarity of vectors: listed for a person to judge, since
    two questions can mean nearly the same and have different answers."""

    encoder: Encoder = LexicalEncoder(kind="lexical")
    threshold: Share = 0.8
    """List evaluation rows whose most similar train row is at or above this."""


class Leakage(Group):
    """Train rows that stand in validation, in test or in a named suite. These are protected: it
    is the train row that goes. What validation and test share, with each other or with a suite,
    is listed, and stays."""

    exact: bool = True
    """Drop train rows whose input equals an evaluation row's, after `dedup.normalize`."""
    fuzzy: bool | FuzzyDedup = True
    """Also those that are near-duplicates of evaluation rows: `true` as `dedup.fuzzy` says (not at
    all without it), or settings of its own."""
    ngrams: Ngrams | None = None
    """Also those that share n-grams with one evaluation row; null for none."""
    substring: int | None = Field(default=None, ge=5, le=1000)
    """Also those that share a span of so many tokens with one evaluation row; null for none."""
    semantic: Semantic | None = None
    """Warn of evaluation rows that mean nearly what a train row means; null for no look."""
    suites: dict[str, str] = {}
    """External evaluation sets by name: a file each, or a glob. The columns of `source.input`
    are compared; where a row has none of these, each of its texts but the target; of chat
    `messages` and Gemini `contents` what the user says."""
    max_share: Share = 0.05
    """Refuse to go on (exit 4) when more than this share of the rows of validation, test or a
    suite leaks, whatever is done about it. Where a split is cut from train and `fuzzy` is `true`,
    near-duplicates do not count: they are repeats that `dedup.fuzzy` is there to drop."""

    def fuzzy_as(self, dedup: FuzzyDedup | None) -> FuzzyDedup | None:
        """How near-duplicates are looked for, if at all; `dedup` is what `dedup.fuzzy` says."""
        if isinstance(self.fuzzy, bool):
            return dedup if self.fuzzy else None
        return self.fuzzy


class Prepare(Group):
    """From rows as read to rows worth tuning on; evaluation rows take the same road."""

    clean: Clean = Clean()
    dedup: Dedup = Dedup()
    split: Split = Split()
    leakage: Leakage = Leakage()
    select: Select = Select()
    augment: Augment = Augment()
