"""Memory of each process, and whether it grows with the number of images."""

from __future__ import annotations

from bacctl.bench.inputs import repeated
from bacctl.bench.plan import Bench
from bacctl.bench.processes import CLIENT, memory_mb

_IN_FLIGHT = 4
_LOOKS = 10


def measure_memory(bench: Bench) -> None:
    """Send images, four in flight, and look at all processes ten times on the way, between images.

    What is looked at is the proportional set size, in which memory that processes share counts once. Growth
    is that of the server's processes from the second tenth of the images to the last, since the first ones
    fill what stays.
    """
    count = bench.amount.memory_images
    for one in bench.driven:
        marks = []
        for look in range(_LOOKS):
            bench.progress(f"memory, {one.subject.name}, {look * count // _LOOKS} of {count} images")
            share = (look + 1) * count // _LOOKS - look * count // _LOOKS
            if share:
                one.closed(repeated(bench.images, share), _IN_FLIGHT)
            marks.append(memory_mb(one.pids))
        name, at = one.subject.name, f"after {count} images"
        server = [sum(of for role, of in mark.items() if role != CLIENT) for mark in marks]
        for role, used in sorted(marks[-1].items()):
            bench.notes.note(("memory", role, at), "MB", name, used)
        bench.notes.note(("memory", "server, all its processes", at), "MB", name, server[-1])
        bench.notes.note(("memory", "server, highest", at), "MB", name, max(server))
        bench.notes.note(("memory", "server, growth", at), "", name, server[-1] / server[1])
