"""The HTTP side: one thread a connection, planned faults, and a log of every request."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from runner.emulator import batch, endpoints, generate, job_api, models, tensorboard
from runner.emulator.call import Call, canonical
from runner.emulator.dataset import billed_tokens
from runner.emulator.faults import CallFault
from runner.emulator.refusals import Refusal, Violation
from runner.emulator.schema import COMMON, VERSIONS, Api, Method, api, read_body, split_verb
from runner.emulator.service import EmulatedService

KEPT = 20_000
"""Requests that the log remembers."""

SAID = {
    401: "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
    "cookie or other valid authentication credential.",
    403: "Permission denied on the resource (or it may not exist).",
    429: "Resource exhausted. Please try again later.",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
}


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request: never its body, which is the user's data."""

    verb: str
    path: str
    method: str
    """Id of the API method; empty when there is none."""
    status: int
    """HTTP status; 0 when the connection was cut."""
    seconds: float
    note: str = ""


@dataclass
class RequestLog:
    """Everything that was asked, and everything that was against the schema."""

    listen: Callable[[LoggedRequest], None] | None = None
    entries: deque[LoggedRequest] = field(default_factory=lambda: deque(maxlen=KEPT))
    violations: list[dict[str, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, entry: LoggedRequest) -> None:
        """One more request."""
        with self._lock:
            self.entries.append(entry)
        if self.listen:
            self.listen(entry)

    def violate(self, verb: str, path: str, refusal: Refusal) -> None:
        """A request broke the published schema."""
        with self._lock:
            for found in refusal.violations:
                self.violations.append({"request": f"{verb} {path}", **asdict(found)})


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 only."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int, service: EmulatedService, log: RequestLog) -> None:
        self.service = service
        self.log = log
        super().__init__(("127.0.0.1", port), RequestHandler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""


class RequestHandler(BaseHTTPRequestHandler):
    """Reads one request and writes one reply, or cuts the connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        """The log is kept by the server."""

    def _serve(self) -> None:
        began = time.monotonic()
        path = urlsplit(self.path).path
        if path == "/emulator":
            self._write(200, overview(self.server))
            return
        method, note = "", ""
        headers: dict[str, str] = {}
        try:
            body = self._body()
            found = find(self.command, path)
            method = found.method.id
            fault = self.server.service.faults.call(method)
            note = fault.do if fault else ""
            reply = self._answer(found, body, fault)
            status = 200 if reply is not None else 0
        except Refusal as refusal:
            status, reply, headers = refusal.code, refusal.body(), refusal.headers
            note = note or refusal.message
            if isinstance(refusal, SchemaRefusal):
                self.server.log.violate(self.command, path, refusal)
        except ConnectionAbortedError as error:  # the client died; it has broken no rule
            status, reply, note = 0, None, str(error)
        except Exception as error:  # a fault of the emulator's own: told, not hidden
            traceback.print_exc(file=sys.stderr)
            note = f"fault in the emulator: {error!r}"
            status, reply = 500, Refusal(500, note).body()
        self._entry(path, method, status, began, note)
        if reply is None:
            self._cut()
        else:
            self._write(status, reply, headers)

    def _answer(
        self, found: RoutedCall, body: Any, fault: CallFault | None
    ) -> dict[str, Any] | None:
        """The reply; None when the connection is to be cut."""
        do = fault.do if fault else ""
        if fault and do == "slow":
            time.sleep(fault.seconds)
        if do == "drop_before":
            return None
        if fault and do.isdigit():
            wait = fault.retry_after
            headers = {} if wait is None else {"Retry-After": str(wait)}
            raise Refusal(int(do), SAID[int(do)], headers=headers)
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        reply = answer(self.server.service, found, query, body)
        return None if do == "drop_after" else reply

    def _body(self) -> Any:
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        if len(content) < length:
            raise ConnectionAbortedError(f"{len(content)} of {length} bytes of the request came")
        if not content.strip():
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise Refusal(400, f"Invalid JSON payload received. {error}") from None

    def _entry(self, path: str, method: str, status: int, began: float, note: str) -> None:
        seconds = time.monotonic() - began
        self.server.log.add(LoggedRequest(self.command, path, method, status, seconds, note))

    def _write(
        self, status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def overview(server: Server) -> dict[str, Any]:
    """What ``GET /emulator`` tells: where the storage is, and what has happened so far."""
    jobs = server.service.registry.all("tuningJobs")
    return {
        "storage": server.service.storage.url,
        "violations": list(server.log.violations),
        "requests": [asdict(entry) for entry in list(server.log.entries)],
        "jobs": [
            {
                "name": job.name,
                "state": job.body["state"],
                "labels": job.body.get("labels", {}),
                "createTime": job.body["createTime"],
                "billedTokens": billed_tokens(job.body),
            }
            for job in jobs
        ],
    }


# From a path and a body to an answer: finds the method, reads strictly, calls the handler.


class SchemaRefusal(Refusal):
    """The request is not one that Google's published API knows."""


@dataclass(frozen=True, slots=True)
class RoutedCall:
    """The method of a request: `name` is the resource path without its custom verb."""

    api: Api
    method: Method
    name: str
    variables: Mapping[str, str]


def find(verb: str, path: str) -> RoutedCall:
    """The published method at a path. Raises a 404 SchemaRefusal for none."""
    version, _, rest = path.lstrip("/").partition("/")
    hit = api(version).find(verb, rest) if version in VERSIONS else None
    if hit is None:
        raise SchemaRefusal(
            404,
            f"{verb} {path} is no method of the Vertex AI API ({', '.join(VERSIONS)}).",
            [Violation("path", "unknown method")],
        )
    method, variables = hit
    variables = {key: unquote(value) for key, value in variables.items()}
    return RoutedCall(api(version), method, canonical(unquote(split_verb(rest)[0])), variables)


def answer(
    service: EmulatedService, found: RoutedCall, query: Mapping[str, Sequence[str]], body: Any
) -> dict[str, Any]:
    """The reply of a method. Raises Refusal."""
    known = found.method.parameters | COMMON
    strange = [key for key in query if key not in known]
    if strange:
        said = f'Invalid JSON payload received. Unknown name "{strange[0]}": Cannot bind query '
        violations = [Violation(key, "unknown query parameter") for key in strange]
        raise SchemaRefusal(400, said + "parameter. Field could not be found.", violations)
    handler: Callable[[EmulatedService, Call], dict[str, Any]] | None = ROUTES.get(found.method.id)
    if handler is None:
        raise Refusal(501, f"{found.method.id} exists, but this emulator does not have it.")
    read = _read(found, body)
    call = Call(found.api, found.method, found.name, found.variables, query, read)
    return handler(service, call)


def _read(found: RoutedCall, body: Any) -> Any:
    if found.method.request is None:
        if body:
            said = "This method takes no body."
            raise SchemaRefusal(400, said, [Violation("", said)])
        return None
    patch = found.method.id.endswith(".patch")
    schema = found.method.request
    read, violations = read_body(found.api, schema, body or {}, required=not patch)
    if violations:
        raise SchemaRefusal(400, violations[0].description, violations)
    return read


# Which API methods are emulated, and what answers each.

Route = Callable[[EmulatedService, Call], dict[str, Any]]

PLACE = "projects.locations."
RUNS = f"{PLACE}tensorboards.experiments.runs."

ROUTES: dict[str, Route] = {
    f"{PLACE}tuningJobs.create": job_api.create,
    f"{PLACE}tuningJobs.get": job_api.get,
    f"{PLACE}tuningJobs.list": job_api.listing,
    f"{PLACE}tuningJobs.cancel": job_api.cancel,
    f"{PLACE}models.get": models.get,
    f"{PLACE}models.list": models.listing,
    f"{PLACE}models.patch": models.patch,
    f"{PLACE}models.delete": models.delete,
    f"{PLACE}models.listCheckpoints": models.checkpoints,
    f"{PLACE}models.listVersions": models.versions,
    f"{PLACE}models.operations.get": models.get_operation,
    f"{PLACE}endpoints.get": endpoints.get,
    f"{PLACE}endpoints.list": endpoints.listing,
    f"{PLACE}endpoints.undeployModel": endpoints.undeploy,
    f"{PLACE}endpoints.delete": endpoints.delete,
    f"{PLACE}endpoints.operations.get": models.get_operation,
    f"{PLACE}endpoints.generateContent": generate.generate,
    f"{PLACE}endpoints.countTokens": generate.count_tokens,
    f"{PLACE}publishers.models.generateContent": generate.generate,
    f"{PLACE}publishers.models.countTokens": generate.count_tokens,
    f"{PLACE}publishers.models.predict": generate.predict,
    "publishers.models.get": models.publisher,
    "publishers.models.list": models.publishers,
    f"{PLACE}metadataStores.contexts.get": tensorboard.context,
    f"{PLACE}metadataStores.contexts.delete": tensorboard.drop_context,
    f"{PLACE}tensorboards.get": tensorboard.board,
    f"{PLACE}tensorboards.list": tensorboard.boards,
    f"{PLACE}tensorboards.batchRead": tensorboard.batch_read,
    f"{PLACE}tensorboards.experiments.get": tensorboard.experiment,
    f"{PLACE}tensorboards.experiments.list": tensorboard.experiments,
    f"{RUNS}get": tensorboard.run,
    f"{RUNS}list": tensorboard.runs,
    f"{RUNS}timeSeries.get": tensorboard.series,
    f"{RUNS}timeSeries.list": tensorboard.all_series,
    f"{RUNS}timeSeries.read": tensorboard.read,
    f"{PLACE}batchPredictionJobs.create": batch.create,
    f"{PLACE}batchPredictionJobs.get": batch.get,
    f"{PLACE}batchPredictionJobs.list": batch.listing,
    f"{PLACE}batchPredictionJobs.cancel": batch.cancel,
    f"{PLACE}batchPredictionJobs.delete": batch.delete,
}
"""By the method's id in the discovery document."""
