"""Texts of scripts without blanks: words of token F1, BLEU, TER and ROUGE, and who chooses them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.base.errors import ConfigError
from runner.base.scripts import pieces, words
from runner.config import Suite
from runner.config.suite import BleuTokenizer
from runner.evaluation import check_suite, compare, score_among, settled
from runner.evaluation import tokenizers as installed
from tests.evaluation.make import scored, suite, values

CHINESE = ["卡罗来纳黑豹队以17比10击败丹佛野马队", "第三节课在下午两点开始", "北京大学"]
THAI = ["แคโรไลนา แพนเทอร์ส", "กรุงเทพมหานคร"]
JAPANESE = ["データベースは東京にあります", "猫が好きです"]
KOREAN = ["서울은 대한민국의 수도입니다"]
ENGLISH = ["The cat sat on the mat.", "It rained all day long."]
SQUAD = ["case", "punctuation", "articles", "whitespace"]


def bleu(tokenize: str = "auto", *scores: str) -> Suite:
    return suite({"kind": "sacrebleu", "scores": scores or ("bleu",), "tokenize": tokenize})


def mlqa_segmentation(text: str) -> list[str]:
    """``mixed_segmentation`` of MLQA's official script, for texts without punctuation."""
    out, held = [], ""
    for char in text:
        if "\u4e00" <= char <= "\u9fa5":
            out += [*held.split(), char]
            held = ""
        else:
            held += char
    return out + held.split()


@given(st.text(alphabet=" ab1é北京大学的", max_size=20))
def test_chinese_is_segmented_as_mlqa_does(text: str) -> None:
    assert pieces(text) == mlqa_segmentation(text)


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF)))
def test_texts_with_blanks_are_split_at_blanks(text: str) -> None:
    assert pieces(text) == text.split()


@given(st.text(alphabet=st.characters(max_codepoint=0x7F)))
def test_words_of_ascii_are_those_of_rouge_score(text: str) -> None:
    from rouge_score.tokenize import tokenize

    assert words(text.lower()) == tokenize(text, None)


@given(st.text())
def test_no_letter_is_lost_or_made(text: str) -> None:
    assert Counter("".join(pieces(text))) == Counter("".join(text.split()))


@pytest.mark.parametrize("script", [CHINESE, THAI, JAPANESE, ["ភ្នំពេញ"], ["ရန်ကုန်မြို့"], ["ວຽງຈັນ"]])
def test_token_f1_gives_partly_right_answers_their_part(script: list[str]) -> None:
    chosen = suite("token_f1", "exact_match", normalize=SQUAD)
    right, _ = scored([(text, text) for text in script], chosen)
    assert values(right) == {"token_f1": 1.0, "exact_match": 1.0}
    half, _ = scored([(text, text[: len(text) // 2]) for text in script], chosen)
    assert 0.3 < values(half)["token_f1"] < 0.8
    assert half.overall["token_f1"].signature.endswith("|seg:char")
    latin, _ = scored([("a cat", "cat")], chosen)
    assert "seg" not in latin.overall["token_f1"].signature


def test_a_longer_chinese_answer_by_hand() -> None:
    found, _ = scored([("北京大学", "在北京")], suite("token_f1", normalize=SQUAD))
    precision, recall = 2 / 3, 2 / 4
    expected = 2 * precision * recall / (precision + recall)
    assert values(found)["token_f1"] == pytest.approx(expected)


@pytest.mark.parametrize("tokenize", ["13a", "intl", "zh", "char", "none"])
def test_a_named_tokenizer_is_sacrebleus(tokenize: str) -> None:
    from sacrebleu.metrics.bleu import BLEU

    pairs = [(text, text[:-3] + text[-2:]) for text in CHINESE + ENGLISH]
    found, _ = scored(pairs, bleu(tokenize))
    metric = BLEU(tokenize=tokenize)
    answers, references = [answer for _, answer in pairs], [target for target, _ in pairs]
    assert found.overall["bleu"].value == metric.corpus_score(answers, [references]).score
    assert found.overall["bleu"].signature == str(metric.get_signature())


def test_every_tokenizer_of_sacrebleu_can_be_named() -> None:
    from sacrebleu.metrics.bleu import BLEU

    assert set(get_args(BleuTokenizer)) == {"auto", *BLEU.TOKENIZERS}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the packages that a tokenizer may need is installed."""
    monkeypatch.setattr(installed, "lacking", lambda name: installed.NEEDED.get(name, ((), ""))[1])


def chosen_for(texts: list[str]) -> str:
    found = settled(bleu(), texts).metrics[0]
    assert found.kind == "sacrebleu"
    return found.tokenize


@pytest.mark.usefixtures("bare")
def test_auto_goes_by_the_script_of_the_references() -> None:
    assert chosen_for(ENGLISH) == chosen_for(["Ça alors, où?"]) == chosen_for(["кошка"]) == "13a"
    assert chosen_for(CHINESE) == "zh"
    assert chosen_for([*ENGLISH * 10, "北京"]) == "13a"
    assert {chosen_for(each) for each in (JAPANESE, KOREAN, THAI, CHINESE + THAI)} == {"char"}


def test_auto_takes_mecab_and_flores_where_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(installed, "lacking", lambda _: "")
    monkeypatch.setenv("SACREBLEU", str(tmp_path))
    assert (chosen_for(JAPANESE), chosen_for(KOREAN)) == ("ja-mecab", "ko-mecab")
    assert chosen_for(THAI) == "char"  # the model would have to be fetched
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "flores200sacrebleuspm").touch()
    assert chosen_for(THAI) == "flores200"


@pytest.mark.usefixtures("bare")
def test_a_tokenizer_whose_package_is_missing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'sacrebleu\[ja\]'"):
        check_suite(bleu("ja-mecab"))
    with pytest.raises(ConfigError, match="pip install 'sentencepiece'"):
        check_suite(bleu("flores200"))


def test_the_rows_that_are_looked_at_do_not_change_the_tokenizer() -> None:
    """One Latin row of a Chinese split, alone: as a shared row and as a pair of `compare`."""
    pairs = [(text, text) for text in CHINESE] + [("NBA &amp; NFL in 2016", "NBA &amp; NFL in")]
    common = suite({"kind": "sacrebleu", "scores": ["bleu"]}, unanswered="common")
    whole, rows = scored(pairs, common)
    few = score_among(rows, {rows[-1].id}, common, "test", 1)
    assert "tok:zh" in whole.overall["bleu"].signature
    assert few.overall["bleu"].signature == whole.overall["bleu"].signature
    blocked = [rows[-1], *(replace(row, unanswered="cut") for row in rows[:-1])]
    found = compare(rows, blocked, "bleu", common, 1)
    assert (found.n, found.ours) == (1, few.overall["bleu"].value)


def test_ter_counts_letters_of_scripts_without_blanks() -> None:
    found, _ = scored([("北京大学", "北京大")], bleu("auto", "bleu", "ter"))
    assert found.overall["ter"].value == 25.0
    assert found.overall["ter"].signature.endswith("|seg:char")


@pytest.mark.parametrize("texts", [CHINESE, THAI, KOREAN, ["Москва слезам не верит"]])
def test_rouge_reads_any_script(texts: list[str]) -> None:
    chosen = suite({"kind": "rouge", "types": ["rouge1", "rougeL", "rougeLsum"], "stem": True})
    right, _ = scored([(text, text) for text in texts], chosen)
    assert set(values(right).values()) == {1.0}
    assert right.overall["rouge1"].signature.endswith("|tok:unicode")
    part, _ = scored([(text, text[: 2 * len(text) // 3]) for text in texts], chosen)
    assert 0.4 < values(part)["rougeL"] < 1


ROUGE = {"kind": "rouge", "types": ["rouge1", "rouge2", "rougeL", "rougeLsum"]}
ascii_text = st.text(alphabet="abc1 ,.\n", max_size=30)


@given(ascii_text, ascii_text, st.booleans())
def test_rouge_by_unicode_is_rouge_score_on_ascii(target: str, answer: str, stem: bool) -> None:
    ours, theirs = (
        values(scored([(target, answer)], suite({**ROUGE, "stem": stem, "tokenize": name}))[0])
        for name in ("unicode", "rouge-score")
    )
    assert ours == theirs
