"""BigQuery's REST calls against a strict stand-in that refuses whatever it does not expect."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runner.base.errors import DataError
from runner.config import BigQuerySource, Source
from runner.sources import source_digest
from tests.sources.reading import read, source

pytest.importorskip("google.cloud.bigquery")

SCHEMA = {"fields": [{"name": name, "type": "STRING"} for name in ("text", "target", "unused")]}
ROWS = [(f"question {n}", "fee" if n % 2 else "card") for n in range(5)]
TABLE = "/bigquery/v2/projects/p/datasets/d/tables/t"
SQL = "SELECT text, target, unused FROM p.d.t"


class Strict(BaseHTTPRequestHandler):
    """`server.etag` names the table's state; `server.jobs` keeps what was asked for."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        if url.path == TABLE:
            table = {"projectId": "p", "datasetId": "d", "tableId": "t"}
            self._say({"tableReference": table, "schema": SCHEMA, "etag": self.server.etag,
                       "numRows": "5", "type": "TABLE"})  # fmt: skip
        elif url.path == f"{TABLE}/data":
            fields = asked.get("selectedFields", ["text,target,unused"])[0].split(",")
            self.server.fields.append(fields)
            start = int(asked.get("pageToken", ["0"])[0])
            self._say({**_page(start, fields), "totalRows": "5"})
        elif url.path.startswith("/bigquery/v2/projects/p/queries/"):
            start = int(asked.get("pageToken", ["0"])[0])
            page = {} if asked.get("maxResults") == ["0"] else _page(start, None)
            self._say({"jobComplete": True, "schema": SCHEMA, "totalRows": "5",
                       "jobReference": _job(url.path.rsplit("/", 1)[-1]), **page})  # fmt: skip
        else:
            self._say({"error": {"code": 404, "message": f"Not found: {url.path}"}}, 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        config = body.get("configuration", {})
        if self.path.split("?")[0] != "/bigquery/v2/projects/p/jobs" or "query" not in config:
            self._say({"error": {"code": 400, "message": f"unexpected {self.path}"}}, 400)
            return
        self.server.jobs.append(config)
        if "FROM p.d.t" not in config["query"]["query"]:
            self._say({"error": {"code": 400, "message": "Syntax error at [1:1]"}}, 400)
            return
        reference = {"projectId": "p", "datasetId": "d", "tableId": "t"}
        query = {"referencedTables": [reference], "totalBytesProcessed": "1234"}
        self._say({"jobReference": _job("j"), "configuration": config, "status": {"state": "DONE"},
                   "statistics": {"query": query, "totalBytesProcessed": "1234"}})  # fmt: skip

    def _say(self, value: dict[str, Any], code: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keeps the tests' output clean."""


def _job(name: str) -> dict[str, str]:
    return {"projectId": "p", "jobId": name, "location": "EU"}


def _page(start: int, fields: list[str] | None) -> dict[str, Any]:
    """Two rows a page, so that paging is needed."""
    names = fields or ["text", "target", "unused"]
    rows = [dict(zip(("text", "target", "unused"), (*row, "u"), strict=True)) for row in ROWS]
    page = [{"f": [{"v": row[name]} for name in ("text", "target", "unused") if name in names]}
            for row in rows[start : start + 2]]  # fmt: skip
    token = {"pageToken": str(start + 2)} if start + 2 < len(rows) else {}
    return {"rows": page, **token}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Strict)
    server.etag, server.jobs, server.fields = "e1", [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


def asked(train: str) -> Source:
    return source(kind="bigquery", train=train, project="p", input=["text"], max_gigabytes=2)


def test_a_table_is_read_page_by_page_and_only_the_columns_in_use(service: Any) -> None:
    rows, faults = read(asked("p.d.t"))
    assert [(row.fields["text"], row.target) for row in rows] == ROWS
    assert faults.faulty.total() == 0
    assert {tuple(sorted(fields)) for fields in service.fields} == {("target", "text")}
    assert service.jobs == []


def test_a_query_carries_its_labels_and_its_limit(service: Any) -> None:
    rows, _ = read(asked(SQL))
    assert [(row.fields["text"], row.target) for row in rows] == ROWS
    (job,) = service.jobs
    assert job["labels"] == {"tool": "sft"}
    assert job["query"]["maximumBytesBilled"] == "2000000000"


@pytest.mark.parametrize("train", ["p.d.t", SQL])
def test_the_digest_goes_by_the_tables_etag(service: Any, tmp_path: Path, train: str) -> None:
    first = source_digest(asked(train), tmp_path / "d.json")
    assert source_digest(asked(train), tmp_path / "d.json") == first
    service.etag = "e2"
    assert source_digest(asked(train), tmp_path / "d.json") != first
    assert all(job["dryRun"] for job in service.jobs)


def test_a_query_that_is_refused_says_why(service: Any) -> None:
    with pytest.raises(DataError, match=r"cannot read SELEC 1: Syntax error at \[1:1\]"):
        read(asked("SELEC 1"))


def test_a_missing_column_is_named(service: Any) -> None:
    config = source(kind="bigquery", train="p.d.t", project="p", target="targt")
    with pytest.raises(DataError, match="did you mean 'target'"):
        read(config)


def test_the_bytes_of_a_query_are_known_before_it_runs(service: Any) -> None:
    from runner.sources.bigquery import bytes_read

    config = asked(SQL)
    assert isinstance(config, BigQuerySource)
    assert bytes_read(config, "train") == 1234
