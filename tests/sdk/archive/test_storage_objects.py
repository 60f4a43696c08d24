"""Objects of a real store, moto's server, by its own client on the other side."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bac_terms.errors import FailedError, RefusedError
from bacctl.archive import storage

s3fs = pytest.importorskip("s3fs", reason="needs bacctl[archive]")
boto3 = pytest.importorskip("boto3")


def nothing(uri: str, error: FailedError) -> None:
    raise AssertionError(uri)


@pytest.fixture
def client(bucket: str) -> Any:
    return boto3.client("s3")


def test_parts_of_an_object(bucket: str, client: Any, tmp_path: Path) -> None:
    key = "a b/ü?v=1#2%41.dcm"
    client.put_object(Bucket="archive", Key="plain", Body=bytes(range(10)))
    client.put_object(Bucket="archive", Key="empty", Body=b"")
    uri = f"{bucket}/plain"
    assert storage.read_range(uri, 2, 3) == b"\2\3\4"
    assert storage.read_range(uri, 8, 5) == b"\x08\x09"
    assert storage.read_range(uri, 20, 5) == b""
    assert storage.read(uri, 10) == bytes(range(10))
    assert storage.read(f"{bucket}/empty", 10) == b""
    with pytest.raises(RefusedError, match="BAC-FILE-TOO-LARGE"):
        storage.read(uri, 9)
    told = client.head_object(Bucket="archive", Key="plain")
    seconds = int(told["LastModified"].timestamp())
    assert storage.stat(uri) == (10, seconds * 10**9, told["ETag"].strip('"'))
    assert storage.exists(uri)
    assert not storage.exists(f"{bucket}/pla")
    with storage.local_copy(uri) as path:
        assert path.read_bytes() == bytes(range(10))
    assert not path.exists()
    # Odd names are names.
    storage.put(f"{bucket}/{key}", b"odd")
    assert client.get_object(Bucket="archive", Key=key)["Body"].read() == b"odd"
    assert storage.read(f"{bucket}/{key}", 3) == b"odd"


def test_what_is_not_there(bucket: str) -> None:
    for uri in (f"{bucket}/none", "s3://no-such-bucket/a"):
        with pytest.raises(FailedError, match="BAC-FILE-UNREADABLE: there is no such object"):
            storage.read(uri, 1)
        with pytest.raises(FailedError, match="BAC-FILE-UNREADABLE"):
            storage.stat(uri)
    with pytest.raises(FailedError, match="BAC-FILE-UNREADABLE"):
        storage.put("s3://no-such-bucket/a", b"")
    for uri in ("s3://", bucket):
        with pytest.raises(FailedError, match="write s3://BUCKET/KEY"):
            storage.read(uri, 1)
    # s3fs takes what stands before it for the name of the object.
    with pytest.raises(FailedError, match="are not read"):
        storage.put(f"{bucket}/a?versionId=1", b"")


def test_a_walk_asks_for_every_page(bucket: str, client: Any) -> None:
    from bacctl.archive.stores import objects

    keys = [f"root/{number:03}" for number in range(25)]
    for key in (*keys, "root/folder/", "root2/other", "rooted"):
        client.put_object(Bucket="archive", Key=key, Body=b"1")
    store = objects._store()
    ask = store.call_s3
    pages = []

    def in_tens(method: str, **arguments: Any) -> Any:
        pages.append(arguments)
        return ask(method, MaxKeys=10, **arguments)

    store.call_s3 = in_tens
    found = list(storage.walk(f"{bucket}/root/", nothing))
    assert [entry.uri for entry in found] == [f"{bucket}/{key}" for key in keys]
    assert len(pages) == 3
    store.call_s3 = ask
    assert next(iter(found))[1:] == storage.stat(found[0].uri)
    # Nothing of a listing is kept.
    client.put_object(Bucket="archive", Key="root/999", Body=b"")
    assert len(list(storage.walk(f"{bucket}/root", nothing))) == 26
    assert [entry.uri for entry in storage.walk(f"{bucket}/rooted", nothing)] == [f"{bucket}/rooted"]
    assert len(list(storage.walk(bucket, nothing))) == 28
    with pytest.raises(FailedError, match="there is no object of this name, and none below it"):
        list(storage.walk(f"{bucket}/roo", nothing))


def test_an_object_is_made_whole_or_not_at_all(
    bucket: str, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bacctl.archive.stores import objects

    uri = f"{bucket}/part.parquet"
    storage.put(uri, b"old")
    source = tmp_path / "source"
    source.write_bytes(os.urandom(11 << 20))
    monkeypatch.setattr(s3fs.core, "calculate_chunksize", lambda size, chunksize: 5 << 20)  # the least
    storage.put(uri, source)
    assert client.head_object(Bucket="archive", Key="part.parquet")["ContentLength"] == 11 << 20
    assert "-" in storage.stat(uri).token  # made of parts
    storage.put(uri, b"old")

    # One that breaks off in the middle leaves neither a new object nor parts.
    store = objects._store()
    original = store._call_s3

    async def breaks_off(method: str, *arguments: Any, **named: Any) -> Any:
        if method == "upload_part" and named["PartNumber"] > 1:
            raise ConnectionResetError
        return await original(method, *arguments, **named)

    monkeypatch.setattr(store, "_call_s3", breaks_off)
    with pytest.raises(FailedError, match="BAC-STORAGE-UNREACHABLE"):
        storage.put(uri, source)
    assert client.get_object(Bucket="archive", Key="part.parquet")["Body"].read() == b"old"
    assert "Uploads" not in client.list_multipart_uploads(Bucket="archive")


def _read_in_child(uri: str, answers: Any) -> None:
    answers.put(storage.read(uri, 3))


def test_threads_and_forks(bucket: str) -> None:
    uri = f"{bucket}/a"
    storage.put(uri, b"abc")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: storage.read(uri, 3), range(40))) == {b"abc"}
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_read_in_child, args=(uri, answers))
    child.start()
    assert answers.get(timeout=60) == b"abc"
    child.join(60)


def test_a_store_that_is_away(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from bacctl.archive.stores import objects

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(objects, "_instances", {})
    with pytest.raises(FailedError, match="BAC-STORAGE-UNREACHABLE") as error:
        storage.read(f"{bucket}/a", 1)  # tried again for some seconds
    assert "127.0.0.1" not in str(error.value)


def test_a_store_that_does_not_let_us(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    from bacctl.archive.stores import objects

    store = objects._store()

    def denied(*_: object, **__: object) -> None:
        told = {"Error": {"Code": "AccessDenied", "Message": "not for AKIA of s3://archive/Anna"}}
        raise PermissionError(told["Error"]["Message"]) from ClientError(told, "HeadObject")

    monkeypatch.setattr(store, "call_s3", denied)
    with pytest.raises(FailedError, match=r"BAC-STORAGE-REFUSED: .*\(AccessDenied\)") as error:
        storage.stat(f"{bucket}/a")
    assert "Anna" not in str(error.value)
