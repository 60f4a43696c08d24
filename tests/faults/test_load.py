"""Far more than a server can do: the image after a crowd of timeouts, and clients beside one with many."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.faults.images import fingerprint
from tests.faults.outcome import judge
from tests.faults.stand import standing

from bacctl import Client, ServerTimeoutError

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

TIMEOUTS = 118
IN_FLIGHT = 64
EACH = 20
# Answers to anybody between sending an image and having its own: four under way, and turns of the other three
# while it waits and while it is under way. In the order of arrival it would be the 64 of the one and more.
MOST_BEFORE = 24


def _measured_s(client: Client, few: Mapping[str, str]) -> float:
    begun = time.monotonic()
    client.analyze(next(iter(few)))
    return time.monotonic() - begun


@pytest.mark.parametrize("way", ["embedded", "served"])
def test_the_image_after_a_crowd_of_timeouts(way: str, few: Mapping[str, str], tmp_path: Path) -> None:
    paths = list(itertools.islice(itertools.cycle(few), TIMEOUTS))
    with standing(way, tmp_path) as stand:
        alone_s = min(_measured_s(stand.client, few) for _ in range(3))

        def given_up(path: str) -> bool:
            try:
                # None can be had that soon, but for the first.
                stand.client.analyze(path, timeout=alone_s, max_retries=0)
            except ServerTimeoutError:
                return True
            return False

        with ThreadPoolExecutor(TIMEOUTS) as pool:
            assert sum(pool.map(given_up, paths)) > TIMEOUTS / 2
        begun = time.monotonic()
        path, wanted = next(iter(few.items()))
        result = stand.client.analyze(path)
        seen = [(path, result.status, result.code, fingerprint(result))]
        fault = f"the image after {TIMEOUTS} timeouts (alone {alone_s:.1f} s)"
        outcome = judge(fault, way, seen, {path: wanted})
        outcome.first_good_s = round(time.monotonic() - begun, 1)
        outcome.write()
        outcome.check_all_measured()


def test_three_beside_one_with_many_in_flight(few: Mapping[str, str], tmp_path: Path) -> None:
    done: list[str] = []  # who, in the order of the answers
    before: list[int] = []
    seen: dict[str, list[tuple[str, str, str | None, str | None]]] = {}
    over = threading.Event()
    with standing("served", tmp_path) as stand:

        def heavy() -> None:
            endless = itertools.takewhile(lambda _: not over.is_set(), itertools.cycle(few))
            with Client(stand.client.url, timeout=1200) as client:
                for result in client.analyze_many(endless, max_in_flight=IN_FLIGHT):
                    assert result.status == "ok"
                    assert fingerprint(result) == few[str(result.path)]
                    done.append("heavy")

        def light(name: str) -> None:
            with Client(stand.client.url, timeout=1200) as client:
                for path in itertools.islice(itertools.cycle(few), EACH):
                    sent = len(done)
                    result = client.analyze(path)
                    before.append(len(done) - sent)
                    done.append(name)
                    seen.setdefault(name, []).append((path, result.status, result.code, fingerprint(result)))

        with ThreadPoolExecutor(4) as pool:
            many = pool.submit(heavy)
            while "heavy" not in done:
                assert not many.done()
                time.sleep(0.1)
            lights = [pool.submit(light, f"light {number}") for number in range(3)]
            try:
                for each in lights:
                    each.result()
            finally:
                over.set()
            many.result()
    for results in seen.values():
        assert len(results) == EACH
        assert all(few[path] == found for path, status, _, found in results if status == "ok")
        assert {status for _, status, _, _ in results} == {"ok"}
    assert max(before) <= MOST_BEFORE, sorted(before)
