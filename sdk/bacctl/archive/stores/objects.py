"""Objects of an S3-compatible store, by s3fs.

What s3fs does by itself and is not wanted: an object opened for writing is created, in part, also when the
block is left by an exception; listings are kept and go stale; an instance does not survive a fork. Hence one
call for each whole object, pages of listings asked for here, and an instance for each process.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import s3fs
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnectedError
from fsspec.exceptions import FSTimeoutError

from bac_terms.errors import FailedError
from bacctl.archive.stores.found import Entry, Report, Stat

T = TypeVar("T")

SCHEME = "s3://"
_UNREADABLE = "BAC-FILE-UNREADABLE"
_BUSY = (errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO), errno.ETIMEDOUT)
_AWAY = (NotConnectedError, HTTPClientError, FSTimeoutError, ConnectionError, TimeoutError)
_AT_A_TIME = 32
_EMPTY = ("InvalidRange", "416")  # of an object that ends before
_VERSION = "?versionId="
_ANSWER_S = 60
_OPTIONS = {
    "skip_instance_cache": True,
    "use_listings_cache": False,
    "config_kwargs": {"connect_timeout": 10, "read_timeout": _ANSWER_S, "retries": {"max_attempts": 3}},
}

_lock = threading.Lock()
_instances: dict[int, s3fs.S3FileSystem] = {}


def read_range(uri: str, start: int, length: int) -> bytes:
    """Read a part of an object; shorter where it ends before."""
    split(uri)
    if length <= 0:
        return b""
    try:
        data: bytes = _store().cat_file(uri, start=start, end=start + length)
    except Exception as error:
        if _code_of(error) in _EMPTY:
            return b""
        _explain(error, uri)
    return data


def read_heads(uris: Sequence[str], length: int) -> list[bytes | FailedError]:
    """Read how some objects begin, many at a time."""
    answers = _store().cat_ranges(
        list(uris), [0] * len(uris), [length] * len(uris), batch_size=_AT_A_TIME, on_error="return"
    )
    return [_data_or_why(answer, uri) for answer, uri in zip(answers, uris, strict=True)]


def _data_or_why(answer: bytes | Exception, uri: str) -> bytes | FailedError:
    if isinstance(answer, bytes):
        return answer
    if _code_of(answer) in _EMPTY:
        return b""
    try:
        _explain(answer, uri)
    except FailedError as error:
        return error


def stat(uri: str) -> Stat:
    """Look at an object."""
    bucket, key = split(uri)
    found = _ask(uri, lambda: _store().call_s3("head_object", Bucket=bucket, Key=key))
    return _stat(found, int(found["ContentLength"]))


def exists(uri: str) -> bool:
    """Tell whether there is an object; one that may not be looked at is an error, not absent."""
    bucket, key = split(uri)
    try:
        _store().call_s3("head_object", Bucket=bucket, Key=key)
    except FileNotFoundError:
        return False
    except Exception as error:
        _explain(error, uri)
    return True


def put(uri: str, data: bytes | Path) -> None:
    """Make an object of some bytes or of a file, whole or not at all.

    By one request, or from 100 MB on in parts of which nothing shows before all are there.
    """
    split(uri)
    if isinstance(data, Path):
        _ask(uri, lambda: _store().put_file(str(data), uri))
    else:
        _ask(uri, lambda: _store().pipe_file(uri, data))


def fetch(uri: str, path: Path) -> None:
    """Copy an object into a file."""
    size = stat(uri).size
    _ask(uri, lambda: _store().get_file(uri, str(path)))
    if path.stat().st_size != size:
        raise FailedError("BAC-FILE-CHANGED")


def walk(uri: str, _report: Report) -> Iterator[Entry]:
    """Yield an object, or every object below a prefix, in the order of their keys, page by page."""
    bucket, key = split(uri, with_key=False)
    if key and not key.endswith("/"):
        if exists(uri):
            yield Entry(uri, *stat(uri))
            return
        key += "/"
    page: dict[str, Any] = {"Bucket": bucket, "Prefix": key}
    found = False
    while True:
        answer = _ask(uri, lambda: _store().call_s3("list_objects_v2", **page))
        for each in answer.get("Contents", ()):
            found = True
            if not each["Key"].endswith("/"):  # a folder that a console has drawn
                yield Entry(f"{SCHEME}{bucket}/{each['Key']}", *_stat(each, int(each["Size"])))
        following = answer.get("NextContinuationToken")
        if not answer.get("IsTruncated"):
            break
        if not following or following == page.get("ContinuationToken"):
            raise FailedError("BAC-STORAGE-REFUSED", "the object store does not list all that it has", "")
        page["ContinuationToken"] = following
    if not found and key:
        raise FailedError(_UNREADABLE, "there is no object of this name, and none below it")


def split(uri: str, *, with_key: bool = True) -> tuple[str, str]:
    """Take ``s3://bucket/key`` apart."""
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    if not bucket or (with_key and not key):
        raise FailedError(_UNREADABLE, "the address is none of an object", "write s3://BUCKET/KEY")
    if _VERSION in key:  # s3fs would take another object, whose name ends there
        raise FailedError(_UNREADABLE, f"objects with {_VERSION} in their names are not read", "rename it")
    return bucket, key


def _store() -> s3fs.S3FileSystem:
    """Give this process's instance; endpoint and credentials come from the usual AWS settings."""
    process = os.getpid()
    with _lock:
        if process not in _instances:
            _instances.clear()  # those of a parent that was forked
            _instances[process] = s3fs.S3FileSystem(**_OPTIONS)
        return _instances[process]


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # a thread of the parent may have held it
    os.register_at_fork(after_in_child=_new_lock)


def _ask(uri: str, request: Callable[[], T]) -> T:
    try:
        return request()
    except Exception as error:
        _explain(error, uri)


def _explain(error: Exception, uri: str) -> NoReturn:
    """Put into a code what s3fs and botocore raise; their texts name addresses and keys, and stay out."""
    code = _code_of(error)
    if isinstance(error, FileNotFoundError):
        raise FailedError(_UNREADABLE, "there is no such object or bucket") from error
    is_busy = (isinstance(error, OSError) and error.errno in _BUSY) or code.startswith("5")
    if is_busy or isinstance(error, _AWAY):
        raise FailedError("BAC-STORAGE-UNREACHABLE") from error
    if isinstance(error, PermissionError | BotoCoreError | ClientError | OSError):
        told = code or type(error).__name__
        meaning = f"the object store does not let this caller do this ({told})"
        raise FailedError("BAC-STORAGE-REFUSED", meaning) from error
    raise error


def _code_of(error: BaseException) -> str:
    """Give S3's own name of an error, such as NoSuchKey; empty where it has none."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    if not isinstance(cause, ClientError):
        return ""
    told = cause.response.get("Error", {}).get("Code", "")
    return told if told.isalnum() else ""


def _stat(answer: Mapping[str, Any], size: int) -> Stat:
    changed = answer.get("LastModified")
    seconds = int(changed.timestamp()) if isinstance(changed, datetime) else 0
    return Stat(size, seconds * 10**9, str(answer.get("ETag", "")).strip('"'))
