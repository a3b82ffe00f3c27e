"""The host's end of the generate worker: keeps one alive and passes questions and answers.

Wire format, one JSON object a line. To the worker: ``{"adapter", "generation", "requests"}``.
Back: ``{"prediction": ...}`` for each request in any order, then ``{"done": true}``; or
``{"error": sentence}`` when the call as a whole failed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from runner.backends.local import cpu, decoding
from runner.backends.local.chat import Chat
from runner.backends.local.decoding import Decoder
from runner.backends.local.jobs import holding
from runner.backends.local.process import GENERATE_NEEDS, Worker, require
from runner.base.errors import BackendError
from runner.records import Checkpoint, Generation, Prediction, Request


@dataclass
class Generator:
    """Starts the worker at the first question, and again after a crash."""

    folder: Path
    context_tokens: int
    device: str
    threads: int
    batch: int
    jobs: Path
    _worker: Worker | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def log(self) -> Path:
        return self.jobs / "generate.log"

    def answer(
        self, checkpoint: Checkpoint | None, requests: Sequence[Request], generation: Generation
    ) -> Iterator[Prediction]:
        """One call; others wait for their turn, and for a tuning job that has the device.

        Raises BackendError when the worker crashed; the next call starts a new one.
        """
        if not requests:
            return
        question = {
            "adapter": checkpoint.path if checkpoint else None,
            "generation": asdict(generation),
            "requests": [asdict(request) for request in requests],
        }
        with self._turn, holding(self.jobs / "device.lock"):
            worker = self._alive()
            finished = False
            try:
                worker.input.write(json.dumps(question).encode() + b"\n")
                worker.input.flush()
                for line in worker.output:
                    reply: dict[str, Any] = json.loads(line)
                    if "prediction" in reply:
                        yield Prediction.from_json(reply["prediction"])
                        continue
                    finished = True
                    if "error" in reply:
                        raise BackendError(reply["error"], log=str(self.log))
                    return
                raise BrokenPipeError
            except BrokenPipeError:
                worker.stop()
                raise BackendError(
                    f"generation stopped: {worker.exit_note() or 'the worker is gone'}",
                    transient=True,
                    log=str(self.log),
                ) from None
            finally:
                if not finished:  # crashed, or nobody wants the rest of the answers
                    self.close()

    def close(self) -> None:
        """End the worker. The next question starts a new one."""
        worker, self._worker = self._worker, None
        if worker:
            worker.stop()

    def _alive(self) -> Worker:
        if self._worker and self._worker.process.poll() is not None:
            self.close()
        if self._worker is None:
            require(GENERATE_NEEDS, "Generation on this machine")
            self.jobs.mkdir(parents=True, exist_ok=True)
            settings = {
                "folder": str(self.folder),
                "context_tokens": self.context_tokens,
                "device": self.device,
                "threads": self.threads,
                "batch": self.batch,
            }
            self._worker = Worker(
                "runner.backends.local.generate_worker",
                [json.dumps(settings)],
                log=self.log,
                threads=self.threads,
                talk=True,
            )
        return self._worker


# Answering requests with one loaded base model and any number of adapters.

ADAPTERS_KEPT = 8


class Answerer:
    """The base model stays; adapters come and go by path, switched and never merged."""

    def __init__(
        self, folder: Path, *, context_tokens: int, device: str, threads: int, batch: int
    ) -> None:
        torch.set_num_threads(threads)
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self.chat = Chat(folder)
        self.context_tokens = context_tokens
        self.batch = batch
        self.base = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype).to(device)
        self.base.eval().requires_grad_(False)
        if device == "cpu" and cpu.pays():
            cpu.speed_up(self.base)
            cpu.favour_few_rows(self.base.base_model)
        if decoding.supports(self.base):
            decoding.install(self.base)
        self.tuned: PeftModel | None = None
        self.adapters: list[str] = []

    def answer(
        self, adapter: str | None, requests: Sequence[Request], generation: Generation
    ) -> Iterator[Prediction]:
        """A prediction for each request; prompts too long for the context get an error."""
        fitting: list[tuple[str, list[int]]] = []
        for request in requests:
            ids = self.chat.prompt(request.system, request.contents)
            if len(ids) + generation.max_tokens <= self.context_tokens:
                fitting.append((request.id, ids))
            else:
                yield self._too_long(request.id, len(ids), generation.max_tokens)
        decoder = Decoder(self.base, self.chat, generation)
        names, prompts = [name for name, _ in fitting], [ids for _, ids in fitting]
        with torch.inference_mode(), self._using(adapter):
            for answer in decoder.run(prompts, self.batch, names):
                yield Prediction(
                    id=names[answer.index],
                    text=answer.text,
                    finish=answer.finish,
                    prompt_tokens=len(prompts[answer.index]),
                    output_tokens=answer.tokens,
                )

    def _too_long(self, name: str, length: int, wanted: int) -> Prediction:
        error = (
            f"the prompt has {length} tokens; with up to {wanted} for the answer it does not fit "
            f"into model.context_tokens={self.context_tokens}"
        )
        return Prediction(name, "", error, "error", prompt_tokens=length, cause="too_long")

    def _using(self, adapter: str | None) -> AbstractContextManager[Any]:
        """Switch to the adapter in this folder, or to the untuned model."""
        if adapter is None:
            return self.tuned.disable_adapter() if self.tuned else nullcontext()
        tuned = self.tuned = self._with(adapter)
        tuned.set_adapter(_name(adapter))
        tuned.eval().requires_grad_(False)
        if tuned.device.type == "cpu" and cpu.pays():
            cpu.speed_up(tuned)
        while len(self.adapters) > ADAPTERS_KEPT:
            tuned.delete_adapter(_name(self.adapters.pop(0)))
        return nullcontext()

    def _with(self, adapter: str) -> PeftModel:
        """The model with this adapter loaded, as the most recently used one."""
        if adapter in self.adapters:
            self.adapters.remove(adapter)
            self.adapters.append(adapter)
            return self.tuned
        self.adapters.append(adapter)
        if self.tuned is None:
            return PeftModel.from_pretrained(self.base, adapter, adapter_name=_name(adapter))
        self.tuned.load_adapter(adapter, adapter_name=_name(adapter))
        return self.tuned


def _name(adapter: str) -> str:
    """Module names must not hold dots."""
    return adapter.replace(".", "_")
