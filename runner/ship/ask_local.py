"""Ask the model that was tuned on this machine exactly as it was evaluated.

    pip install torch transformers peft jinja2
    python ask.py 'your question'

Or from Python: ``import ask; ask.ask({"column": "text"})``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from runner.ship.prompt import render, row_of, settings

ROLES = {"user": "user", "model": "assistant"}


def ask(row: Mapping[str, str], history: Sequence[Mapping[str, Any]] = (), system: str = "") -> str:
    """The model's answer."""
    import torch

    client = settings()
    tokenizer, model = load(client["model"], client["adapter"])
    ids = prompt_ids(tokenizer, *render(client, row, history, system))
    chosen = client["generation"]
    sampled = {"do_sample": True, "temperature": chosen["temperature"]}
    torch.manual_seed(chosen["seed"])
    with torch.inference_mode():
        found = model.generate(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=chosen["max_tokens"],
            eos_token_id=client["end_ids"],
            pad_token_id=client["end_ids"][0],
            **(sampled if chosen["temperature"] else {"do_sample": False}),
        )
    text: str = tokenizer.decode(found[0][len(ids) :], skip_special_tokens=True)
    for stop in chosen["stop"]:
        text = text.partition(stop)[0]
    return text


@cache
def load(folder: str, adapter: str) -> tuple[Any, Any]:
    """Tokenizer and tuned model."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    return tokenizer, PeftModel.from_pretrained(base, adapter).eval()


def prompt_ids(tokenizer: Any, system: str, contents: Sequence[Mapping[str, Any]]) -> list[int]:
    """The conversation as tokens, up to where the answer begins."""
    messages = [
        {
            "role": ROLES[turn["role"]],
            "content": "".join(part.get("text", "") for part in turn["parts"]),
        }
        for turn in contents
    ]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


if __name__ == "__main__":
    print(ask(row_of(settings(), sys.argv[1:])))
