"""TRL's SFTTrainer with token-exact metrics, and with the leaner forward pass on one device."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from trl import SFTTrainer

from runner.backends.local import cpu
from runner.backends.local.loss import TokenSums, least_saving, supported, token_sums
from runner.backends.local.rows import Encoded

EVAL_BATCH = 16
STRETCH = 50
"""Batches within which rows are put together, as the grouping by length does."""


class ExactTrainer(SFTTrainer):  # type: ignore[misc]
    """Rows come ready-tokenised. Training and evaluation add up loss, hits and label tokens, so
    that curves are exact whatever the batches are; TRL's own means weigh batches equally."""

    def __init__(
        self,
        *,
        eval_rows: Sequence[Encoded],
        beginnings: Sequence[int],
        lean: bool | None = None,
        **rest: Any,
    ):
        """`beginnings` are the training rows' (see `Encoded`); `lean` forces or forbids the leaner
        forward pass."""
        super().__init__(**rest)
        self._beginnings = beginnings
        self.eval_batches = _batches(eval_rows)
        self._base = self.model.get_base_model()
        if lean is None:
            # Wrapped models want to be called as a whole, and recomputing keeps no cache.
            alone = self.args.world_size == 1 and not self.args.gradient_checkpointing
            lean = alone and supported(self._base)
        self.lean = lean
        self._least = least_saving(self._base) if lean else math.inf
        if lean and self.args.device.type == "cpu" and cpu.pays():
            cpu.speed_up(self.model)
        self._window: list[TokenSums] = []
        self._outputs: Any = None
        self.model.register_forward_hook(self._catch)

    @property
    def shares(self) -> bool:
        """Whether what rows begin with is computed once a batch, where that pays."""
        return math.isfinite(self._least)

    def _catch(self, module: Any, inputs: Any, outputs: Any) -> None:
        """Keep TRL's per-token outputs of the latest forward pass."""
        self._outputs = outputs

    # --- training --------------------------------------------------------------------------

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """TRL's order, by length; of rows with several beginnings those with the same one
        together, so that a batch has something to share."""
        sampler = super()._get_train_sampler(train_dataset)
        if not self.shares or len(set(self._beginnings)) < 2:
            return sampler
        return BeginningSampler(sampler, self._beginnings, self._train_batch_size)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Mean loss over the label tokens of the optimiser step."""
        if self.lean:
            sums = self._lean_sums(inputs)
            number = sums.count if num_items_in_batch is None else num_items_in_batch
            loss = sums.loss / number
        else:
            loss = super().compute_loss(model, inputs, num_items_in_batch=num_items_in_batch)
            sums = self._caught_sums()
        self._window.append(TokenSums(sums.loss.detach(), sums.correct, sums.count))
        return loss

    def take_window(self) -> tuple[float, float, int]:
        """Loss and share of hits per label token, and label tokens, since the last call; over
        all processes. (nan, nan, 0) when there was none."""
        window, self._window = self._window, []
        return self._over_all([(sums.loss, sums.correct, sums.count) for sums in window])

    def _lean_sums(self, inputs: dict[str, Any]) -> TokenSums:
        rows = (inputs["input_ids"], inputs["attention_mask"], inputs["labels"])
        # What accelerate does to the model as a whole, which is not called here.
        with self.accelerator.autocast():
            return token_sums(self._base, *rows, least=self._least)

    def _caught_sums(self) -> TokenSums:
        seen, self._outputs = self._outputs, None
        return TokenSums(-seen.log_probs.sum(), seen.is_top1.sum(), seen.label_mask.sum())

    # --- evaluation ------------------------------------------------------------------------

    def evaluate(self, *unused: Any, **ignored: Any) -> dict[str, float]:
        """Exact loss and share of hits over the validation rows. Draws no random number, so a
        resumed run continues exactly like an unbroken one."""
        start = time.perf_counter()
        self.model.eval()
        found = [
            (sums.loss * weight, sums.correct * weight, sums.count * weight)
            for inputs, weight in self._my_share()
            for sums in (self._eval_sums(inputs),)
        ]
        loss, share, count = self._over_all(found)
        metrics = {
            "eval_loss": loss,
            "eval_share": share,
            "eval_predictions": float(count),
            "eval_runtime": time.perf_counter() - start,
        }
        self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _my_share(self) -> Iterator[tuple[dict[str, torch.Tensor], int]]:
        """This process's batches with weight 1, filled up with batches of weight 0: sharded
        models need every process to make the same number of passes."""
        size, rank = self.args.world_size, self.args.process_index
        for number in range(math.ceil(len(self.eval_batches) / size)):
            position = number * size + rank
            weight = int(position < len(self.eval_batches))
            rows = self.eval_batches[position * weight]
            raw = [{"input_ids": row.ids, "labels": row.labels} for row in rows]
            yield self._prepare_inputs(self.data_collator(raw)), weight

    def _eval_sums(self, inputs: dict[str, torch.Tensor]) -> TokenSums:
        with torch.no_grad(), self.compute_loss_context_manager():
            if self.lean:
                return self._lean_sums(inputs)
            self.model(**inputs, use_cache=False, fused_lm_head=True)
        return self._caught_sums()

    def _over_all(self, sums: Sequence[tuple[torch.Tensor, ...]]) -> tuple[float, float, int]:
        total = torch.zeros(3, dtype=torch.float64, device=self.args.device)
        for entry in sums:
            total += torch.stack([value.detach().double() for value in entry])
        loss, correct, count = self.accelerator.reduce(total).tolist()
        return (loss / count, correct / count, int(count)) if count else (math.nan, math.nan, 0)


class BeginningSampler(torch.utils.data.Sampler[int]):  # type: ignore[misc]
    """Regroups another sampler's order: within a stretch of `STRETCH` batches, rows of one
    beginning follow each other, in that sampler's order. The beginnings' own order is drawn anew
    for each stretch from torch's generator, as the other sampler's order is."""

    def __init__(self, inner: Any, beginnings: Sequence[int], batch: int) -> None:
        self._inner = inner
        self._beginnings = beginnings
        self._stretch = STRETCH * batch

    def __len__(self) -> int:
        return len(self._beginnings)

    def __iter__(self) -> Iterator[int]:
        order = list(self._inner)
        for at in range(0, len(order), self._stretch):
            places = torch.randperm(max(self._beginnings) + 1).tolist()
            stretch = order[at : at + self._stretch]
            yield from sorted(stretch, key=lambda row: places[self._beginnings[row]])


def _batches(rows: Sequence[Encoded]) -> list[list[Encoded]]:
    """Rows with the same beginning and of similar length together, so that much is shared and
    little is padded."""
    ordered = sorted(rows, key=lambda row: (row.beginning, len(row.ids)))
    return [ordered[at : at + EVAL_BATCH] for at in range(0, len(ordered), EVAL_BATCH)]
