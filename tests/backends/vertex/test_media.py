"""Local pictures and recordings: uploaded once, and named by their content in what is sent."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.base.errors import BackendError
from runner.emulator import Emulator
from runner.records import Generation, Request, Resource, Turn, write_jsonl
from tests.backends.vertex.jobs import Watch, example, tuning_job, vertex


def shown(path: str, mime: str = "image/png") -> Turn:
    parts = ({"text": "What is it?"}, {"fileData": {"mimeType": mime, "fileUri": path}})
    return Turn("user", f"What is it? {path}", parts)


def pictures(folder: Path) -> tuple[Path, Path]:
    """Two files of one content, and a third."""
    for name, content in (("a.png", b"one"), ("b.png", b"one"), ("c.png", b"two")):
        (folder / name).write_bytes(content)
    return folder / "a.png", folder / "c.png"


def objects(emulator: Emulator) -> list[str]:
    from google.cloud.storage import Client

    client = Client(
        project="p", client_options={"api_endpoint": emulator.overview()["storage"]},
        credentials=_anonymous(),
    )  # fmt: skip
    return sorted(
        blob.name for bucket in client.list_buckets() for blob in client.list_blobs(bucket)
    )


def _anonymous() -> object:
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()


def test_a_job_with_pictures(emulator: Emulator, tmp_path: Path) -> None:
    pictures(tmp_path)
    kept: list[Resource] = []
    job = replace(
        tuning_job(tmp_path),
        record=kept.append,
        forget=lambda name: kept.remove(Resource("object", name)),
    )
    names = ["a.png", "b.png", "c.png"]
    rows = [
        replace(example(at), contents=(shown(str(tmp_path / names[at % 3])),)) for at in range(12)
    ]
    write_jsonl(job.train, (row.to_json() for row in rows))
    chosen = vertex(emulator)
    try:
        Watch().run(chosen, job)
        found = [name for name in objects(emulator) if "/media/" in name]
        assert len(found) == 2
        assert all(name.endswith(".png") for name in found)
        # Every object was on record before it was there, each once.
        recorded = [item.name.partition("//")[2].partition("/")[2] for item in kept]
        assert sorted(recorded) == objects(emulator)
        assert emulator.overview()["violations"] == []
    finally:
        chosen.close()


def test_questions_about_pictures(emulator: Emulator, tmp_path: Path) -> None:
    one, other = pictures(tmp_path)
    public = "https://example.com/picture.png"
    asked = [Request(str(at), (shown(str(uri)),)) for at, uri in enumerate((one, other, public))]
    chosen = vertex(emulator)
    try:
        answers = list(chosen.generate(None, asked, Generation(16)))
        assert [answer.error for answer in answers] == ["", "", ""]
        sent = [chosen.media.in_request(request) for request in asked]
        uris = [request.contents[0].parts[1]["fileData"]["fileUri"] for request in sent]
        assert uris[0].startswith("gs://")
        assert uris[0] != uris[1]
        assert sent[2] is asked[2]
        # Prompts that are compared and shown keep the path.
        assert sent[0].contents[0].text == asked[0].contents[0].text
    finally:
        chosen.close()


def test_a_picture_that_is_gone(emulator: Emulator, tmp_path: Path) -> None:
    chosen = vertex(emulator)
    try:
        with pytest.raises(BackendError, match=r"gone\.png cannot be read to be uploaded"):
            chosen.media.in_request(Request("1", (shown(str(tmp_path / "gone.png")),)))
    finally:
        chosen.close()


def test_the_service_refuses_paths_of_this_machine(emulator: Emulator, tmp_path: Path) -> None:
    """What would happen without the upload: the emulator holds rows to it."""
    from runner.backends.vertex.files import upload
    from runner.backends.vertex.submit import _create, create_config
    from runner.records import Example

    job, chosen = tuning_job(tmp_path), vertex(emulator)
    rows = [replace(example(at), contents=(shown("/home/me/a.png"),)) for at in range(4)]
    write_jsonl(job.train, (row.to_json() for row in rows))
    try:
        where = upload(chosen.clients.storage, chosen.settings.bucket, job.train, Example.to_gemini)
        config = create_config(chosen.settings, "x", job, None)
        _create(chosen.clients, chosen.model.id, where, config)
        status = chosen.find(job.label)
        while status and status.state in ("queued", "running"):
            time.sleep(0.05)
            status = chosen.find(job.label)
        assert status
        assert status.state == "failed"
        assert "neither a gs:// nor an http(s):// address" in status.error
    finally:
        chosen.close()
