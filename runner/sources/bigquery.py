"""BigQuery tables and queries as rows, page by page. Its only adapter.

BIGQUERY_EMULATOR_HOST sends all calls, without credentials, to a stand-in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runner.base.errors import DataError, MissingExtraError, RowFault
from runner.config import BigQuerySource
from runner.records import FaultLog
from runner.sources.files import InputFile, weighted
from runner.sources.rows import Columns, Record

PAGE_ROWS = 10_000
TABLE = re.compile(r"[\w:.-]+\.[\w$-]+\.[\w$*-]+|[\w-]+\.[\w$-]+")
"""``project.dataset.table`` or ``dataset.table``; anything else is a query."""


CALL = re.compile(r"^[A-Z]+ https?://\S+: ")


def bigquery_splits(source: BigQuerySource, split: str) -> list[InputFile]:
    """The tables and queries that make up a split."""
    named = enumerate(weighted(getattr(source, split)), 1)
    return [InputFile(text, "bigquery", "", "", weight, at, at) for at, (text, weight) in named]


def read_bigquery(
    source: BigQuerySource, columns: Columns, faults: FaultLog, file: InputFile
) -> Iterator[Record]:
    """Yield (row number, values by column); of tables only the columns with a role are fetched.

    Raises as `_client` does, and DataError when a column is missing or the query is refused.
    """
    with _translated(file.path):
        client = _client(source)
        if TABLE.fullmatch(file.path):
            table = client.get_table(file.path)
            columns.check_header(file.path, [field.name for field in table.schema])
            used = set(columns.used([field.name for field in table.schema]))
            chosen = [field for field in table.schema if field.name in used]
            rows = client.list_rows(table, selected_fields=chosen, page_size=PAGE_ROWS)
        else:
            rows = _query(client, source, file.path, dry=False).result(page_size=PAGE_ROWS)
            columns.check_header(file.path, [field.name for field in rows.schema])
        number = 0
        for number, row in enumerate(rows, 1):
            yield number, dict(row.items())
    if not number:
        faults.bad(RowFault(file.path, 1, "empty_file", "there are no rows"))


def bigquery_digest(source: BigQuerySource, file: InputFile) -> list[str]:
    """What names the content without reading it: every table behind it, with its ETag, which
    changes with its rows. A dry run tells the tables of a query; it costs nothing."""
    with _translated(file.path):
        client = _client(source)
        if TABLE.fullmatch(file.path):
            tables = [file.path]
        else:
            tables = list(map(str, _query(client, source, file.path, dry=True).referenced_tables))
        return [file.path, *(f"{name} {client.get_table(name).etag}" for name in sorted(tables))]


def bytes_read(source: BigQuerySource, split: str) -> int:
    """Bytes that the split's queries would be billed for, by dry runs; tables are read for
    nothing."""
    return sum(_bytes(source, file) for file in bigquery_splits(source, split))


def _bytes(source: BigQuerySource, file: InputFile) -> int:
    if TABLE.fullmatch(file.path):
        return 0
    with _translated(file.path):
        job = _query(_client(source), source, file.path, dry=True)
        return int(job.total_bytes_processed or 0)


def _client(source: BigQuerySource) -> Any:
    """Raises MissingExtraError without the package."""
    try:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery
    except ImportError as error:
        raise MissingExtraError("google-cloud-bigquery", "data", "source.kind: bigquery") from error
    if os.environ.get("BIGQUERY_EMULATOR_HOST"):
        anyone = AnonymousCredentials()
        project = source.project or "emulator"
        return bigquery.Client(project=project, credentials=anyone, location=source.location)
    return bigquery.Client(project=source.project, location=source.location)


def _query(client: Any, source: BigQuerySource, text: str, *, dry: bool) -> Any:
    from google.cloud import bigquery

    config = bigquery.QueryJobConfig(dry_run=dry, use_query_cache=not dry, labels=source.labels)
    if source.max_gigabytes is not None and not dry:
        config.maximum_bytes_billed = int(source.max_gigabytes * 1e9)
    return client.query(text, job_config=config)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Google's errors as ours."""
    try:
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
    except ImportError as error:
        raise MissingExtraError("google-cloud-bigquery", "data", "source.kind: bigquery") from error
    try:
        yield
    except (GoogleAPIError, GoogleAuthError) as error:
        shown = what if len(what) <= 200 else f"{what[:200]}..."
        # Google puts the call before the reason and the job behind it.
        reason = CALL.sub("", str(getattr(error, "message", "") or error)).split("\n\nLocation")[0]
        raise DataError(f"BigQuery cannot read {shown}: {reason}") from error
