"""A hundred times a real step stands still while images are on their way: no `ok` is another's result."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.faults import processes
from tests.faults.images import fingerprint
from tests.faults.outcome import judge
from tests.faults.stand import IN_FLIGHT, Stand, standing

STALLS = 100


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_no_wrong_result_in_a_hundred_stalls(images: Mapping[str, str], tmp_path: Path) -> None:
    over = threading.Event()
    stalls: list[str] = []
    with standing("embedded", tmp_path) as stand:
        thread = threading.Thread(target=_stall_again_and_again, args=(stand, over, stalls))
        thread.start()
        try:
            while len(stalls) < STALLS:
                seen = [
                    (str(result.path), result.status, result.code, fingerprint(result))
                    for result in stand.client.analyze_many(list(images), max_in_flight=IN_FLIGHT)
                ]
                outcome = judge("stalls of steps", f"embedded, {len(stalls)} so far", seen, images)
                outcome.write()
                outcome.check()
        finally:
            over.set()
            thread.join()


def _stall_again_and_again(stand: Stand, over: threading.Event, stalls: list[str]) -> None:
    """Stop one step after the other, for 2 to 5 s, whenever the server measures.

    A step that stands still while it is being loaded ends the start, and after eight of these in a row the
    server gives up, which is not what is asked here.
    """
    draw = random.Random(17)
    while not over.is_set():
        if not stand.client.ready(timeout=5.0):
            over.wait(0.5)
            continue
        step = draw.choice(processes.STEPS)
        pids = processes.of_step(stand.root, step)
        if pids:
            processes.stall(lambda pids=pids: pids, draw.uniform(2.0, 5.0))
            stalls.append(step)
        over.wait(draw.uniform(0.5, 3.0))
        time.sleep(0.1)
