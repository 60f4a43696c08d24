"""What a start that failed says: the cause, not the lines that every log has."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from bac_terms.errors import StartFailedError, unavailable
from bacctl.server import embedded
from bacctl.server.embedded import EmbeddedServer
from bacctl.server.start_faults import PortTakenError, explained, telling_why

# As Triton 2.51 writes them on a machine without a GPU.
EVERY_LOG = """\
2026-11-01T08:00:00Z W 1 pinned_memory_manager.cc:273] "Unable to allocate pinned system memory: no CUDA"
2026-11-01T08:00:00Z E 1 server.cc:241] "CudaDriverHelper has not been initialized."
2026-11-01T08:00:01Z I 1 model_lifecycle.cc:472] "loading: bac_segment:1"
"""
NOT_LOADED = (
    "2026-11-01T08:00:02Z E 1 model_lifecycle.cc:642] \"failed to load 'bac_segment' version 1: Internal: "
    'ValueError: /tmp/m/model.onnx does not match its model_card.json; export the model again\\n\\nAt:\\n"\n'
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("log", "code", "said"),
    [
        (NOT_LOADED, 1, "failed to load 'bac_segment'"),
        ('x E 1 shm.cc:9] "cannot map: No space left on device"\n', 1, "no space is left"),
        ("OSError: [Errno 24] Too many open files\n", 1, "ulimit -n"),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n", -6, "too little memory"),
        ("", -9, "ended by SIGKILL; look for the kernel's out-of-memory killer"),
        ("", -11, "ended by SIGSEGV"),
        ('x E 1 main.cc:9] "unknown flag"\n', 1, "unknown flag"),
    ],
)
def test_the_cause_is_named_and_the_log_kept(log: str, code: int, said: str, folder: Path) -> None:
    error = explained(unavailable("the embedded Triton ended while starting"), EVERY_LOG + log, code)
    assert isinstance(error, StartFailedError)
    assert said in str(error)
    assert "CudaDriverHelper" not in str(error)
    (kept,) = folder.iterdir()
    assert str(kept) in str(error)
    assert kept.read_text() == EVERY_LOG + log


def test_a_port_that_was_taken_in_between() -> None:
    log = f"{EVERY_LOG}x E 1 main.cc:9] \"Socket '127.0.0.1:8001' already in use\"\n"
    error = explained(unavailable("it ended"), log, 1)
    assert isinstance(error, PortTakenError)
    assert str(error) == "127.0.0.1:8001"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "no space is left in"),
        (errno.EMFILE, "too many files open; raise the limit"),
        (errno.EROFS, "cannot be written; set TMPDIR"),
        (errno.EAGAIN, "too few processes"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_faults_of_the_system_have_a_code_and_advice(number: int, said: str) -> None:
    with pytest.raises(StartFailedError, match=said) as caught, telling_why():
        raise OSError(number, os.strerror(number))
    assert caught.value.code == "BAC-SERVER-UNAVAILABLE"


def test_a_full_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_NEEDED_TEMPORARY_BYTES", 2**62)
    with pytest.raises(
        StartFailedError, match=r"no space is left in .*; free some space there, or set TMPDIR"
    ):
        EmbeddedServer().start()


def test_no_temporary_folder_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", list)
    with pytest.raises(StartFailedError, match="no temporary folder can be written; free some space there"):
        EmbeddedServer().start()
