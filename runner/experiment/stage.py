"""What a stage is: something that is made once, and found again by everything it is made of.

A stage is a frozen dataclass. Most have no fields, and an arm has one of each; where it has
several, the fields say which (`answer_set.AnswerSet`). `ArmRun` makes them: whatever a stage
needs is made before it, and what an arm before, or a run before, has made is found in the store.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast

from runner.backends.protocol import Backend, BackendTerms, backend_terms
from runner.base.digests import digest_of
from runner.config import Experiment
from runner.experiment.context import RunContext
from runner.experiment.paid_vectors import PaidVectors
from runner.money import Account, Band, Order
from runner.records import Checkpoint, read_record_list
from runner.records.results import ArmKind
from runner.store.artifacts import Artifact

# Whose answers to which rows: what an arm is measured by.

ONCE = Band(1.0, 1.0)


@dataclass(frozen=True, slots=True)
class CheckpointsToCome:
    """Checkpoints of a job that has not ended: so many will answer, and they all cost the same."""

    count: Band


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """The answers to all examples of a split."""

    split: str
    by: Checkpoint | CheckpointsToCome | None = None
    """Who answers; None for the untuned model."""
    shots: int = 0
    """Worked examples in front of each prompt."""

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The checkpoint that answers; None for the untuned model. Those to come can be asked
        nothing, so this raises for them."""
        if isinstance(self.by, CheckpointsToCome):
            raise ValueError("a checkpoint that is still to come cannot be asked")
        return self.by

    @property
    def tuned(self) -> bool:
        return self.by is not None

    @property
    def times(self) -> Band:
        """How often the split is answered: once, but for checkpoints to come."""
        return self.by.count if isinstance(self.by, CheckpointsToCome) else ONCE

    @property
    def what(self) -> str:
        """What a bill calls it: ``test``, ``validation`` or ``baseline test``."""
        return self.split if self.tuned else f"baseline {self.split}"


TestState = Literal["open", "expected", "sealed"]
"""Whether an arm answers the test split: it does; a forecast takes it for one of the finalists that
will (``suite.sealed``); it does not, or not yet."""

T = TypeVar("T")
V = TypeVar("V")
VECTORS = "vectors.json"
"""In an artifact: the labels of the vectors that were paid for to make it."""


class _Held(threading.local):
    """What a thread keeps of the last thing that took long to work out."""

    owner: ArmRun | None = None
    stage: Stage[Any] | None = None
    value: Any = None


_held = _Held()


class Stage(ABC, Generic[T]):
    """A step from inputs to one artifact, whose content is read as a `T`."""

    name: ClassVar[str]
    """What plans and results call it."""
    folder: ClassVar[str]
    """The store's folder for it; its name, unless it says otherwise."""
    of_data: ClassVar[bool] = False
    """Whether it makes what is tuned on. `sft check` and `sft plan` make these, and nothing after
    them; where one of them has to be paid for, they are told so with `--pay`."""

    def __init_subclass__(cls) -> None:
        if "name" in vars(cls) and "folder" not in vars(cls):
            cls.folder = cls.name

    @staticmethod
    @abstractmethod
    def version() -> str:
        """Raised when the same inputs come to something else. Part of the identity of every arm
        that goes through the stage; to be put into `key` by the stage itself."""

    @classmethod
    def wanted(cls, experiment: Experiment) -> bool:
        """Whether the configuration asks for this stage."""
        return True

    @classmethod
    def may_cost(cls, experiment: Experiment) -> bool:
        """Whether there may be something to pay for, so that it is worth asking what."""
        return experiment.model.priced is not None

    @classmethod
    def of(cls, run: ArmRun) -> Iterable[Stage[Any]]:
        """What the arm has of this stage, whoever answers."""
        return (cls(),) if cls.wanted(run.experiment) else ()

    @classmethod
    def about(cls, run: ArmRun, answers: AnswerSet) -> Iterable[Stage[Any]]:
        """What the arm has of this stage for one set of answers."""
        return ()

    def needs(self, run: ArmRun) -> Iterable[Stage[Any]]:
        """What has to be there before `key` can be worked out."""
        return ()

    @abstractmethod
    def key(self, run: ArmRun) -> Mapping[str, Any]:
        """Everything that determines the content, as JSON: versions, settings, and the digests
        of what is read. Never a place, a position or a time."""

    def asks(self, run: ArmRun) -> Iterable[Order]:
        """What making it would buy now: nothing of what is there already. Must not buy anything,
        nor make what has a price; where an input is not there yet, it is an estimate."""
        return ()

    @abstractmethod
    def build(self, run: ArmRun, out: Path) -> None:
        """Fill the folder `out`. An exception leaves no artifact."""

    @abstractmethod
    def read(self, path: Path) -> T:
        """The content of a finished artifact."""


class AnswerStage(Stage[T]):
    """A stage that there is once for each set of answers. Subclasses are dataclasses with the
    field `answers`."""

    answers: AnswerSet

    @classmethod
    def of(cls, run: ArmRun) -> Iterable[Stage[Any]]:
        return ()

    @classmethod
    def about(cls, run: ArmRun, answers: AnswerSet) -> Iterable[Stage[Any]]:
        make = cast("Callable[[AnswerSet], Stage[Any]]", cls)
        return (make(answers),) if cls.wanted(run.experiment) else ()


class ArmRun:
    """One arm's view of the stages. Belongs to one thread at a time; what is shared with other
    arms (`context`, `backend`) is safe to use from several."""

    def __init__(
        self,
        experiment: Experiment,
        backend: Backend,
        context: RunContext,
        account: Account | None = None,
        kind: ArmKind = "tuned",
        shots: int = 0,
        replicate: int = 1,
        contested: bool = False,
    ) -> None:
        self.experiment, self.backend, self.context = experiment, backend, context
        self.account = account or Account(context.ledger, experiment, "", "")
        self.kind, self.shots, self.replicate = kind, shots, replicate
        self.contested = contested
        """Whether it is one of several untuned arms of which validation chooses the strongest."""
        self.test: TestState = "sealed" if experiment.suite.sealed else "open"
        self.encode = PaidVectors(backend, context, self.account)
        """Texts as vectors, paid for where they have to be."""
        self._made: dict[Stage[Any], Artifact] = {}
        self._keys: dict[Stage[Any], Mapping[str, Any]] = {}

    @property
    def terms(self) -> BackendTerms:
        """How the backend works, as far as time and money depend on it."""
        return backend_terms(self.backend)

    @property
    def run_seed(self) -> int:
        """What a replicate has of its own: the draw of its training rows, their order and the
        weights it starts with. Splits, validation and test rows go by the experiment's seed, so
        that all replicates answer the same ones."""
        return self.experiment.seed + self.replicate - 1

    def backend_identity(self) -> dict[str, object]:
        """What about the backend determines results: what it says of itself and, of a plug-in, what
        the user has set, whether it speaks of that or not."""
        return {**self.backend.identity(), **self.experiment.backend.identity()}

    def key(self, stage: Stage[Any]) -> Mapping[str, Any]:
        """The stage's key; what it needs is made if it is not there."""
        if stage not in self._keys:
            for need in stage.needs(self):
                self.make(need)
            self._keys[stage] = stage.key(self)
        return self._keys[stage]

    def digest(self, stage: Stage[Any]) -> str:
        """The name of the stage's artifact, and what it is paid for under."""
        return digest_of({"stage": stage.folder, **self.key(stage)})

    def find(self, stage: Stage[Any]) -> Artifact | None:
        """The artifact, or None where it, or something it needs, is still to be made."""
        if stage in self._made:
            return self._made[stage]
        if not all(self.find(need) for need in stage.needs(self)):
            return None
        return self.context.store.get(stage.folder, self.digest(stage))

    def make(self, stage: Stage[Any]) -> Artifact:
        """The artifact, made now if it is not there."""
        if stage not in self._made:
            key, store = self.key(stage), self.context.store
            self.account.used.add(self.digest(stage))

            def build(out: Path) -> None:
                with self.encode.noted() as labels:
                    stage.build(self, out)
                if labels:
                    (out / VECTORS).write_text(json.dumps(labels), encoding="utf-8")

            made = store.make(stage.folder, key, build)
            if (file := made.path / VECTORS).is_file():
                self.account.used.update(read_record_list(file, str))
            self._made[stage] = made
        return self._made[stage]

    def read(self, stage: Stage[T]) -> T:
        """What the artifact holds, made now if it is not there."""
        return stage.read(self.make(stage).path)

    def hold(self, stage: Stage[Any], work_out: Callable[[], V]) -> V:
        """What `work_out` gives, kept until this thread holds something else: a stage's key, its
        price and its content often go by the same thing, which takes long to work out and much
        memory to keep."""
        if _held.owner is not self or _held.stage != stage:
            value = work_out()  # which may hold something else on the way
            _held.owner, _held.stage, _held.value = self, stage, value
        return cast("V", _held.value)
