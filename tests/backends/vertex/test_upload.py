"""Datasets in Cloud Storage."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest

from runner.backends.vertex.clients import Clients
from runner.backends.vertex.files import upload
from runner.base.errors import BackendError
from runner.emulator import Emulator
from runner.records import Example
from tests.backends.vertex.asking import backend
from tests.backends.vertex.jobs import example, rows

WHERE = "gs://sft-emulator/tests"


def content(clients: Clients, uri: str) -> bytes:
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    found: bytes = clients.storage.bucket(bucket).blob(name).download_as_bytes()
    return found


def names(clients: Clients) -> list[str]:
    return [blob.name for blob in clients.storage.list_blobs("sft-emulator")]


def test_an_object_is_named_by_its_content(emulator: Emulator, tmp_path: Path) -> None:
    clients = Clients(backend(emulator))
    uri = upload(clients.storage, WHERE, rows(tmp_path), Example.to_gemini)
    found = content(clients, uri)
    assert uri == f"{WHERE}/{hashlib.sha256(found).hexdigest()}.jsonl"
    lines = [json.loads(line) for line in found.splitlines()]
    assert lines == [example(number).to_gemini() for number in range(20)]


def test_preference_rows_have_both_answers(emulator: Emulator, tmp_path: Path) -> None:
    clients = Clients(backend(emulator))
    uri = upload(clients.storage, WHERE, rows(tmp_path), Example.to_preference)
    first = json.loads(content(clients, uri).splitlines()[0])
    assert [item["score"] for item in first["completions"]] == [1, 0]


def test_the_same_dataset_is_uploaded_once(emulator: Emulator, tmp_path: Path) -> None:
    clients = Clients(backend(emulator))
    first = upload(clients.storage, WHERE, rows(tmp_path), Example.to_gemini)
    made = clients.storage.bucket("sft-emulator").get_blob(first.split("/", 3)[3]).generation
    again = upload(clients.storage, WHERE, rows(tmp_path), Example.to_gemini)
    assert again == first
    blob = clients.storage.bucket("sft-emulator").get_blob(first.split("/", 3)[3])
    assert blob.generation == made


def test_many_at_once_leave_one_object(emulator: Emulator, tmp_path: Path) -> None:
    clients, file = Clients(backend(emulator)), rows(tmp_path)
    found: list[str] = []

    def work() -> None:
        found.append(upload(clients.storage, WHERE, file, Example.to_gemini))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(names(clients)) == 1


def test_a_big_file_goes_in_parts(emulator: Emulator, tmp_path: Path) -> None:
    # Above 8 MB the client uploads in a resumable session.
    clients, file = Clients(backend(emulator)), rows(tmp_path, count=60_000)
    uri = upload(clients.storage, WHERE, file, Example.to_gemini)
    found = content(clients, uri)
    assert len(found) > 8 << 20
    assert uri.endswith(f"{hashlib.sha256(found).hexdigest()}.jsonl")


def test_an_object_that_is_not_what_its_name_says_is_refused(
    emulator: Emulator, tmp_path: Path
) -> None:
    clients = Clients(backend(emulator))
    uri = upload(clients.storage, WHERE, rows(tmp_path), Example.to_gemini)
    clients.storage.bucket("sft-emulator").blob(uri.split("/", 3)[3]).upload_from_string("{}")
    with pytest.raises(BackendError, match="gcloud storage rm"):
        upload(clients.storage, WHERE, rows(tmp_path), Example.to_gemini)


def test_a_bucket_that_is_not_there_is_named(emulator: Emulator, tmp_path: Path) -> None:
    clients = Clients(backend(emulator))
    with pytest.raises(BackendError, match=r"gs://nowhere.*404") as caught:
        upload(clients.storage, "gs://nowhere", rows(tmp_path), Example.to_gemini)
    assert not caught.value.transient
