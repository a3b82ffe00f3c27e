"""Where rows come from: the group `source`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runner.config.base import Group, Share


class WeightedFile(Group):
    """One of several files mixed into a split."""

    path: str
    """File, or glob such as ``data/*.jsonl.gz``; ``gs://`` paths and globs too (extra: vertex)."""
    weight: float = Field(default=1.0, gt=0)
    """How much of it to use, as `weigh_by` says."""


Paths = str | list[str | WeightedFile] | None


class SourceBase(Group):
    """What every source has: up to three splits, and what to do with rows that are faulty."""

    train: Paths = None
    """Training rows: a path, a glob, or a list of paths with weights."""
    validation: Paths = None
    """Validation rows; when missing, `prepare.split` cuts them from train."""
    test: Paths = None
    """Held-out rows for the final report; when missing, `prepare.split` cuts them from train."""
    weigh_by: Literal["file", "rows", "tokens"] = "file"
    """What a `weight` is a share of. `file`: of the file's own rows, 0.5 keeps every second one
    (seeded), 2 takes each twice. `rows` and `tokens`: of the mix, 3 beside 1 is three quarters of
    its rows or tokens (estimated: 4 UTF-8 bytes a token); no row is taken twice, so the file that
    is scarcest for its weight is used whole."""
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
    """Rows with equal values in this column never straddle a split, and scores take them as
    dependent: intervals and tests go by group."""
    media: dict[str, str | None] = {}
    """Columns with the path or URI (``gs://``, ``https://``) of an image, a recording, a video or
    a PDF to show with the prompt, each with its MIME type; null goes by the ending."""
    media_root: str | None = None
    """Put before relative paths in `media` columns, e.g. ``gs://bucket/photos``; null takes the
    folder of the data file."""
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


class TracesSource(SourceBase):
    """MLflow traces of a served model: what people said about its answers becomes training rows.
    `train`, `validation` and `test` name MLflow experiments. The target is the expectation where
    a trace has one (a correction), else the model's own answer where its feedback is good."""

    kind: Literal["traces"]
    tracking_uri: str | None = None
    """MLflow's tracking URI; null takes MLFLOW_TRACKING_URI or MLflow's own default."""
    filter: str = ""
    """MLflow's filter for traces, e.g. ``attributes.status = 'OK'``."""
    expectation: str | None = "expected_response"
    """Name of the expectation that is the right answer; null looks at feedback only."""
    feedback: str | None = None
    """Name of the feedback that vouches for the model's own answer; null: expectations only."""
    min_feedback: float = 1.0
    """The least value of `feedback`; yes counts 1, no counts 0."""


class BigQuerySource(ColumnSource):
    """BigQuery tables or queries (extra: data). `train`, `validation` and `test` are each
    ``project.dataset.table``, or a query in GoogleSQL; add ORDER BY to keep its order."""

    kind: Literal["bigquery"]
    project: str | None = None
    """Project that pays for queries; null takes the credentials' own."""
    location: str | None = None
    """Where queries run, e.g. ``EU``; null goes by the tables."""
    max_gigabytes: float | None = Field(default=10.0, gt=0)
    """Refuse queries that would read more (BigQuery's maximum_bytes_billed); null is no limit."""
    labels: dict[str, str] = {"tool": "sft"}
    """Labels of the query jobs, for the bill."""


Source = Annotated[
    FileSource | HubSource | GeminiSource | ChatSource | TracesSource | BigQuerySource,
    Field(discriminator="kind"),
]
