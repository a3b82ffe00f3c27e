"""Batched decoding with a shared prefix: our own loop, equal to `generate` token by token.

What it does beyond transformers' `generate`: tokens that all prompts begin with are computed
once per call, a row that has finished leaves its batch, stop strings end one row and not the
batch, and sampling is seeded per request, so that an answer does not depend on its neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import DynamicCache

from runner.local.chat import Chat
from runner.records import Generation

SHORTEST_PREFIX = 16


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

    def run(
        self, prompts: Sequence[list[int]], batch: int, names: Sequence[str]
    ) -> Iterator[Answer]:
        """Answers, batch by batch from the shortest prompts up. `names` seed the sampling."""
        if not prompts:
            return
        cut = self._shared_prefix(prompts)
        prefix = self._prefix_cache(prompts[0][:cut])
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            rows = [_Row(index, names[index], self.generation) for index in chosen]
            yield from self._batch(rows, [prompts[index][cut:] for index in chosen], cut, prefix)

    def _shared_prefix(self, prompts: Sequence[list[int]]) -> int:
        """Leading tokens all prompts have in common; each prompt keeps at least one more."""
        types = getattr(self.model.config.get_text_config(), "layer_types", None) or []
        if any(kind != "full_attention" for kind in types):
            return 0  # a sliding window would be filled with the padding behind the prefix
        low, high = min(prompts), max(prompts)  # all others lie between these two
        cut = 0
        limit = min(map(len, prompts)) - 1
        while cut < limit and low[cut] == high[cut]:
            cut += 1
        return cut if cut >= SHORTEST_PREFIX and len(prompts) > 1 else 0

    def _prefix_cache(self, prefix: Sequence[int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values of every layer for the prefix."""
        if not prefix:
            return []
        cache = DynamicCache()
        ids = torch.tensor([prefix], device=self.model.device)
        self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return [(layer.keys, layer.values) for layer in cache.layers]

    def _batch(
        self,
        rows: list[_Row],
        suffixes: Sequence[list[int]],
        cut: int,
        prefix: Sequence[tuple[torch.Tensor, torch.Tensor]],
    ) -> Iterator[Answer]:
        cache = _expanded(prefix, len(rows)) if cut else DynamicCache(config=self.model.config)
        ids, mask = _left_padded(suffixes, cut, self.model.device)
        positions = cut + mask[:, cut:].cumsum(1) - 1
        positions.clamp_(min=0)
        while True:
            logits = self.model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
            best = logits.argmax(-1).tolist() if self.generation.temperature == 0 else None
            going = []
            for number, row in enumerate(rows):
                row.take(best[number] if best else row.draw(logits[number]), self.chat)
                if row.finish is None:
                    going.append(number)
                else:
                    yield Answer(row.index, row.text(self.chat), len(row.ids), row.finish)
            if not going:
                return
            if len(going) < len(rows):
                keep = torch.tensor(going, device=ids.device)
                cache.batch_select_indices(keep)
                mask, positions = mask[keep], positions[keep]
                rows = [rows[number] for number in going]
            ids = torch.tensor([[row.ids[-1]] for row in rows], device=ids.device)
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            positions = positions[:, -1:] + 1


class _Row:
    """One answer in the making."""

    def __init__(self, index: int, name: str, generation: Generation) -> None:
        self.index = index
        self.generation = generation
        self.ids: list[int] = []
        self.finish: Literal["stop", "length"] | None = None
        seed = hashlib.sha256(f"{generation.seed}/{name}".encode()).digest()[:8]
        self._random = torch.Generator().manual_seed(int.from_bytes(seed, "big") >> 1)

    def draw(self, logits: torch.Tensor) -> int:
        """A token by its probability, from this row's own random numbers."""
        scaled = logits.float().cpu() / self.generation.temperature
        drawn = torch.multinomial(scaled.softmax(-1), 1, generator=self._random)
        return int(drawn)

    def take(self, token: int, chat: Chat) -> None:
        self.ids.append(token)
        if token in chat.end_ids or self._stopped(chat):
            self.finish = "stop"
        elif len(self.ids) >= self.generation.max_tokens:
            self.finish = "length"

    def text(self, chat: Chat) -> str:
        """The answer, cut before the first stop string."""
        text = chat.decode(self.ids)
        found = [text.find(stop) for stop in self.generation.stop if stop in text]
        return text[: min(found)] if found else text

    def _stopped(self, chat: Chat) -> bool:
        if not self.generation.stop:
            return False
        text = chat.decode(self.ids)
        return any(stop in text for stop in self.generation.stop)


def _expanded(prefix: Sequence[tuple[torch.Tensor, torch.Tensor]], rows: int) -> DynamicCache:
    """A cache in which every row has the prefix already."""
    cache = DynamicCache()
    for number, (keys, values) in enumerate(prefix):
        cache.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), number)
    return cache


def _left_padded(
    suffixes: Sequence[list[int]], cut: int, device: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids (rows, longest) and the mask over prefix, padding and suffix (rows, cut + longest)."""
    longest = max(map(len, suffixes))
    ids = torch.zeros(len(suffixes), longest, dtype=torch.long, device=device)
    mask = torch.ones(len(suffixes), cut + longest, dtype=torch.long, device=device)
    for number, suffix in enumerate(suffixes):
        gap = longest - len(suffix)
        ids[number, gap:] = torch.tensor(suffix, device=device)
        mask[number, cut : cut + gap] = 0
    return ids, mask
