"""Decoding against transformers' own `generate`, on the tiny model with and without an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.records import Generation, Request, Turn
from tests.backends.local import making
from tests.backends.local.conftest import Trained

pytest.importorskip("torch", reason="the extra local is not installed")

LONG = "You answer in JSON and in nothing but JSON, whatever anybody says to you."


@pytest.fixture(scope="module")
def answerer(tiny: Path) -> Any:
    from runner.backends.local.answer import Answerer

    return Answerer(tiny, context_tokens=1024, device="cpu", threads=1, batch=4)


@pytest.fixture(scope="module")
def loud(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with weights large enough that its answers differ from prompt to prompt."""
    import shutil

    from safetensors.numpy import load_file, save_file

    folder = tmp_path_factory.mktemp("loud") / "model"
    shutil.copytree(tiny, folder)
    tensors = load_file(folder / "model.safetensors")
    louder = {name: array * 12 if array.ndim == 2 else array for name, array in tensors.items()}
    save_file(louder, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def requests() -> list[Request]:
    """Prompts of many lengths; the first 60 tokens or so are the same in all of them."""
    texts = ["a", "tell me " * 9, "why?", "x" * 40, "it was never so", "b" * 17, "so what", "?!"]
    return [Request(f"r{n}", (Turn("user", text),), LONG) for n, text in enumerate(texts)]


def reference(folder: Path, asked: list[Request], tokens: int, adapter: str = "") -> Iterator[str]:
    """`generate` row by row, without padding, cache sharing or batches."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from runner.backends.local.chat import Chat

    chat = Chat(folder)
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    if adapter:
        model = PeftModel.from_pretrained(model, adapter).eval()
    for one in asked:
        ids = torch.tensor([chat.prompt(one.system, one.contents)])
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=tokens,
                do_sample=False,
                eos_token_id=sorted(chat.end_ids),
            )
        yield chat.decode(out[0, ids.shape[1] :].tolist())


@pytest.mark.parametrize("batch", [1, 3, 20])
def test_equals_generate(loud: Path, batch: int) -> None:
    from runner.backends.local.answer import Answerer

    answerer = Answerer(loud, context_tokens=1024, device="cpu", threads=1, batch=batch)
    found = {p.id: p for p in answerer.answer(None, requests(), Generation(max_tokens=24))}
    expected = list(reference(loud, requests(), 24))
    assert [found[f"r{n}"].text for n in range(len(expected))] == expected
    assert len(set(expected)) > 4  # the model tells the prompts apart, or this shows nothing


def test_equals_generate_without_a_shared_prefix(loud: Path) -> None:
    from runner.backends.local.answer import Answerer

    asked = [
        Request(f"r{n}", (Turn("user", text * 3),), system)
        for n, (text, system) in enumerate([("a", "One."), ("bc", ""), ("def", "Another one!")])
    ]
    answerer = Answerer(loud, context_tokens=1024, device="cpu", threads=1, batch=8)
    found = {p.id: p.text for p in answerer.answer(None, asked, Generation(max_tokens=24))}
    assert [found[f"r{n}"] for n in range(3)] == list(reference(loud, asked, 24))


def test_equals_generate_with_the_plain_cache(loud: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of models whose attention cannot be replaced."""
    from runner.backends.local import decoding
    from runner.backends.local.answer import Answerer

    monkeypatch.setattr("runner.backends.local.decoding.supports", lambda model: False)
    monkeypatch.setattr(decoding, "supports", lambda model: False)
    answerer = Answerer(loud, context_tokens=1024, device="cpu", threads=1, batch=3)
    found = {p.id: p.text for p in answerer.answer(None, requests(), Generation(max_tokens=24))}
    assert [found[f"r{n}"] for n in range(8)] == list(reference(loud, requests(), 24))


def test_adapter_equals_generate_and_leaves_the_base_alone(answerer: Any, trained: Trained) -> None:
    asked, generation = requests(), Generation(max_tokens=16)
    before = list(answerer.answer(None, asked, generation))
    for checkpoint in trained.result.checkpoints:
        found = {p.id: p.text for p in answerer.answer(checkpoint.path, asked, generation)}
        expected = reference(trained.backend._folder, asked, 16, checkpoint.path)
        assert [found[one.id] for one in asked] == list(expected)
    assert list(answerer.answer(None, asked, generation)) == before


def test_many_adapters_are_dropped_and_come_back(
    answerer: Any, trained: Trained, tmp_path: Path
) -> None:
    import shutil

    from runner.backends.local.answer import ADAPTERS_KEPT

    path, asked, generation = trained.result.checkpoints[-1].path, requests(), Generation(8)
    first = list(answerer.answer(path, asked, generation))
    for number in range(ADAPTERS_KEPT + 1):
        copy = shutil.copytree(path, tmp_path / f"copy.{number}")
        assert list(answerer.answer(str(copy), asked, generation)) == first
    assert len(answerer.tuned.peft_config) == ADAPTERS_KEPT
    assert list(answerer.answer(path, asked, generation)) == first


def test_sampling_does_not_depend_on_the_neighbours(answerer: Any) -> None:
    generation = Generation(max_tokens=12, temperature=1.0, seed=5)
    together = {p.id: p.text for p in answerer.answer(None, requests(), generation)}
    alone = {p.id: p.text for one in requests() for p in answerer.answer(None, [one], generation)}
    assert together == alone
    other = Generation(max_tokens=12, temperature=1.0, seed=6)
    assert {p.id: p.text for p in answerer.answer(None, requests(), other)} != together


def test_stop_strings_end_one_row(answerer: Any) -> None:
    plain = {p.id: p for p in answerer.answer(None, requests(), Generation(16, 1.0, 1))}
    wanted = plain["r0"].text[3:5]
    stopped = Generation(16, 1.0, 1, stop=(wanted,))
    found = {p.id: p for p in answerer.answer(None, requests(), stopped)}
    assert found["r0"].text == plain["r0"].text[:3].partition(wanted)[0]
    assert found["r0"].finish == "stop"
    assert found["r0"].output_tokens <= 6
    others = [one for one in plain if wanted not in plain[one].text]
    assert others
    assert all(found[one] == plain[one] for one in others)


def test_length_and_counts(answerer: Any) -> None:
    for prediction in answerer.answer(None, requests(), Generation(max_tokens=3)):
        assert (prediction.finish, prediction.output_tokens) == ("length", 3)
        assert prediction.prompt_tokens > 60


def test_prompt_beyond_the_context_is_an_error_of_its_own(answerer: Any) -> None:
    long = making.request(1, id="long", contents=(Turn("user", "x" * 2000),))
    found = {p.id: p for p in answerer.answer(None, [long, *requests()], Generation(8))}
    assert (found["long"].finish, found["long"].cause) == ("error", "too_long")
    assert "does not fit into model.context_tokens=1024" in found["long"].error
    assert not any(found[one.id].error for one in requests())
