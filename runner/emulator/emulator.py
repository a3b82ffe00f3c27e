"""The emulator as one thing to start and stop."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from runner.emulator import batch
from runner.emulator.clock import Clock
from runner.emulator.dataset import read_dataset
from runner.emulator.discovery import VERSIONS, api
from runner.emulator.faults import Fault, Faults, parse_faults
from runner.emulator.foreman import Foreman
from runner.emulator.registry import Registry
from runner.emulator.script import Script
from runner.emulator.scripted import ScriptedTrainer
from runner.emulator.server import Entry, Log, Server, overview
from runner.emulator.service import Service
from runner.emulator.storage import Storage
from runner.errors import BackendError
from runner.records import Example

if TYPE_CHECKING:
    from runner.config import Experiment

BUCKET = "sft-emulator"
"""The bucket that is there from the start."""


def _parsed(faults: Sequence[Fault | dict[str, Any]]) -> list[Fault]:
    plain = [fault for fault in faults if isinstance(fault, dict)]
    ready = [fault for fault in faults if not isinstance(fault, dict)]
    return [*ready, *parse_faults(plain, "faults")]


class Emulator:
    """Vertex AI on 127.0.0.1, from `with` to its end.

    With `experiment` (a composed one with ``backend: local``) it tunes and answers for real
    with that experiment's model; else it plays `script`. State lives in `home`, or is gone
    at the end without one. Raises MissingExtraError without the extra `emulator`, and
    BackendError when the port is taken.
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
        buckets: Sequence[str] = (BUCKET,),
        listen: Callable[[Entry], None] | None = None,
    ) -> None:
        for version in VERSIONS:
            api(version)
        plan = Faults(_parsed(faults), seed)
        self._temporary = tempfile.TemporaryDirectory(prefix="sft-emulator-")
        folder = home or Path(self._temporary.name)
        folder.mkdir(parents=True, exist_ok=True)
        storage = Storage(home / "objects" if home else None)
        self.service = Service(
            registry=Registry(home / "emulator.sqlite" if home else None),
            storage=storage,
            clock=Clock(speed, plan.skew),
            seed=seed,
            script=script or Script(),
            faults=plan,
            default_epochs=default_epochs,
        )
        self.service.trainer = self._trainer(experiment, folder)
        self.service.foreman = Foreman(self.service, quota)
        self.log = Log(listen)
        self._port, self._buckets = port, buckets

    def _trainer(self, experiment: Experiment | None, folder: Path) -> Any:
        if experiment:
            from runner.emulator.trained import LocalTrainer

            return LocalTrainer(experiment, folder / "local")
        return ScriptedTrainer(self.service.script, self._rows)

    def _rows(self, uri: str) -> tuple[Example, ...]:
        content = self.service.storage.read(uri) or b""
        preference = b'"completions"' in content.partition(b"\n")[0]
        return read_dataset(api("v1beta1"), content, uri, preference=preference).rows

    @property
    def url(self) -> str:
        """Where clients send their requests: ``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def storage(self) -> Storage:
        """The Cloud Storage stand-in."""
        return self.service.storage

    def plan(self, faults: Sequence[Fault | dict[str, Any]]) -> None:
        """Replace what is to go wrong from now on; counting begins anew."""
        self.service.faults = Faults(_parsed(faults), self.service.seed)
        self.service.clock.skew = self.service.faults.skew

    def overview(self) -> dict[str, Any]:
        """The same as ``GET /emulator``."""
        return overview(self._server)

    def __enter__(self) -> Self:
        for bucket in self._buckets:
            self.storage.make_bucket(bucket)
        try:
            self._server = Server(self._port, self.service, self.log)
        except OSError as error:
            self.storage.close()
            raise BackendError(
                f"port {self._port} cannot be used: {error.strerror}; choose another one: --port"
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()
        self.service.foreman.start()
        batch.resume(self.service)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.service.foreman.close()
        self.service.trainer.close()
        self.storage.close()
        self.service.registry.close()
        self._temporary.cleanup()
