"""Batched decoding with a shared prefix: our own loop, equal to `generate` token by token.

What it does beyond transformers' `generate`: tokens that all prompts begin with are computed and
held once per call, rows that have finished leave their batch, stop strings end one row and not
the batch, and sampling is seeded per request, so that an answer does not depend on its
neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from transformers import DynamicCache

from runner.local.chat import Chat
from runner.local.memory import Layers, Memory, longest_prefix, read_prefix, supports
from runner.records import Generation

SHORTEST_PREFIX = 16
COMPACT_BELOW = 0.75
"""Finished rows leave once fewer than this share of the batch is still going."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`index` is the prompt's position; `tokens` counts the end of turn, too."""

    index: int
    text: str
    tokens: int
    finish: Literal["stop", "length"]


class Decoder:
    """Decodes with a model in eval mode under `torch.inference_mode`."""

    def __init__(self, model: Any, chat: Chat, generation: Generation) -> None:
        self.model = model
        self.chat = chat
        self.generation = generation
        self.shares = supports(model)

    def run(
        self, prompts: Sequence[list[int]], batch: int, names: Sequence[str]
    ) -> Iterator[Answer]:
        """Answers, batch by batch from the shortest prompts up. `names` seed the sampling."""
        cut = self._shared_prefix(prompts) if self.shares and len(prompts) > 1 else 0
        prefix = read_prefix(self.model, prompts[0][:cut]) if cut else []
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            rows = [_Row(index, names[index], self.generation, self.chat) for index in chosen]
            yield from self._batch(rows, [prompts[index][cut:] for index in chosen], prefix)

    def _shared_prefix(self, prompts: Sequence[list[int]]) -> int:
        """Leading tokens all prompts have in common; each prompt keeps at least one more."""
        low, high = min(prompts), max(prompts)  # all others lie between these two
        limits = [*map(len, prompts), (longest_prefix(self.model) or len(low)) + 1]
        cut = 0
        while cut < min(limits) - 1 and low[cut] == high[cut]:
            cut += 1
        return cut if cut >= SHORTEST_PREFIX else 0

    def _batch(
        self, rows: list[_Row], suffixes: Sequence[list[int]], prefix: Layers
    ) -> Iterator[Answer]:
        device = self.model.device
        longest = max(map(len, suffixes))
        gaps = torch.tensor([longest - len(suffix) for suffix in suffixes], device=device)
        pass_on = (
            _Shared(prefix, gaps, longest + self.generation.max_tokens)
            if self.shares
            else _Plain(self.model.config, gaps)
        )
        padded = [[0] * (longest - len(suffix)) + suffix for suffix in suffixes]
        ids = torch.tensor(padded, device=device)
        while True:
            logits = self.model(
                input_ids=ids, use_cache=True, logits_to_keep=1, **pass_on.arguments(ids.shape[1])
            ).logits[:, -1]
            pass_on.advance(ids.shape[1])
            best = logits.argmax(-1).tolist() if self.generation.temperature == 0 else None
            for number, row in enumerate(rows):
                if row.finish is None:
                    token = best[number] if best else row.draw(logits[number])
                    if finish := row.take(token):
                        yield Answer(row.index, row.text(), len(row.ids), finish)
            going = [number for number, row in enumerate(rows) if row.finish is None]
            if not going:
                return
            if len(going) < COMPACT_BELOW * len(rows):
                pass_on.keep(torch.tensor(going, device=device))
                rows = [rows[number] for number in going]
            ids = torch.tensor([[row.ids[-1]] for row in rows], device=device)


class _Row:
    """One answer in the making."""

    def __init__(self, index: int, name: str, generation: Generation, chat: Chat) -> None:
        self.index = index
        self.generation = generation
        self.chat = chat
        self.ids: list[int] = []
        self.finish: Literal["stop", "length"] | None = None
        seed = hashlib.sha256(f"{generation.seed}/{name}".encode()).digest()[:8]
        self._random = torch.Generator().manual_seed(int.from_bytes(seed, "big") >> 1)

    def draw(self, logits: torch.Tensor) -> int:
        """A token by its probability, from this row's own random numbers."""
        scaled = logits.float().cpu() / self.generation.temperature
        drawn = torch.multinomial(scaled.softmax(-1), 1, generator=self._random)
        return int(drawn)

    def take(self, token: int) -> Literal["stop", "length"] | None:
        """Append a token; say whether and how the answer ends with it."""
        self.ids.append(token)
        if token in self.chat.end_ids or self._stops():
            self.finish = "stop"
        elif len(self.ids) >= self.generation.max_tokens:
            self.finish = "length"
        return self.finish

    def text(self) -> str:
        """The answer, cut before the first stop string."""
        text = self.chat.decode(self.ids)
        found = [text.find(stop) for stop in self.generation.stop if stop in text]
        return text[: min(found)] if found else text

    def _stops(self) -> bool:
        if not self.generation.stop:
            return False
        text = self.chat.decode(self.ids)
        return any(stop in text for stop in self.generation.stop)


class _Held(Protocol):
    """What a batch passes on from step to step."""

    def arguments(self, tokens: int) -> dict[str, Any]:
        """For the model's next pass over `tokens` tokens a row."""

    def advance(self, tokens: int) -> None: ...

    def keep(self, rows: torch.Tensor) -> None: ...


class _Shared:
    """Our memory: prefix held once, attention of our own."""

    def __init__(self, prefix: Layers, gaps: torch.Tensor, capacity: int) -> None:
        self.memory = Memory(prefix, gaps, capacity)

    def arguments(self, tokens: int) -> dict[str, Any]:
        memory = self.memory
        end = memory.length + tokens
        own = torch.arange(memory.length, end, device=memory.gaps.device) - memory.gaps[:, None]
        positions = memory.shared + own.clamp(min=0)
        return {"position_ids": positions, "past_key_values": memory, "memory": memory}

    def advance(self, tokens: int) -> None:
        self.memory.advance(tokens)

    def keep(self, rows: torch.Tensor) -> None:
        self.memory.keep(rows)


class _Plain:
    """transformers' own cache and mask, for models with other kinds of layers."""

    def __init__(self, config: Any, gaps: torch.Tensor) -> None:
        self.cache = DynamicCache(config=config)
        self.gaps = gaps
        self.length = 0

    def arguments(self, tokens: int) -> dict[str, Any]:
        at = torch.arange(self.length + tokens, device=self.gaps.device)
        mask = (at >= self.gaps[:, None]).long()
        positions = (at[self.length :] - self.gaps[:, None]).clamp(min=0)
        cache = self.cache
        return {"attention_mask": mask, "position_ids": positions, "past_key_values": cache}

    def advance(self, tokens: int) -> None:
        self.length += tokens

    def keep(self, rows: torch.Tensor) -> None:
        self.cache.batch_select_indices(rows)
        self.gaps = self.gaps[rows]
