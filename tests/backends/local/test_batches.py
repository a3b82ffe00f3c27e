"""Many conversations at once against one by one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.backends.local.batches import splits_at_specials
from runner.backends.local.chat import CHATML, GEMMA, Chat, ChatTemplate, TemplateRefused
from runner.records import Example, Origin, Turn

pytest.importorskip("tokenizers", reason="the extra local is not installed")

WORDS = "the quick brown fox jumps over a lazy dog while <|im_start|> nobody is looking at it"
PIECES = st.sampled_from(
    [
        "", " ", "\n", "a", "the quick", " brown", "fox.", "héé", "日本", "\u0301", "\x00",
        "\ud800",
        "<|im_end|>", "<|im_start|>", "<|im", "_end|>", "\ue100", "\ue101", "\ue110", "1\ue111",
        "assistant", "user\n", "{{ x }}", "<extra>", "  ", "\t ", " \n ", " 12 3",
        "\x85 \x1c ", "'s ",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=5).map("".join)
ROLES = st.sampled_from(["user", "model"])
EXAMPLES = st.builds(
    lambda system, turns, target: Example(
        "x", tuple(Turn(role, text) for role, text in turns), target, Origin("f", 1), system=system
    ),
    st.one_of(st.just("You are a fox."), TEXTS),
    st.lists(st.tuples(ROLES, TEXTS), min_size=1, max_size=3),
    TEXTS,
)
PRINTING = {
    "chatml": CHATML,
    "gemma": GEMMA,
    "attributes": (
        "{% for message in messages %}{{ '<|im_start|>' ~ message.role ~ '\n' }}"
        "{{ message.content | trim }}{{ '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
}
LOOKING = {
    "cuts": (
        "{% for message in messages %}<|im_start|>{{ message['content'].split('o')[-1] }}"
        "<|im_end|>{% endfor %}"
    ),
    "asks": (
        "{% for message in messages %}{% if message.content %}<|im_start|>{{ message.content }}"
        "<|im_end|>{% endif %}{% endfor %}"
    ),
    "sets": (
        "{% for message in messages %}{% set text = message.content %}<|im_start|>{{ text[:3] }}"
        "<|im_end|>{% endfor %}"
    ),
    "changes": "{% for m in messages %}<|im_start|>{{ m.content | upper }}<|im_end|>{% endfor %}",
    "gives": "{{ messages | tojson }}",
    "lends": "{% for message in messages %}{{ message | tojson }}{% endfor %}",
    "gets": "{% for message in messages %}{{ message.get('content') }}{% endfor %}",
    "counts": "{% for message in messages %}{{ message['content'] | length }}{% endfor %}",
    "renames": "{% for m in messages %}{% for k, v in m.items() %}{{ v }}{% endfor %}{% endfor %}",
    "prints all": "{% for each in messages %}{{ each }}{% endfor %}",
    "compares": "{% for message in messages %}{{ message.content == 'a' }}{% endfor %}",
}


def merging_tokenizer(folder: Path, *, words: bool) -> None:
    """A BPE that merges, with a token that is added and not special: within words, digits apart, or
    over everything, also over the end of `assistant` and a line."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=words)
    digits = [pre_tokenizers.Digits(individual_digits=True)] * words
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*digits, level]) if words else level
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS, "assistant\nthe", "user\na"] * 5, trainer)
    tokenizer.add_tokens([AddedToken("<extra>", normalized=False)])
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def folders(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("tokenizers")
    for name in ("merging", "words"):
        shutil.copytree(tiny, out / name)
        merging_tokenizer(out / name, words=name == "words")
    return {"bytes": tiny, "merging": out / "merging", "words": out / "words"}


def with_template(folder: Path, out: Path, text: str) -> Chat:
    shutil.copytree(folder, out)
    (out / "chat_template.jinja").write_text(text, encoding="utf-8")
    return Chat(out)


@pytest.fixture(scope="module")
def chats(
    folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[Chat, Chat]]:
    """Two of each tokenizer and template; the second renders by Jinja and tokenises one by one."""
    out, made = tmp_path_factory.mktemp("chats"), {}
    for kind, folder in folders.items():
        for name, text in (PRINTING | LOOKING).items():
            fast = with_template(folder, out / f"{kind}-{name}", text)
            plain = Chat(fast.folder)
            plain.__dict__["_rendering"] = plain.template
            made[kind, name] = fast, plain
    return made


def outcome(chat: Chat, examples: Sequence[Example], *, at_once: bool) -> object:
    try:
        if at_once:
            return list(chat.examples(examples))
        return [chat.example(e.system, e.contents, e.target) for e in examples]
    except Exception as error:  # a template that renders prompt and whole differently, say
        return type(error)


@pytest.mark.parametrize("kind", ["bytes", "merging", "words"])
@pytest.mark.parametrize("name", [*PRINTING, *LOOKING])
@given(examples=st.lists(EXAMPLES, min_size=1, max_size=4))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_ids_are_those_of_one_by_one(
    chats: dict[tuple[str, str], tuple[Chat, Chat]],
    kind: str,
    name: str,
    examples: list[Example],
) -> None:
    fast, plain = chats[kind, name]
    expected = outcome(plain, examples, at_once=False)
    assert outcome(fast, examples, at_once=True) == expected
    assert outcome(fast, examples, at_once=False) == expected
    if isinstance(expected, list):
        counts = [(cut, len(ids) - cut) for ids, cut in expected]
        assert list(fast.counts(examples)) == counts


def test_which_templates_only_print() -> None:
    assert all(ChatTemplate(text, {}).only_prints for text in PRINTING.values())
    assert not any(ChatTemplate(text, {}).only_prints for text in LOOKING.values())


def test_segments_are_tokenised_once(
    chats: dict[tuple[str, str], tuple[Chat, Chat]],
) -> None:
    """What a thousand rows share is not asked for again, and targets that merge with the line
    before them are left to the slow way."""
    chat, plain = chats["merging", "chatml"]
    rows = [
        Example(str(n), (Turn("user", f"fox {n}"),), target, Origin("f", n), system=WORDS)
        for n in range(1500)
        for target in (f"t{n}", "the dog")
    ]
    asked: list[str] = []
    encode = chat.tokenizer.encode_batch_fast

    class Counted:
        def __getattr__(self, name: str) -> object:
            return getattr(chat.tokenizer, name)

        def encode_batch_fast(self, texts: list[str], **rest: object) -> object:
            asked.extend(texts)
            return encode(texts, **rest)

    chat._segments._tokenizer = Counted()
    assert list(chat.examples(rows)) == outcome(plain, rows, at_once=False)
    system = [text for text in asked if WORDS.split("<")[0] in text]
    assert len(system) <= 1


def test_texts_are_cut_where_the_tokenizer_cuts(folders: dict[str, Path]) -> None:
    from runner.backends.local.batches import splits_before_spaces

    known = {name: splits_before_spaces(Chat(folder).tokenizer) for name, folder in folders.items()}
    assert known == {"bytes": False, "merging": False, "words": True}


@pytest.mark.parametrize(
    "change",
    [
        {"lstrip": True},
        {"rstrip": True},
        {"single_word": True},
        {"normalized": True},
        {"prepend_scheme": "first"},
    ],
)
def test_tokenizers_that_look_around_are_left_to_the_slow_way(
    folders: dict[str, Path], tmp_path: Path, change: dict[str, object]
) -> None:
    told = json.loads((folders["merging"] / "tokenizer.json").read_text())
    if "prepend_scheme" in change:
        metaspace = {"type": "Metaspace", "replacement": "_", "split": True}
        told["pre_tokenizer"] = {**metaspace, **change}
    else:
        told["added_tokens"][-1] |= change
    folder = tmp_path / "changed"
    shutil.copytree(folders["merging"], folder)
    (folder / "tokenizer.json").write_text(json.dumps(told))
    chat = Chat(folder)
    assert not splits_at_specials(chat.tokenizer)
    assert splits_at_specials(Chat(folders["merging"]).tokenizer)
    example = Example("x", (Turn("user", "a <extra> b"),), "c", Origin("f", 1))
    assert list(chat.examples([example])) == [chat.example("", example.contents, "c")]


def test_what_a_template_refuses_is_refused(tmp_path: Path, folders: dict[str, Path]) -> None:
    text = (
        "{% for message in messages %}{% if message.role == 'assistant' %}"
        "{{ raise_exception('no answers') }}{% endif %}{{ message.content }}{% endfor %}"
    )
    chat = with_template(folders["bytes"], tmp_path / "refusing", text)
    assert chat.template.only_prints
    with pytest.raises(TemplateRefused, match="no answers"):
        list(chat.examples([Example("x", (Turn("user", "a"),), "b", Origin("f", 1))]))
