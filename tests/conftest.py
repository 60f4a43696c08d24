"""What all tests share."""

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

# A shell that starts the suite with "&" makes it ignore SIGINT, and programs under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

QUICK_S = 10.0
# Where servers are started, or what looks like one (sdk/server).
WITH_SERVERS = ("docker/", "docs/", "e2e/", "faults/", "sdk/server/")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what runs the real server: tests/e2e, tests/faults, and what asks for the fixture `server`.

    What takes minutes is left out here and not by addopts, whose -m any other -m would take the place of.
    """
    for item in items:
        if {"e2e", "faults"} & set(item.path.parts) or "server" in getattr(item, "fixturenames", ()):
            item.add_marker("e2e")
        if item.get_closest_marker("e2e"):
            room = item.path.relative_to(Path(__file__).parent).as_posix()
            if not room.startswith(WITH_SERVERS):
                raise pytest.UsageError(f"tests/{room} starts a server: add its folder to WITH_SERVERS")
    if "full" not in (config.option.markexpr or ""):
        long = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give one of several processes all that starts servers, and the others a file at a time of the rest.

    So servers start one after the other: they take time and ports, and their tests look for what is left in
    /dev/shm. Not --dist=loadgroup: pytest-xdist 3.8 passes over its marks under pytest 9.2, without a word.
    """
    from xdist.scheduler import LoadFileScheduling

    assert hasattr(LoadFileScheduling, "_split_scope"), "this pytest-xdist shares tests out in another way"

    class ServersTogether(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            room = nodeid.removeprefix("tests/")
            return "servers" if room.startswith(WITH_SERVERS) else super()._split_scope(nodeid)

    return ServersTogether(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Keep `make quick` quick. Processor time, so that a busy machine fails nothing."""
    before = sum(os.times()[:4])
    result = yield
    spent = sum(os.times()[:4]) - before
    if spent > QUICK_S and not {"e2e", "slow"} & {mark.name for mark in item.iter_markers()}:
        pytest.fail(f"takes {spent:.0f} s of processor time: make it cheaper, or mark it slow")
    return result
