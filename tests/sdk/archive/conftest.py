"""An object store on this machine, rows of images, and the command as users call it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.sdk.archive.made_rows import Rows

from bacctl.cli import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """Start moto's server; what it yields is its address."""
    server_of = pytest.importorskip("moto.server", reason="needs bacctl[test-sdk]")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(object_store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make an empty bucket, with the usual settings of AWS pointing at it; yields its URI."""
    boto3 = pytest.importorskip("boto3")
    from bacctl.archive.stores import objects

    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(objects, "_instances", {})
    client = boto3.client("s3")
    client.create_bucket(Bucket="archive")
    yield "s3://archive"
    for page in client.get_paginator("list_objects_v2").paginate(Bucket="archive"):
        for each in page.get("Contents", ()):
            client.delete_object(Bucket="archive", Key=each["Key"])
    client.delete_bucket(Bucket="archive")


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Run ``bacctl archive`` in the test's folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def made(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bacctl", "archive", *map(str, args)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code or 0
        assert isinstance(code, int)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return made
