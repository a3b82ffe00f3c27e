"""Tokens of files: by kind, and by length where the file is on this machine."""

from __future__ import annotations

import wave
from pathlib import Path

from runner.gemini_format.tokens import band
from tests.gemini_format.test_limits import document, film


def file(uri: object, mime: str = "audio/wav") -> dict[str, str]:
    return {"fileUri": str(uri), "mimeType": mime}


def test_a_file_somewhere_else_may_be_as_long_as_is_allowed() -> None:
    assert band(file("gs://b/a.wav")) == (32, 32 * 3600)
    assert band(file("gs://b/a.png", "image/png")) == (64, 1290)
    assert band(file("gs://b/a.bin", "chemical/x-pdb")) == (1, 1290)


def test_the_header_of_a_recording_says_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000 * 5))
    assert band(file(path)) == (160, 192)


def test_pages_and_minutes_of_film_are_counted(tmp_path: Path) -> None:
    assert band(file(film(tmp_path / "a.mp4", 10), "video/mp4")) == (640, 10 * 288 + 288)
    assert band(file(document(tmp_path / "a.pdf", 3), "application/pdf")) == (774, 774)


def test_the_size_of_a_recording_bounds_its_length(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(bytes(400_000))
    assert band(file(path, "audio/mp3")) == (64, 401 * 32)
    broken = tmp_path / "b.wav"
    broken.write_bytes(b"no sound")
    assert band(file(broken)) == (1, 32)
