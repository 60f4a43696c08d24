"""Memory of each process, and whether it grows with the number of images."""

from __future__ import annotations

import time

from bacctl.bench.inputs import repeated
from bacctl.bench.plan import Bench
from bacctl.bench.processes import CLIENT, memory_mb

_IN_FLIGHT = 4
_LOOKS = 10


def measure_memory(bench: Bench) -> None:
    """Send images, four in flight, and look at all processes ten times on the way, between images.

    All get as many. When the time for it is over no more are sent, and the figures say how many were.

    What is looked at is the proportional set size, in which memory that processes share counts once. Growth
    is that of the server's processes from the second tenth of the images to the last, since the first ones
    fill what stays.
    """
    wanted, until = bench.amount.memory_images, time.monotonic() + bench.amount.memory_s
    marks: dict[str, list[dict[str, float]]] = {one.subject.name: [] for one in bench.driven}
    count = 0
    for look in range(_LOOKS):
        # Two looks at least: growth is from the second to the last.
        if look > 1 and time.monotonic() > until:
            break
        share = (look + 1) * wanted // _LOOKS - look * wanted // _LOOKS
        for one in bench.driven:
            bench.progress(f"memory, {one.subject.name}, {count} of {wanted} images")
            if share:
                one.closed(repeated(bench.images, share), _IN_FLIGHT)
            marks[one.subject.name].append(memory_mb(one.pids))
        count += share
    for name, seen in marks.items():
        at = f"after {count} images"
        server = [sum(of for role, of in mark.items() if role != CLIENT) for mark in seen]
        for role, used in sorted(seen[-1].items()):
            bench.notes.note(("memory", role, at), "MB", name, used)
        bench.notes.note(("memory", "server, all its processes", at), "MB", name, server[-1])
        bench.notes.note(("memory", "server, highest", at), "MB", name, max(server))
        bench.notes.note(("memory", "server, growth", at), "", name, server[-1] / server[1])
