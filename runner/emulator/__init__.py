"""The emulator: Vertex AI's tuning API on this machine, for tests and rehearsals.

Requests are read strictly against Google's published schemas, Cloud Storage is a real
stand-in, jobs are scripted or tuned for real with the local backend, and faults happen as
planned. The official clients talk to it unpatched.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from runner.base.errors import BackendError
from runner.emulator.batch import BatchJobs
from runner.emulator.dataset import read_dataset
from runner.emulator.faults import Fault, Faults, parse_faults
from runner.emulator.http import LoggedRequest, RequestLog, Server, overview
from runner.emulator.queue import JobQueue
from runner.emulator.registry import Registry
from runner.emulator.schema import VERSIONS, api
from runner.emulator.service import Clock, EmulatedService
from runner.emulator.storage import StorageServer, is_free
from runner.emulator.trainer import Script, Trainer
from runner.emulator.trainers import LocalTrainer, ScriptedTrainer
from runner.records import Example

if TYPE_CHECKING:
    from runner.config import Experiment

__all__ = ["BUCKETS", "Emulator"]

# The emulator as one thing to start and stop.

POLL = 0.05
"""Seconds within which the server notices that it is to stop."""
BUCKETS = ("sft-emulator", "my-bucket")
"""Buckets that are there from the start; the shipped experiments name the second one."""


def _parsed(faults: Sequence[Fault | dict[str, Any]]) -> list[Fault]:
    plain = [fault for fault in faults if isinstance(fault, dict)]
    ready = [fault for fault in faults if not isinstance(fault, dict)]
    return [*ready, *parse_faults(plain, "faults")]


class Emulator:
    """Vertex AI on 127.0.0.1, from `with` to its end.

    With `experiment` (a composed one with ``backend: local``) it tunes and answers for real
    with that experiment's model; else it plays `script`. State lives in `home`, or is gone
    at the end without one. Port 0 is a free one; the storage listens on the port above a
    given one. Raises MissingExtraError without the extra `emulator`, and BackendError when a
    port is taken.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        home: Path | None = None,
        script: Script | None = None,
        faults: Sequence[Fault | dict[str, Any]] = (),
        seed: int = 0,
        speed: float = 10_000,
        experiment: Experiment | None = None,
        quota: int = 1,
        default_epochs: int = 40,
        buckets: Sequence[str] = BUCKETS,
        listen: Callable[[LoggedRequest], None] | None = None,
    ) -> None:
        self._port, self._home, self._buckets = port, home, buckets
        self._script, self._experiment, self._quota = script or Script(), experiment, quota
        self._faults = Faults(_parsed(faults), seed)
        self._clock = Clock(speed, self._faults.skew)
        self._default_epochs = default_epochs
        self.log = RequestLog(listen)

    def __enter__(self) -> Self:
        for version in VERSIONS:
            api(version)
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        """Start everything; what was started is stopped in reverse order."""
        if self._port and not is_free(self._port):
            raise self._port_taken()
        folder = self._home
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sft-emulator-")))
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder if self._home else None
        registry = stack.enter_context(closing(Registry(kept and kept / "emulator.sqlite")))
        self.storage = StorageServer(kept and kept / "objects", self._port and self._port + 1)
        stack.callback(self.storage.close)
        for bucket in self._buckets:
            self.storage.make_bucket(bucket)
        self.service = EmulatedService(
            registry=registry,
            storage=self.storage,
            clock=self._clock,
            seed=self._faults.seed,
            script=self._script,
            faults=self._faults,
            default_epochs=self._default_epochs,
        )
        self.service.trainer = stack.enter_context(closing(self._trainer(folder)))
        queue = stack.enter_context(closing(JobQueue(self.service, self._quota)))
        self.service.queue = queue
        batches = stack.enter_context(closing(BatchJobs(self.service)))
        self.service.batches = batches
        self._serve(stack)
        queue.start()
        batches.resume()

    def _serve(self, stack: ExitStack) -> None:
        try:
            self._server = Server(self._port, self.service, self.log)
        except OSError:
            raise self._port_taken() from None
        stack.callback(self._server.server_close)
        threading.Thread(target=self._server.serve_forever, args=(POLL,), daemon=True).start()
        stack.callback(self._server.shutdown)

    def _port_taken(self) -> BackendError:
        said = "another program has it, or this user may not open it"
        return BackendError(f"port {self._port} cannot be used: {said}; choose another one: --port")

    def _trainer(self, folder: Path) -> Trainer:
        if self._experiment:
            return LocalTrainer(self._experiment, folder / "local")
        return ScriptedTrainer(self._script, self._rows)

    def _rows(self, uri: str) -> tuple[Example, ...]:
        content = self.storage.read(uri) or b""
        preference = b'"completions"' in content.partition(b"\n")[0]
        return read_dataset(api("v1beta1"), content, uri, preference=preference).rows

    @property
    def url(self) -> str:
        """Where clients send their requests: ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def plan(self, faults: Sequence[Fault | dict[str, Any]]) -> None:
        """Replace what is to go wrong from now on; counting begins anew."""
        self.service.faults = Faults(_parsed(faults), self.service.seed)
        self.service.clock.skew = self.service.faults.skew

    def overview(self) -> dict[str, Any]:
        """The same as ``GET /emulator``."""
        return overview(self._server)
