from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bacctl.client.transports._connections import _OPTIONS
from bacctl.server import triton_wheel
from bacctl.server.flags import ENVIRONMENT, settings


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's tunables are Linux's")
@pytest.mark.parametrize("own", [None, "glibc.malloc.arena_max=2"])
def test_huge_pages_are_asked_for_unless_the_user_tunes_malloc(
    own: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if own:
        monkeypatch.setenv("GLIBC_TUNABLES", own)
    environment = ENVIRONMENT | triton_wheel._environment()
    assert environment["GLIBC_TUNABLES"] == (own or "glibc.malloc.hugetlb=1")
    # A process takes it without a remark.
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.environ['GLIBC_TUNABLES'])"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert (done.stdout.strip(), done.stderr) == (environment["GLIBC_TUNABLES"], "")


def test_a_server_lets_clients_ask_whether_a_connection_is_still_there() -> None:
    # At least as often as a client of ours asks, or the server ends its connection.
    flags = dict(flag.removeprefix("--").partition("=")[::2] for flag in settings("key", 10))
    least_ms = int(flags["grpc-http2-min-recv-ping-interval-without-data"])
    assert least_ms < dict(_OPTIONS)["grpc.keepalive_time_ms"]
