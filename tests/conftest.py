"""What all tests share."""

import os
import signal
from collections.abc import Generator
from typing import Any

import pytest

# A shell that starts the suite with "&" makes it ignore SIGINT, and programs under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

QUICK_S = 10.0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what runs the real server: tests/e2e, tests/faults, and what asks for the fixture `server`.

    What takes minutes is left out here and not by addopts, whose -m any other -m would take the place of.
    """
    for item in items:
        if {"e2e", "faults"} & set(item.path.parts) or "server" in getattr(item, "fixturenames", ()):
            item.add_marker("e2e")
    if "full" not in (config.option.markexpr or ""):
        long = [item for item in items if item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    if hasattr(config, "workerinput"):  # one of several processes (pytest-xdist)
        _share_out(items)


def _share_out(items: list[pytest.Item]) -> None:
    """Say which tests stay together, for --dist=loadgroup: those of a file, which share what its module makes.

    All that starts a server is together, so that never two run at once: they take ports and time and look for
    what others leave in /dev/shm. So does tests/sdk/server, whose processes only look like servers. This comes
    first and what is slow next, so that at the end no process waits long for the other.
    """
    places: dict[str, int] = {}
    for item in items:
        alone = item.get_closest_marker("e2e") or item.path.parent.parts[-2:] == ("sdk", "server")
        group = "servers" if alone else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
        place = 0 if alone else 1 if item.get_closest_marker("slow") else 2
        places[group] = min(place, places.get(group, place))
    items.sort(key=lambda item: places[item.get_closest_marker("xdist_group").args[0]])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Keep `make quick` quick. Processor time, so that a busy machine fails nothing."""
    before = sum(os.times()[:4])
    result = yield
    spent = sum(os.times()[:4]) - before
    if spent > QUICK_S and not {"e2e", "slow"} & {mark.name for mark in item.iter_markers()}:
        pytest.fail(f"takes {spent:.0f} s of processor time: make it cheaper, or mark it slow")
    return result
