"""The leaner forward pass and the faster products against TRL and plain torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the extra local is not installed")

import torch

from runner.backends.local.jobs import JobFolder, State
from runner.backends.local.rows import TrainSpec
from tests.backends.local import making


def spec(folder: Path, tiny: Path, **changes: Any) -> TrainSpec:
    job = making.make_job(folder)
    values: dict[str, Any] = {
        "label": "x",
        "model": str(tiny),
        "train": str(job.train),
        "validation": str(job.validation),
        "context_tokens": 1024,
        "epochs": 2,
        "learning_rate": 3e-2,
        "rank": 4,
        "alpha": 16,
        "dropout": 0.0,
        "upper_layers": None,
        "batch_size": 8,
        "accumulation": 1,
        "schedule": "cosine",
        "warmup": 0.1,
        "weight_decay": 0.0,
        "gradient_checkpointing": False,
        "max_steps": None,
        "seed": 3,
        "device": "cpu",
        "processes": 1,
        "threads": 1,
    }
    return TrainSpec(**(values | changes))


def run(spec: TrainSpec, folder: Path, *, lean: bool) -> dict[tuple[str, int], float]:
    """Train in this process; the curves by name and step."""
    from threading import Event

    from runner.backends.local.progress import Recorder
    from runner.backends.local.train import build

    job = JobFolder(folder)
    job.path.mkdir(parents=True)
    recorder = Recorder(job, State(), True, Event())
    trainer = build(spec, job.checkpoints, lean=lean)
    assert trainer.lean is lean
    recorder.trainer = trainer
    trainer.add_callback(recorder)
    trainer.args.eval_on_start = True
    trainer.train()
    return {(point.name, point.step): point.value for point in job.metrics()}


@pytest.mark.parametrize("accumulation", [1, 2])
def test_lean_training_equals_trl(tiny: Path, tmp_path: Path, accumulation: int) -> None:
    given = spec(tmp_path / "data", tiny, accumulation=accumulation, batch_size=4)
    lean = run(given, tmp_path / "lean", lean=True)
    usual = run(given, tmp_path / "usual", lean=False)
    assert lean.keys() == usual.keys()
    for key, value in usual.items():
        assert lean[key] == pytest.approx(value, rel=2e-4), key
    # TRL's loss falls as well: the comparison is not one of two standstills.
    last = max(step for _, step in usual)
    assert usual["eval_total_loss", last] < usual["eval_total_loss", 0] - 0.1


def test_curves_equal_sums_made_by_hand(tiny: Path, tmp_path: Path) -> None:
    """Loss and hits before training, from the model's own logits, row by row."""
    from transformers import AutoModelForCausalLM

    from runner.backends.local.chat import Chat
    from runner.backends.local.rows import encode

    given = spec(tmp_path / "data", tiny, max_steps=1)
    curves = run(given, tmp_path / "run", lean=True)
    model = AutoModelForCausalLM.from_pretrained(str(tiny), dtype=torch.float32).eval()
    loss, hits, count = 0.0, 0, 0
    for row in encode(Path(str(given.validation)), Chat(tiny), 1024):
        labels = torch.tensor(row.labels)[1:]
        with torch.no_grad():
            logits = model(torch.tensor([row.ids])).logits[0, :-1]
        chosen = labels != -100
        loss += float(torch.nn.functional.cross_entropy(logits[chosen], labels[chosen])) * int(
            chosen.sum()
        )
        hits += int((logits.argmax(-1) == labels)[chosen].sum())
        count += int(chosen.sum())
    assert curves["eval_total_loss", 0] == pytest.approx(loss / count, rel=1e-5)
    assert curves["eval_fraction_of_correct_next_step_preds", 0] == pytest.approx(hits / count)
    assert curves["eval_num_predictions", 0] == count


@pytest.mark.parametrize("shares", [True, False])
def test_gradients_with_a_shared_prefix(tiny: Path, tmp_path: Path, shares: bool) -> None:
    """Of a batch with and without a common beginning, against TRL's path."""
    from runner.backends.local.loss import shared_prefix
    from runner.backends.local.rows import Encoded
    from runner.backends.local.train import build

    trainer = build(spec(tmp_path / "data", tiny), tmp_path / "checkpoints", lean=True)
    start = [list(range(5, 25)), list(range(5, 25))] if shares else [[7] * 20, [8] * 20]
    rows = [
        Encoded([*head, 30, 40 + n, 50, 60], [-100] * (len(head) + 1) + [40 + n, 50, 60])
        for n, head in enumerate(start)
    ]
    rows.append(Encoded([*start[0], 31, 32, 33, 70, 2], [-100] * 23 + [70, 2]))
    raw = [{"input_ids": row.ids, "labels": row.labels} for row in rows]
    inputs = trainer.data_collator(raw)
    cut = shared_prefix(inputs["input_ids"], inputs["labels"])
    assert cut == (20 if shares else 0)
    gradients = []
    for lean in (True, False):
        trainer.lean = lean
        trainer.model.zero_grad()
        # A zero B would leave A without a gradient.
        for name, weight in trainer.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(
                    weight, std=0.05, generator=torch.Generator().manual_seed(len(name))
                )
        trainer.compute_loss(trainer.model, dict(inputs)).backward()
        trained = [p for p in trainer.model.parameters() if p.requires_grad]
        gradients.append([weight.grad.clone() for weight in trained])
    for ours, theirs in zip(*gradients, strict=True):
        assert theirs.abs().max() > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch lacks oneDNN here")
def test_products_equal_plain_ones() -> None:
    from runner.backends.local.cpu import AdaptedProduct, FrozenProduct

    torch.manual_seed(0)
    x = torch.randn(37, 24, requires_grad=True)
    weight = torch.randn(40, 24)
    a, b = torch.randn(4, 24, requires_grad=True), torch.randn(40, 4, requires_grad=True)
    wanted = torch.randn(37, 40)

    def gradients(out: torch.Tensor, *of: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad((out * wanted).sum(), of))

    plain = x @ weight.T
    torch.testing.assert_close(FrozenProduct.apply(x, weight), plain, rtol=1e-4, atol=1e-4)
    ours, theirs = gradients(FrozenProduct.apply(x, weight), x), gradients(plain, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    plain = x @ weight.T + 2.5 * (x @ a.T) @ b.T
    found = AdaptedProduct.apply(x, weight, a, b, 2.5)
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-4)
    ours, theirs = gradients(found, x, a, b), gradients(plain, x, a, b)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch lacks oneDNN here")
def test_sped_up_model_equals_the_plain_one(tiny: Path, tmp_path: Path) -> None:
    """Logits of base and adapter, with dropout left to PEFT."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from runner.backends.local.cpu import favour_few_rows, speed_up

    def made() -> Any:
        torch.manual_seed(1)
        base = AutoModelForCausalLM.from_pretrained(str(tiny), dtype=torch.float32)
        config = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
        return get_peft_model(base, config).eval()

    plain, fast = made(), made()
    favour_few_rows(fast.get_base_model().model)
    speed_up(fast)
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        torch.testing.assert_close(fast(ids).logits, plain(ids).logits, rtol=1e-4, atol=1e-5)
        with fast.disable_adapter(), plain.disable_adapter():
            untuned = plain(ids).logits
            torch.testing.assert_close(fast(ids).logits, untuned, rtol=1e-4, atol=1e-5)
        assert (plain(ids).logits - untuned).abs().max() > 1e-3


def test_dropout_draws_and_still_trains(tiny: Path, tmp_path: Path) -> None:
    given = spec(tmp_path / "data", tiny, dropout=0.1, max_steps=3)
    first = run(given, tmp_path / "first", lean=True)
    again = run(given, tmp_path / "again", lean=True)
    without = run(spec(tmp_path / "data", tiny, max_steps=3), tmp_path / "without", lean=True)
    assert first == again
    assert first["train_total_loss", 3] != without["train_total_loss", 3]


HEADS = {"num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48}
FAMILIES: dict[str, dict[str, Any]] = {
    "LlamaConfig": HEADS,
    "Qwen3Config": HEADS,
    "GemmaConfig": HEADS,
    "Gemma3TextConfig": {**HEADS, "sliding_window": 12},
    "MistralConfig": {**HEADS, "sliding_window": 12},
    "GPT2Config": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0},
    "GPTNeoXConfig": {},
    "BloomConfig": {},
}
TINY_SHAPE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
}


def of_family(config: str, **more: Any) -> Any:
    import transformers

    torch.manual_seed(0)
    made = getattr(transformers, config)(**TINY_SHAPE, **more)
    return transformers.AutoModelForCausalLM.from_config(made)


def sums_and_gradients(model: Any, share: bool, cut: int = 20) -> tuple[float, torch.Tensor]:
    """Of three rows of 34 tokens that begin alike, the second one padded."""
    from runner.backends.local.loss import shared_prefix, token_sums

    ids = torch.randint(3, 64, (3, 34), generator=torch.Generator().manual_seed(1))
    ids[:, :cut] = ids[:1, :cut]
    labels, mask = ids.clone(), torch.ones_like(ids)
    labels[:, : cut + 4] = -100
    mask[1, -5:], labels[1, -5:] = 0, -100
    ids, mask, labels = (each.to(model.device) for each in (ids, mask, labels))
    assert shared_prefix(ids, labels) >= cut
    model.zero_grad()
    sums = token_sums(model, ids, mask, labels, least=0 if share else math.inf)
    sums.loss.backward()
    found = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return sums.loss.item(), torch.cat(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_sharing_is_exact_in_every_family(family: str) -> None:
    """Also where a sliding window ends within what is shared."""
    from runner.backends.local.loss import shares

    model = of_family(family, **FAMILIES[family])
    assert shares(model)
    assert model.training, "trying it out leaves no trace"
    (shared, ours), (plain, theirs) = (sums_and_gradients(model, share) for share in (True, False))
    assert shared == pytest.approx(plain, rel=1e-6)
    assert float((ours - theirs).norm() / theirs.norm()) < 3e-6


@pytest.mark.parametrize(
    ("config", "more"),
    [
        ("MambaConfig", {"state_size": 8}),
        ("MistralConfig", {**HEADS, "sliding_window": 4096}),
    ],
)
def test_other_families_go_the_plain_way(config: str, more: dict[str, Any]) -> None:
    from runner.backends.local.loss import shares

    model = of_family(config, **more)
    assert not shares(model)
    loss, gradients = sums_and_gradients(model, share=False)
    assert loss > 0
    assert gradients.abs().max() > 0


def test_rows_with_several_instructions_are_put_together(tiny: Path, tmp_path: Path) -> None:
    """Every row comes once an epoch, batches share what they begin with, and a resumed run finds
    the same order."""
    from runner.backends.local.loss import shared_prefix
    from runner.backends.local.train import build
    from runner.records import write_jsonl

    given = spec(tmp_path / "data", tiny, batch_size=4)
    systems = ["Turn it into JSON, please.", "Give the number as an object.", "Only JSON."]
    examples = [making.example(n, systems[n % 3]) for n in range(24)]
    for path in (given.train, str(given.validation)):
        write_jsonl(Path(path), (each.to_json() for each in examples))
    trainer = build(given, tmp_path / "checkpoints")
    assert trainer.shares

    def batches() -> list[Any]:
        torch.manual_seed(5)
        return list(trainer.get_train_dataloader())

    first, second = batches(), batches()
    assert sum(len(batch["input_ids"]) for batch in first) == 24
    cuts = [shared_prefix(batch["input_ids"], batch["labels"]) for batch in first]
    assert all(cuts), "rows of one instruction in every batch"
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one["input_ids"], other["input_ids"])
    held_out = [row.beginning for batch in trainer.eval_batches for row in batch]
    assert held_out == sorted(held_out)
    assert len(set(held_out)) == 3
