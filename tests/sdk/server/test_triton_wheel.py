from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bacctl.server import triton_wheel
from bacctl.server.flags import ENVIRONMENT


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
