"""One tuning run, from a spec to its result: model, LoRA, TRL trainer, resume.

`train` is one function of a spec and a folder, so that any launcher (a plain process,
`accelerate launch`, Ray Train) can call it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback
from trl import SFTConfig

from runner.backends.local.chat import Chat
from runner.backends.local.jobs import JobFolder, Trained
from runner.backends.local.progress import Recorder, sealed, sweep_torn, thin
from runner.backends.local.rows import TrainSpec, encode
from runner.backends.local.trainer import ExactTrainer
from runner.base.digests import tree_digest
from runner.records import Checkpoint


def train(spec: TrainSpec, job: JobFolder, recorder: Recorder) -> Trained:
    """Train to the end, resuming from the newest whole checkpoint."""
    _settle(spec)
    trainer = build(spec, job.checkpoints)
    recorder.trainer = trainer
    trainer.add_callback(recorder)
    resume = sweep_torn(job.checkpoints) if recorder.writes else _newest(job.checkpoints)
    if recorder.writes:
        job.keep_metrics_until(resume.step if resume else -1)
    trainer.accelerator.wait_for_everyone()
    trainer.args.eval_on_start = resume is None and bool(trainer.eval_batches)
    trainer.train(resume_from_checkpoint=str(resume.path) if resume else None)
    if recorder.writes:
        thin(job.checkpoints, keep=0)
    return _result(spec, job, trainer, recorder.seconds)


def build(spec: TrainSpec, checkpoints: Path, lean: bool | None = None) -> ExactTrainer:
    """The trainer over the spec's rows; `lean` forces or forbids the leaner forward pass."""
    chat = Chat(Path(spec.model))
    rows = encode(Path(spec.train), chat, spec.context_tokens)
    held_out = encode(Path(spec.validation), chat, spec.context_tokens) if spec.validation else []
    model = AutoModelForCausalLM.from_pretrained(
        spec.model, dtype=torch.bfloat16 if spec.device == "cuda" else torch.float32
    )
    trainer = ExactTrainer(
        model=model,
        args=_config(spec, checkpoints, evaluates=bool(held_out)),
        train_dataset=Dataset.from_dict(
            {
                "input_ids": [row.ids for row in rows],
                "labels": [row.labels for row in rows],
                "length": [len(row.ids) for row in rows],
            }
        ),
        # The trainer insists on a set when it is to evaluate per epoch; ours has the rows.
        eval_dataset=_as_dataset(held_out) if held_out else None,
        processing_class=AutoTokenizer.from_pretrained(spec.model),
        peft_config=_lora(spec, model),
        eval_rows=held_out,
        beginnings=[row.beginning for row in rows],
        lean=lean,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _settle(spec: TrainSpec) -> None:
    """What makes the same spec give the same bits."""
    torch.set_num_threads(spec.threads)
    if spec.device == "cuda":
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Filling what is about to be overwritten launches one more kernel for each operation.
        torch.utils.deterministic.fill_uninitialized_memory = False


def _as_dataset(rows: Any) -> Dataset:
    return Dataset.from_dict({"input_ids": [row.ids for row in rows]})


def _config(spec: TrainSpec, checkpoints: Path, *, evaluates: bool) -> SFTConfig:
    cuda = spec.device == "cuda"
    return SFTConfig(
        output_dir=str(checkpoints),
        num_train_epochs=spec.epochs,
        max_steps=spec.max_steps or -1,
        per_device_train_batch_size=spec.batch_size // spec.processes,
        gradient_accumulation_steps=spec.accumulation,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.schedule,
        warmup_steps=spec.warmup,  # below 1 it is a share of the steps
        weight_decay=spec.weight_decay,
        train_sampling_strategy="group_by_length",
        # Saving and evaluating must go together: the random state is saved in between.
        save_strategy="epoch",
        eval_strategy="epoch" if evaluates else "no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=spec.seed,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        use_cpu=not cuda,
        bf16=cuda,
        gradient_checkpointing=spec.gradient_checkpointing,
        dataloader_pin_memory=cuda,
    )


def _lora(spec: TrainSpec, model: Any) -> LoraConfig:
    """Every linear layer but the head; of `upper_layers` only, where that is set."""
    layers = None
    if spec.upper_layers is not None:
        count = model.config.get_text_config().num_hidden_layers
        layers = list(range(max(0, count - spec.upper_layers), count))
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=spec.rank,
        lora_alpha=spec.alpha,
        lora_dropout=spec.dropout,
        target_modules=linear_names(model),
        layers_to_transform=layers,
    )


def linear_names(model: Any) -> list[str]:
    """Names of the linear modules inside the decoder layers, e.g. ``q_proj``."""
    head = model.get_output_embeddings()
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and module is not head
        }
    )


def _newest(checkpoints: Path) -> Any:
    found = sealed(checkpoints)
    return found[-1] if found else None


def _result(spec: TrainSpec, job: JobFolder, trainer: ExactTrainer, seconds: float) -> Trained:
    args, data = trainer.args, trainer.train_dataset
    return Trained(
        checkpoints=tuple(
            Checkpoint(
                str(number),
                saved.epoch,
                saved.step,
                str(saved.path),
                saved.eval_loss,
                digest=tree_digest(saved.path),
            )
            for number, saved in enumerate(sealed(job.checkpoints), start=1)
        ),
        train_examples=len(data),
        train_tokens=sum(data["length"]),
        seconds=seconds,
        resolved={
            "learning_rate": spec.learning_rate,
            "adapter_rank": spec.rank,
            "adapter_alpha": spec.alpha,
            "adapted_modules": ", ".join(
                sorted(trainer.model.peft_config["default"].target_modules)
            ),
            "adapted_layers": spec.upper_layers or "all",
            "epochs": spec.epochs,
            "steps": trainer.state.max_steps,
            "batch_size": spec.batch_size * spec.accumulation,
            "schedule": spec.schedule,
            "warmup_steps": args.get_warmup_steps(trainer.state.max_steps),
            "precision": "bfloat16" if args.bf16 else "float32",
            "device": spec.device,
            "processes": spec.processes,
            "threads": spec.threads,
            "loss_path": "lean" if trainer.lean else "trl",
            "shared_beginnings": trainer.shares,
        },
    )
