"""Lines of a service's log, for people and for whoever gathers logs."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import pytest

from bacctl._log_lines import log_lines
from bacctl.keeper.container import say

UID = "1.2.840.113619.2.55.3.604688119.868.1100.4"
SHORT = "2.25.329800735698"


def test_json_hides_uids_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    write = log_lines("dicom listen", as_json=True)
    write(f"PACS@10.0.0.5: {UID}: kept ({SHORT}.); BAC-NODE-FULL: Triton 2.51.0 at 10.110.120.130:104\x1b[2J")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isascii()
    entry = json.loads(line)
    hidden = [f"uid:{hashlib.sha256(uid.encode()).hexdigest()[:16]}" for uid in (UID, SHORT)]
    assert entry["message"] == (
        f"PACS@10.0.0.5: {hidden[0]}: kept ({hidden[1]}.); BAC-NODE-FULL: Triton 2.51.0 at 10.110.120.130:104"
        "\x1b[2J"
    )
    assert (entry["code"], entry["service"]) == ("BAC-NODE-FULL", "dicom listen")
    assert datetime.fromisoformat(entry["time"]).tzinfo is not None


def test_uids_that_were_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    log_lines("x", as_json=True, uids=True)(UID)
    assert json.loads(capsys.readouterr().err)["message"] == UID
    log_lines("x")(f"{UID}\n\x1b[2J")
    assert capsys.readouterr().err.endswith(f" {UID}\\n\\x1b[2J\n")


def test_the_container(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    say("ready")
    monkeypatch.setenv("BACCTL_SERVE_LOG_JSON", "1")
    say("ready")
    plain, line = capsys.readouterr().err.splitlines()
    assert (plain, json.loads(line)["message"]) == ("ready", "ready")
