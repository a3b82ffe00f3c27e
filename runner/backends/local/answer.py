"""Answering requests with one loaded base model and any number of adapters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from runner.backends.local import cpu, decoding
from runner.backends.local.chat import Chat
from runner.backends.local.decoding import Decoder
from runner.records import Generation, Prediction, Request

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
