"""Sentence encoders: a real BERT, small and random, through the doors of the data stages."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from runner.backends.registry import sentence_encoder
from runner.base.errors import BackendError
from runner.config import SentenceEncoder
from runner.encoders import lexical
from runner.experiment.console import Console
from runner.experiment.prepare_stage import PrepareStage
from runner.experiment.run import assemble
from tests.compose.composing import compose_text
from tests.prepare.making import prepared, read_lines, rows_of

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

encode = partial(lexical.encode, sentences=sentence_encoder())
WORDS = "how do i get a refund for my order which animals sleep in winter".split()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder as the hub's sentence models have it, without what tells how to pool."""
    folder = tmp_path_factory.mktemp("bert")
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    tokenizer = transformers.BertTokenizerFast(str(vocabulary))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=5 + len(WORDS),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


def encoder(model: str, **more: int) -> SentenceEncoder:
    return SentenceEncoder.model_validate({"kind": "sentence", "model": model, **more})


def test_vectors_are_the_mean_over_a_texts_own_tokens(model: str) -> None:
    texts = ["how do i get a refund", "refund", "", "which animals sleep in winter"]
    found = encode(texts, encoder(model))
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    network = transformers.AutoModel.from_pretrained(model).eval()
    for text, vector in zip(texts, found, strict=True):
        with torch.inference_mode():
            alone = network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)
        assert vector == pytest.approx((alone / alone.norm()).numpy(), abs=1e-5)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4))


def test_what_is_beyond_the_limit_is_not_read(model: str) -> None:
    short, long = encode(["how do", "how do i get a refund"], encoder(model, max_tokens=4))
    assert short == pytest.approx(long, abs=1e-6)


def test_the_firewall_takes_it(model: str, tmp_path: Path) -> None:
    train, test = ["how do i get a refund", "which animals sleep in winter"], ["get my refund"]
    asked = {"threshold": 0.1, "encoder": {"kind": "sentence", "model": model}}
    config = {"leakage": {"semantic": asked}, "split": {"validation": 0}}
    rows = {
        "train": rows_of([(text, "x") for text in train]),
        "test": rows_of([(text, "x") for text in test], "test"),
    }
    done = prepared(tmp_path / "out", rows, config, encode)
    (line,) = read_lines(done.path / "leaks.jsonl")
    vectors = encode([*test, *train], encoder(model))
    best = int((vectors[1:] @ vectors[0]).argmax())
    assert (line["method"], line["text"]) == ("semantic", train[best])
    assert line["score"] == pytest.approx(float(vectors[1 + best] @ vectors[0]), abs=1e-4)


def test_a_folder_that_is_not_whole_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"lacks config\.json, tokenizer\.json"):
        encode(["a"], encoder(str(tmp_path)))
    with pytest.raises(BackendError, match=r"^encoder\.model: no folder 'nobody/nothing' here"):
        encode(["a"], encoder("nobody/nothing"))


def test_another_model_under_the_same_name_is_another_artifact(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store goes by what a folder holds, not by what it is called."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "encoder"
    shutil.copytree(model, folder)
    (tmp_path / "rows.csv").write_text(
        "text,label\n" + "".join(f"how do i {word},{word}\n" for word in WORDS * 3)
    )
    text = (
        "# @package _global_\ndefaults: [override /suite: classification]\nname: here\n"
        "question: What is near?\nsource: {train: '"
        + str(tmp_path / "rows.csv")
        + "', input: [text], target: label}\n"
        'template: {name: plain, prompt: "{{ text }}"}\n'
        f"prepare: {{leakage: {{semantic: {{encoder: {{kind: sentence, model: {folder}}}}}}}}}\n"
    )
    keys = []
    for seed in (1, 2):
        network = transformers.BertModel.from_pretrained(folder)
        torch.manual_seed(seed)
        torch.nn.init.normal_(network.encoder.layer[0].output.dense.weight)
        network.save_pretrained(folder)
        composition = compose_text(tmp_path, text)
        sweep = assemble(composition.points, composition.file, "", Console(silent=True))
        keys.append({run.digest(PrepareStage()) for run in sweep.runs.values()})
    assert not keys[0] & keys[1]
