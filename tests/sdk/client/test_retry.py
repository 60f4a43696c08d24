"""What is tried again, how often, and that all of it keeps within the time."""

import asyncio

import pytest
import stamina

from bac_terms import errors
from bac_terms.errors import from_catalogue
from bacctl.client.retry import Retry
from bacctl.testing import FakeServer, refusal

AWAY = "BAC-SERVER-UNAVAILABLE"


@pytest.fixture
def without_waiting():
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.mark.parametrize("code", [AWAY, "BAC-SERVER-OVERLOADED", "BAC-SERVER-MIXED-UP"])
@pytest.mark.usefixtures("without_waiting")
def test_tried_again(code):
    fake = FakeServer()
    with fake.client() as client:
        fake.fail_next(code, times=2)
        assert client.analyze(b"x").status == "ok"
        assert len(fake.requests) == 3
        fake.fail_next(code, times=3)
        with pytest.raises(errors.FailedError, match=code):
            client.analyze(b"x")
        assert len(fake.requests) == 6
        fake.fail_next(code)
        with pytest.raises(errors.FailedError, match=code):
            client.analyze(b"x", max_retries=0)
        fake.fail_next(code, times=5)
        assert client.analyze(b"x", max_retries=5).status == "ok"


@pytest.mark.parametrize(("code", "said"), [("BAC-SERVER-MIXED-UP", 1), (AWAY, 0)])
@pytest.mark.usefixtures("without_waiting")
def test_result_says_that_another_was_thrown_away(code, said, tmp_path):
    fake = FakeServer()
    with fake.client(cache=tmp_path / "cache") as client:
        client.server_info()
        fake.fail_next(code)
        result = client.analyze(b"x")
        assert [notice.code for notice in result.warnings].count("BAC-W-MEASURED-AGAIN") == said
        # Of the answer that was kept there is nothing of the kind to say.
        assert client.analyze(b"x").warnings == ()

    async def in_a_loop():
        async with fake.async_client() as client:
            fake.fail_next(code)
            return await client.analyze(b"x")

    assert [notice.code for notice in asyncio.run(in_a_loop()).warnings] == ["BAC-W-MEASURED-AGAIN"] * said


@pytest.mark.parametrize(
    "code",
    [
        "BAC-SERVER-PERMISSION",
        "BAC-SERVER-FAULT",
        "BAC-SERVER-TIMEOUT",
        "BAC-SERVER-TLS",
        "BAC-SERVER-INCOMPATIBLE",
        "BAC-CODEC-MISSING",
        "BAC-VIEW-SPOT",
    ],
)
def test_never_tried_again(code):
    fake = FakeServer()
    fake.fail_next(code)
    with fake.client(max_retries=9) as client, pytest.raises(errors.BacctlError, match=code):
        client.analyze(b"x")
    assert len(fake.requests) == 1


@pytest.mark.usefixtures("without_waiting")
def test_the_same_in_an_event_loop():
    fake = FakeServer()

    async def main():
        async with fake.async_client() as client:
            fake.fail_next(AWAY, times=2)
            assert (await client.analyze(b"x")).status == "ok"
            fake.fail_next(AWAY, times=3)
            with pytest.raises(errors.ServerUnavailableError):
                await client.analyze(b"x")

    asyncio.run(main())
    assert len(fake.requests) == 6


def test_no_retry_that_would_take_longer_than_allowed():
    now = [0.0]
    given = []

    def call(left):
        given.append(left)
        now[0] += 0.6
        raise from_catalogue(AWAY)

    retry = Retry(1.0, 9, clock=lambda: now[0])
    with pytest.raises(errors.ServerUnavailableError):
        retry.run(call)
    # 0.4 s are left, and the wait before a second attempt may take 0.5 s.
    assert given == [1.0]


def test_time_left_shrinks_and_never_ends():
    now = [0.0]
    retry = Retry(5.0, 0, clock=lambda: now[0])
    assert retry.time_left() == 5.0
    now[0] = 4.0
    assert retry.time_left() == 1.0
    now[0] = 6.0
    assert 0 < retry.time_left() < 0.01


def test_server_gets_what_is_left_of_the_time():
    fake = FakeServer()
    with fake.client() as client:
        client.analyze(b"x", timeout=7.0)
    assert 6.0 < fake.requests[0].timeout <= 7.0


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), "5"])
def test_timeout_that_is_none(timeout):
    with FakeServer().client() as client, pytest.raises(errors.ClientUsageError, match="timeout"):
        client.analyze(b"x", timeout=timeout)


@pytest.mark.parametrize("retries", [-1, 1.5, True, "2"])
def test_max_retries_that_are_none(retries):
    with FakeServer().client() as client, pytest.raises(errors.ClientUsageError, match="max_retries"):
        client.analyze(b"x", max_retries=retries)


def test_refusal_of_a_measure():
    def measure(request):
        raise refusal("BAC-VIEW-SPOT")

    with FakeServer(measure).client() as client, pytest.raises(errors.RefusedError, match="BAC-VIEW-SPOT"):
        client.analyze(b"x")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_what_is_no_error_of_ours_goes_straight_through(kind):
    called = []

    def call(left):
        called.append(left)
        raise kind

    with pytest.raises(kind):
        Retry(9.0, 9).run(call)
    assert len(called) == 1
