"""A call that the server has lost is sent once more; a slow server is waited for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from bac_terms.errors import BacctlError, ServerTimeoutError, ServerUnavailableError, from_catalogue
from bacctl import AsyncClient, Client
from bacctl.client import patience
from bacctl.client.patience import LEAST_S, Patience
from bacctl.client.retry import Retry


class Calls:
    """Calls that take as long as they are said to, or all the time that they have."""

    def __init__(self) -> None:
        self.now = 0.0
        self.patience = Patience(lambda: self.now)

    def make(self, takes_s: float, left_s: float = 300.0, *, is_last: bool = False) -> float:
        """Return how long it was allowed to take."""
        with self.patience.call(left_s, is_last=is_last) as most_s:
            self.now += min(takes_s, most_s)
            if takes_s > most_s:
                raise from_catalogue("BAC-SERVER-TIMEOUT")
        return most_s


def test_without_experience_a_call_has_all_its_time() -> None:
    calls = Calls()
    assert [calls.make(1.0) for _ in range(8)] == [300.0] * 8
    with pytest.raises(ServerTimeoutError):
        Calls().make(400.0)


@pytest.mark.parametrize(
    ("usual_s", "most_s"), [(0.5, LEAST_S), (3.0, LEAST_S), (5.0, 100.0), (8.0, 300.0), (40.0, 300.0)]
)
def test_a_call_may_take_twenty_times_as_long_as_usual_and_a_minute_always(
    usual_s: float, most_s: float
) -> None:
    calls = Calls()
    for _ in range(12):
        calls.make(usual_s)
    assert calls.make(usual_s) == most_s


def test_a_lost_call_can_be_tried_again_and_one_whose_time_is_over_cannot() -> None:
    calls = Calls()
    for _ in range(12):
        calls.make(1.0)
    with pytest.raises(ServerUnavailableError, match=r"not answered in 60 s, where 1\.0 s were usual"):
        calls.make(1000.0)
    with pytest.raises(ServerTimeoutError):
        calls.make(1000.0, left_s=30.0)


def test_a_call_that_cannot_be_sent_once_more_has_all_its_time() -> None:
    calls = Calls()
    for _ in range(12):
        calls.make(1.0)
    assert calls.make(200.0, is_last=True) == 300.0


@pytest.mark.parametrize(
    ("retry_for", "max_retries", "is_last"), [(60.0, None, False), (0.0, None, True), (60.0, 0, True)]
)
def test_whether_another_attempt_may_follow(retry_for: float, max_retries: int | None, is_last: bool) -> None:
    assert Retry(300.0, retry_for, max_retries).is_last is is_last


def test_only_one_attempt_of_a_call_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    for _ in range(12):
        calls.make(1.0)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    retry = Retry(300.0, 60.0, clock=lambda: calls.now)
    allowed = []

    def attempt(left_s: float) -> float:
        # It takes 100 s, which is slow and not lost.
        with calls.patience.call(left_s, is_last=retry.is_last) as most_s:
            allowed.append(round(most_s))
            calls.now += min(100.0, most_s)
            if most_s < 100.0:
                raise from_catalogue("BAC-SERVER-TIMEOUT")
        return most_s

    retry.run(attempt)
    assert allowed == [60, 240]


def test_what_is_usual_follows_the_last_calls() -> None:
    calls = Calls()
    for takes_s in [1.0] * 40 + [10.0] * 20:
        calls.make(takes_s)
    assert calls.make(1.0, left_s=500.0) == 200.0


def test_a_timeout_of_the_servers_own_is_handed_on() -> None:
    calls = Calls()
    for _ in range(12):
        calls.make(1.0)
    with pytest.raises(ServerTimeoutError), calls.patience.call(300.0):
        raise from_catalogue("BAC-SERVER-TIMEOUT")


def test_other_faults_are_handed_on() -> None:
    calls = Calls()
    with pytest.raises(BacctlError, match="BAC-SERVER-FAULT"), calls.patience.call(10.0):
        raise from_catalogue("BAC-SERVER-FAULT", "it met an error")


def _sync(url: str) -> list[str]:
    with Client(url, timeout=30.0) as client:
        return [client.analyze(b"x").status for _ in range(10)]


def _async(url: str) -> list[str]:
    async def analyze() -> list[str]:
        async with AsyncClient(url, timeout=30.0) as client:
            return [(await client.analyze(b"x")).status for _ in range(10)]

    return asyncio.run(analyze())


@pytest.mark.parametrize("analyze", [_sync, _async])
def test_a_call_that_the_server_has_lost(
    analyze: Callable[[str], list[str]],
    serve: Callable[..., str],
    triton_response: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "LEAST_S", 3.0)
    monkeypatch.setattr(patience, "_TIMES", 1.0)
    over = threading.Event()
    came: list[int] = []

    def infer(request: object, context: object) -> object:
        came.append(1)
        if len(came) == 10:
            over.wait(60)
        return triton_response()

    try:
        assert analyze(serve(infer)) == ["ok"] * 10
        assert len(came) == 11
    finally:
        over.set()
