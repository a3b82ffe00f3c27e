"""The language of a text."""

from __future__ import annotations

import pytest

from runner.base.language import LANGUAGES, LATIN, language


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Where is the card that I ordered?", "English"),
        ("Wo ist die Karte, die ich bestellt habe?", "German"),
        ("Où est la carte que je vous ai demandée?", "French"),
        ("カードはどこですか", "Japanese"),
        ("Где моя карта", "Cyrillic"),
        ("Hvor er kortet som jeg bestilte i forrige uke?", "Norwegian"),
        ("Onde está o cartão que eu pedi?", "Portuguese"),
        ("GDZIE JEST MOJA KARTA", "Polish"),
        ("नमस्ते, मेरा कार्ड कहाँ है", "Hindi"),
        ("123 !?", "unknown"),
        ("ok", "unknown"),
        ("", "unknown"),
    ],
)
def test_languages(text: str, name: str) -> None:
    assert language(text) == name


def test_the_model_knows_every_language_that_may_be_named() -> None:
    from py3langid.langid import IDENTIFIER, MODEL_FILE, LanguageIdentifier

    identifier = IDENTIFIER or LanguageIdentifier.from_model_file(MODEL_FILE)
    assert set(LATIN) <= set(identifier.labels)
    assert len(LANGUAGES) == len(set(LANGUAGES))
