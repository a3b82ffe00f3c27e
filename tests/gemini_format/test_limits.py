"""Rows against the limits of a model, and what only shows when rows are seen together."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfWriter

from runner.base.errors import DataError
from runner.config import RowLimits
from runner.gemini_format import validate_files
from runner.gemini_format.dataset import KEPT, Validation
from runner.gemini_format.shapes import SHAPES
from runner.records import Example, Origin, Turn
from tests.gemini_format.test_rows import GOOD, MODEL, turn
from tests.gemini_format.test_strict import MODEL as LITE

LIMITS = LITE.limits


def judged(
    folder: Path,
    train: list[Any],
    validation: list[Any] | None = None,
    limits: RowLimits | None = LIMITS,
    exists: Callable[[str], int | None] | None = None,
    preference: bool = False,
) -> Validation:
    files = {"train": folder / "train.jsonl", "validation": folder / "validation.jsonl"}
    for split, rows in (("train", train), ("validation", validation)):
        if rows is None:
            del files[split]
        else:
            files[split].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return validate_files(files, 100_000, limits, exists, preference)


def file(mime: str = "image/png", uri: str = "gs://bucket/x", **more: Any) -> dict[str, Any]:
    return {"fileData": {"mimeType": mime, "fileUri": uri}, **more}


def shown(*files: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"contents": [turn("user", {"text": "what?"}, *files), MODEL], **more}


def video(start: str | None = None, end: str | None = None, **more: Any) -> dict[str, Any]:
    offsets = {"startOffset": start, "endOffset": end}
    span = {key: value for key, value in offsets.items() if value}
    return {**file("video/mp4", **more), **({"videoMetadata": span} if span else {})}


LOW = {"generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}}
WRONG = [
    (shown(file("image/gif")), "media_type", "image/png, image/jpeg, image/webp"),
    (shown(file("text/plain")), "media_type", "cannot be tuned on"),
    (shown(file(uri="photos/x.png")), "media_uri", "source.media_root"),
    (shown(file(uri="gs://bucket")), "media_uri", "gs://bucket/object"),
    (shown(*[file()] * 31), "too_many_files", "31 files of kind image; the model takes 30"),
    (shown(*[file("audio/wav")] * 2), "too_many_files", "takes 1 a row"),
    (shown(*[file("application/pdf")] * 5), "too_many_files", "takes 4 a row"),
    (shown(video("5s", "5s")), "video_metadata", "not after"),
    (shown(video("0s", "301s")), "video_too_long", "takes 5 at this resolution"),
    (shown(video(None, "1201s"), **LOW), "video_too_long", "takes 20"),
    (shown(file(videoMetadata={"fps": 1})), "video_metadata", "videos only"),
]


@pytest.mark.parametrize(("row", "rule", "says"), WRONG)
def test_files_against_the_model(tmp_path: Path, row: dict[str, Any], rule: str, says: str) -> None:
    found = judged(tmp_path, [GOOD, row])
    assert set(found.counts) == {rule}
    assert found.faults[0].line == 2
    assert says in found.faults[0].message
    assert judged(tmp_path, [GOOD, row], limits=None).faults == []


@pytest.mark.parametrize(
    "row",
    [
        shown(file(), file("image/jpeg"), file("image/webp")),
        shown(file("IMAGE/PNG")),
        shown(*[file()] * 30),
        shown(video("0s", "300s")),
        shown(video("1s", "1201s"), **LOW),
        shown(video("0s", "1200s", mediaResolution={"level": "MEDIA_RESOLUTION_LOW"})),
        shown(*[file("application/pdf")] * 4),
        shown(file("audio/wav", "https://example.org/a.wav")),
    ],
)
def test_files_that_fit(tmp_path: Path, row: dict[str, Any]) -> None:
    assert judged(tmp_path, [row]).faults == []


def test_part_resolution_is_for_newer_models(tmp_path: Path) -> None:
    row = shown(file(mediaResolution={"level": "MEDIA_RESOLUTION_LOW"}))
    assert judged(tmp_path, [row]).faults == []
    older = LIMITS.model_copy(update={"part_resolution": False})
    (fault,) = judged(tmp_path, [row], limits=older).faults
    assert (fault.rule, fault.field) == (
        "part_resolution",
        "contents[0].parts[1].mediaResolution",
    )


def test_files_on_this_machine_are_as_long_as_they_say(tmp_path: Path) -> None:
    files = {
        "audio/wav": sound(tmp_path / "long.wav", 3660),
        "video/mp4": film(tmp_path / "long.mp4", 400),
        "application/pdf": document(tmp_path / "long.pdf", 301),
    }
    rows = [shown(file(mime, str(path))) for mime, path in files.items()]
    rows += [
        shown(file("audio/wav", str(sound(tmp_path / "a.wav", 3600)))),
        shown(file("video/mp4", str(film(tmp_path / "a.mp4", 300)))),
        shown(file("application/pdf", str(document(tmp_path / "a.pdf", 300)))),
        shown(video("100s", "200s") | {"fileData": rows[1]["contents"][0]["parts"][1]["fileData"]}),
    ]
    assert [(one.line, one.rule, one.message) for one in judged(tmp_path, rows).faults] == [
        (1, "audio_too_long", "61.0 minutes; the model takes 60"),
        (2, "video_too_long", "6.7 minutes; the model takes 5 at this resolution"),
        (3, "too_many_pages", "301 pages; the model takes 300"),
    ]
    assert not judged(tmp_path, [shown(file("video/mp4", str(files["video/mp4"])), **LOW)]).faults


def test_a_length_nobody_can_read_is_no_fault(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"neither sound nor film nor document")
    kinds = ("audio/mp3", "video/webm", "application/pdf")
    assert not judged(tmp_path, [shown(file(kind, str(broken))) for kind in kinds]).faults


def sound(path: Path, seconds: int) -> Path:
    """Silence, one sample a second."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(1)
        out.writeframes(bytes(seconds))
    return path


def film(path: Path, seconds: int) -> Path:
    """The boxes of an MP4 that say how long it is (ISO 14496-12, section 8.2.2), and no film."""

    def box(kind: bytes, body: bytes) -> bytes:
        return (8 + len(body)).to_bytes(4, "big") + kind + body

    head = bytes(12) + (1000).to_bytes(4, "big") + (1000 * seconds).to_bytes(4, "big") + bytes(80)
    path.write_bytes(box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", box(b"mvhd", head)))
    return path


def document(path: Path, pages: int) -> Path:
    written = PdfWriter()
    for _ in range(pages):
        written.add_blank_page(10, 10)
    written.write(path)
    return path


def test_the_storage_is_asked_once_for_each_object(tmp_path: Path) -> None:
    sizes = {"gs://bucket/ok": 20_000_000, "gs://bucket/big": 20_000_001}
    asked: list[str] = []

    def exists(uri: str) -> int | None:
        asked.append(uri)
        return sizes.get(uri)

    uris = ["gs://bucket/ok", "gs://bucket/big", "gs://bucket/gone", "https://example.org/x"]
    rows = [shown(file(uri=uri)) for uri in uris * 2]
    found = judged(tmp_path, rows, exists=exists)
    assert [(fault.line, fault.rule) for fault in found.faults] == [
        (2, "file_too_large"),
        (3, "missing_file"),
        (6, "file_too_large"),
        (7, "missing_file"),
    ]
    assert asked == uris[:3]
    assert "20.0 MB; the model takes 20 MB" in found.faults[0].message


def test_functions_where_the_model_takes_none(tmp_path: Path) -> None:
    row = {**GOOD, "tools": [{"functionDeclarations": [{"name": "f"}]}]}
    assert judged(tmp_path, [row]).faults == []
    none = LIMITS.model_copy(update={"functions": False})
    assert set(judged(tmp_path, [row], limits=none).counts) == {"no_functions"}


CALL = {"functionCall": {"name": "f", "args": {}}}
TOOLS = {"tools": [{"functionDeclarations": [{"name": "f"}]}]}


@pytest.mark.parametrize(
    ("row", "rule", "place"),
    [
        ({"contents": [turn("user"), turn("model", CALL)]}, "undeclared_function", "contents[1]"),
        (
            {"contents": [turn("user"), turn("model", CALL), turn("user"), MODEL], **TOOLS},
            "response_mismatch",
            "contents[2]",
        ),
        ({"contents": [turn("user", CALL), MODEL], **TOOLS}, "wrong_turn", None),
        ({"contents": [turn("user"), turn("model", file())]}, "wrong_turn", None),
        ({**GOOD, "tools": [{"googleSearch": {}}]}, "unsupported_key", "tools[0].googleSearch"),
        ({**GOOD, "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "wrong_value", None),
        ({**GOOD, "generationConfig": {"temperature": "hot"}}, "wrong_type", None),
        (
            {**GOOD, "generationConfig": {"responseSchema": {}}},
            "unsupported_key",
            "generationConfig.responseSchema",
        ),
        ({**GOOD, "system_instruction": None, "systemInstruction": None}, "duplicate_key", None),
    ],
)
def test_functions_and_settings(
    tmp_path: Path, row: dict[str, Any], rule: str, place: str | None
) -> None:
    found = judged(tmp_path, [row])
    fault = next(fault for fault in found.faults if fault.rule == rule)
    assert place is None or fault.field == place


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    line = json.dumps(GOOD)
    path.write_text(line[:-1] + ', "contents": []}\n' + json.dumps({**GOOD, "tools": []}) + "\n")
    rules = {(f.line, f.rule, f.field) for f in validate_files({"train": path}, 1000).faults}
    assert (1, "duplicate_key", "contents") in rules
    assert (2, "wrong_type", "tools") in rules
    text = {"contents": [turn("user", {"text": 'say "a": {"a": 1}'}), MODEL]}
    assert judged(tmp_path, [text]).faults == []


def test_resolutions_of_video_do_not_mix(tmp_path: Path) -> None:
    found = judged(tmp_path, [shown(video(), **LOW), GOOD, shown(video())])
    (fault,) = found.faults
    assert (fault.line, fault.rule) == (3, "mixed_resolution")
    assert "line 1 has MEDIA_RESOLUTION_LOW, this one none" in fault.message
    found = judged(tmp_path, [shown(video(), **LOW)], [GOOD, shown(video())])
    (fault,) = found.faults
    assert (Path(fault.file).name, fault.line) == ("validation.jsonl", 2)
    assert judged(tmp_path, [shown(file(), **LOW), shown(file())]).faults == []


def preference() -> dict[str, Any]:
    def scored(score: int) -> dict[str, Any]:
        return {"score": score, "completion": MODEL}

    return {"contents": [turn("user")], "completions": [scored(1), scored(0)]}


def test_methods_do_not_mix(tmp_path: Path) -> None:
    assert judged(tmp_path, [preference()] * 2, [preference()], preference=True).faults == []
    assert set(judged(tmp_path, [preference(), GOOD]).counts) == {"mixed_methods"}
    assert set(judged(tmp_path, [GOOD, preference()]).counts) == {"mixed_methods"}
    assert set(judged(tmp_path, [GOOD], [preference()]).counts) == {"mixed_methods"}
    found = judged(tmp_path, [GOOD, GOOD], preference=True)
    assert found.counts == {"missing_completions": 2}


def test_a_single_answer_is_no_preference_row() -> None:
    example = Example("e", (Turn("user", "a"),), "b", Origin("rows.jsonl", 7))
    with pytest.raises(DataError, match=r"rows\.jsonl:7: preference tuning needs"):
        example.to_preference()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda row: row["contents"].append(MODEL), "last_turn"),
        (lambda row: row["completions"].pop(), "bad_completions"),
        (lambda row: row["completions"][0].update(score=0), "bad_completions"),
        (lambda row: row["completions"][0].update(why="x"), "bad_completions"),
        (lambda row: row["completions"][0].update(completion=turn("user")), "bad_role"),
        (lambda row: row["contents"][0]["parts"].append(file()), "preference_not_text"),
        (lambda row: row.update(TOOLS), "unsupported_key"),
    ],
)
def test_preference_rows(tmp_path: Path, change: Callable[[Any], None], rule: str) -> None:
    row = json.loads(json.dumps(preference()))
    change(row)
    assert rule in judged(tmp_path, [row]).counts


def test_the_size_of_a_dataset(tmp_path: Path) -> None:
    small = RowLimits(
        train_rows=3,
        train_rows_media=2,
        train_bytes=1000,
        validation_free=1,
        validation_share=0.5,
        media=LIMITS.media,
    )
    assert judged(tmp_path, [GOOD] * 3, [GOOD], limits=small).faults == []
    assert set(judged(tmp_path, [GOOD] * 4, limits=small).counts) == {"too_many_rows"}
    assert set(judged(tmp_path, [GOOD, GOOD, shown(file())], limits=small).counts) == {
        "too_many_rows"
    }
    found = judged(tmp_path, [GOOD] * 3, [GOOD] * 2, limits=small)
    assert "2 rows; with 3 training rows Vertex takes 1" in found.faults[0].message
    long = {"contents": [turn("user", {"text": "w" * 1000}), MODEL]}
    assert set(judged(tmp_path, [long], limits=small).counts) == {"file_too_large"}


def test_what_is_only_odd(tmp_path: Path) -> None:
    def row(text: str, label: str, **more: Any) -> dict[str, Any]:
        return {"contents": [turn("user", {"text": text}), turn("model", {"text": label})], **more}

    system = {"systemInstruction": {"parts": [{"text": "be kind"}]}}
    shots = row("Input: a\nOutput: b\nInput: c\nOutput:", "red", **system)
    train = [row("t", "red", **system), row("t", "blue"), row("t", "red", **system), shots] * 2
    found = judged(tmp_path, train, [row("v", "green", **system), row("v", "red", **system)])
    assert found.faults == []
    first, second, third, fourth = found.warnings
    assert first.startswith("train: 2 of 8 rows have no systemInstruction")
    assert "first without: line 2" in first
    assert second.startswith("train: 2 of 8 prompts look like worked examples")
    assert third == "validation has labels that train lacks: 'green'"
    assert fourth == "train has labels that validation lacks: 'blue'"
    assert judged(tmp_path, [GOOD] * 3, [GOOD]).warnings == []


def test_faults_are_counted_and_some_are_kept(tmp_path: Path) -> None:
    found = judged(tmp_path, [{"contents": []}] * (KEPT + 50))
    assert len(found.faults) == KEPT
    assert found.counts == {"bad_contents": KEPT + 50}


def test_the_shapes_are_those_of_the_published_schema() -> None:
    pytest.importorskip("googleapiclient", reason="the schema is that of google-api-python-client")
    from runner.emulator.schema import api

    published = api("v1beta1")
    kinds = {"text": "string", "name": "string", "struct": "object", "filled": "object"}
    kinds |= {"number": "number", "boolean": "boolean", "int64": "string", "int32": "integer"}
    kinds |= {"duration": "string", "any": "any"}
    for shape, fields in SHAPES.items():
        known = published.schema(shape)["properties"]
        for name, kind in fields.items():
            spec, (head, _, rest) = known[name], kind.removesuffix("!").partition(" ")
            if head in SHAPES:
                assert spec["$ref"] == published.full_name(head)
            elif head == "enum":
                assert set(rest.split("|")) <= set(spec["enum"])
            elif head in ("list", "map"):
                inner = spec["items"] if head == "list" else spec["additionalProperties"]
                assert inner.get("$ref", inner.get("type")) in (
                    published.full_name(rest),
                    kinds.get(rest),
                )
            else:
                assert spec["type"] == kinds[head], (shape, name)
