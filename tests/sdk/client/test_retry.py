"""What is tried again, how often, and that all of it keeps within the time."""

import asyncio
from itertools import pairwise

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
        fake.fail_next(code)
        with pytest.raises(errors.FailedError, match=code):
            client.analyze(b"x", retry_for=0)
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


class Away:
    """A server that is away; every call of it takes its time."""

    def __init__(self, monkeypatch, takes_s=0.0):
        self.now = 0.0
        self.given = []
        self._takes_s = takes_s
        monkeypatch.setattr("time.sleep", self.pass_time)

    def clock(self):
        return self.now

    def pass_time(self, seconds):
        self.now += seconds

    def __call__(self, left):
        self.given.append((self.now, left))
        self.now += self._takes_s
        raise from_catalogue(AWAY)


def test_tried_again_for_a_time_and_not_a_number_of_times(monkeypatch):
    away = Away(monkeypatch)
    with pytest.raises(errors.ServerUnavailableError):
        Retry(300.0, 60.0, clock=away.clock).run(away)
    moments = [moment for moment, _ in away.given]
    waits = [later - earlier for earlier, later in pairwise(moments)]
    # The wait that would pass the end is not begun.
    assert 58.0 <= moments[-1] < 60.0
    assert 0.1 <= waits[0] <= 0.2
    assert all(0.1 <= wait <= 1.0 for wait in waits)
    assert len({round(wait, 6) for wait in waits[5:]}) > 10  # clients do not come back all at once


def test_time_begins_with_the_first_failure(monkeypatch):
    # A call that waited in a queue, and then lost its server, has all of it.
    away = Away(monkeypatch, takes_s=19.0)
    with pytest.raises(errors.ServerUnavailableError):
        Retry(1000.0, 30.0, clock=away.clock).run(away)
    # The third would begin after 39 s, and that is 20 s after the first failure.
    assert [round(moment) for moment, _ in away.given] in ([0, 19, 38], [0, 19, 39])


def test_time_begins_anew_after_an_attempt_that_was_long_under_way(monkeypatch):
    # The server died, was back, and hung: when it is started again, this call has been failing for long.
    moments = []
    away = Away(monkeypatch)

    def call(left):
        moments.append(away.now)
        if len(moments) == 2:
            away.pass_time(100.0)
        if len(moments) < 4:
            away(left)
        return "measured"

    assert Retry(300.0, 60.0, clock=away.clock).run(call) == "measured"
    assert moments[2] > 100.0


def test_attempts_that_are_long_under_way_end_with_the_time_of_all(monkeypatch):
    away = Away(monkeypatch, takes_s=80.0)
    with pytest.raises(errors.ServerUnavailableError):
        Retry(300.0, 60.0, clock=away.clock).run(away)
    assert len(away.given) == 4


def test_no_retry_that_would_take_longer_than_allowed(monkeypatch):
    away = Away(monkeypatch, takes_s=0.95)
    with pytest.raises(errors.ServerUnavailableError):
        Retry(1.0, 60.0, clock=away.clock).run(away)
    # 0.05 s are left, and the wait before a second attempt takes 0.1 s at least.
    assert away.given == [(0.0, 1.0)]


def test_a_server_that_says_when_it_will_be_back_is_left_alone_until_then(monkeypatch):
    away = Away(monkeypatch)

    def call(left):
        away.given.append(away.now)
        error = from_catalogue("BAC-SERVER-OVERLOADED")
        error.retry_after_s = 25.0
        raise error

    with pytest.raises(errors.ServerOverloadedError):
        Retry(300.0, 60.0, clock=away.clock).run(call)
    assert away.given == [0.0, 25.0, 50.0]


@pytest.mark.parametrize("kind", [errors.StartFailedError, errors.TlsError])
def test_what_will_be_no_better_is_not_tried_again(kind, monkeypatch):
    called = []

    def call(left):
        called.append(left)
        raise kind("BAC-SERVER-UNAVAILABLE", "no", "do")

    with pytest.raises(kind):
        Retry(9.0, 9.0).run(call)
    assert len(called) == 1


@pytest.mark.usefixtures("without_waiting")
def test_a_dead_model_is_brought_back_by_others_so_that_the_image_is_sent_again():
    called = []

    def call(left):
        called.append(left)
        if len(called) < 4:
            raise errors.ModelDiedError("BAC-SERVER-FAULT", "a model of the server has died", "wait")
        return "ok"

    assert Retry(9.0, 9.0).run(call) == "ok"


def test_time_left_shrinks_and_never_ends():
    now = [0.0]
    retry = Retry(5.0, clock=lambda: now[0])
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


@pytest.mark.parametrize("retry_for", [-1.0, float("nan"), float("inf"), True, "5"])
def test_retry_for_that_is_none(retry_for):
    with FakeServer().client() as client, pytest.raises(errors.ClientUsageError, match="retry_for"):
        client.analyze(b"x", retry_for=retry_for)


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
        Retry(9.0, 9.0).run(call)
    assert len(called) == 1
