"""A server at full load with faults thrown at it, and how it fares: python -m tests.faults.soak.

Research use only. Every result is held against the undisturbed one; memory is measured while no fault is at
work. Writes ``soak.json`` and ``soak.md``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from tests.e2e.process_tree import command_line, descendants
from tests.faults import processes
from tests.faults.images import fingerprint, make_images, undisturbed
from tests.faults.processes import STEPS
from tests.faults.stand import IN_FLIGHT, Stand, standing

IMAGES = 40
LOOK_S = 10.0
FAULT_EVERY_S = 120.0
_WARM = 0.2  # of the time: what is taken then is not counted as growth


class Soak:
    """One soak: what came back and what was seen, second by second."""

    def __init__(self, stand: Stand, expected: Mapping[str, str], seconds: float) -> None:
        self.stand, self.expected, self.seconds = stand, expected, seconds
        self.begun = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.faults: list[tuple[float, str]] = []
        self.looks: list[dict[str, Any]] = []
        self.over = threading.Event()

    def load(self) -> None:
        """Send images in turn until the time is over; what is sent is answered or counts as lost."""
        sent: Counter[str] = Counter()

        def endless() -> Any:
            for path in itertools.cycle(self.expected):
                if time.monotonic() - self.begun > self.seconds:
                    return
                sent[path] += 1
                yield path

        for result in self.stand.client.analyze_many(endless(), max_in_flight=IN_FLIGHT):
            path = str(result.path)
            sent[path] -= 1
            if result.status == "ok":
                right = fingerprint(result) == self.expected[path]
                self.counts["ok" if right else "wrong"] += 1
            else:
                self.codes[str(result.code)] += 1
        self.counts["lost"] = sum(count for count in sent.values() if count > 0)
        self.counts["doubled"] = -sum(count for count in sent.values() if count < 0)

    def watch(self) -> None:
        """Look at the memory of each process, now and then."""
        while not self.over.wait(LOOK_S):
            memory: Counter[str] = Counter({"client": psutil.Process().memory_info().rss})
            for pid in descendants(self.stand.root):
                try:
                    memory[_role(pid)] += psutil.Process(pid).memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.looks.append(
                {"second": self._now(), "measured": self.counts["ok"], "memory_bytes": dict(memory)}
            )

    def disturb(self, every_s: float) -> None:
        """Do one thing after the other to the server, none in the last tenth."""
        draw = random.Random(3)
        while not self.over.wait(every_s) and self._now() < 0.9 * self.seconds:
            step = draw.choice(STEPS)
            kind = draw.choice(("kill -9 of", "3 s of standing still of", "connections cut"))
            self.faults.append((self._now(), kind if kind == "connections cut" else f"{kind} {step}"))
            pids = processes.of_step(self.stand.root, step)
            if kind == "connections cut" and self.stand.relay is not None:
                self.stand.relay.cut()
            elif kind.startswith("kill"):
                processes.send(pids, signal.SIGKILL)
            elif pids:
                processes.stall(lambda pids=pids: pids, 3.0)

    def _now(self) -> float:
        return round(time.monotonic() - self.begun, 1)

    def figures(self) -> dict[str, Any]:
        """Put together what was seen.

        ``growth`` compares the median memory of the last tenth with that of the tenth after the warm-up, of
        client and server together.
        """
        totals = [(look["second"], sum(look["memory_bytes"].values())) for look in self.looks]
        tenth = self.seconds / 10
        first = [total for second, total in totals if 0 <= second - _WARM * self.seconds < tenth]
        last = [total for second, total in totals if second >= self.seconds - tenth]
        growth = _median(last) / _median(first) - 1.0 if first and last else None
        counted = {name: self.counts[name] for name in ("ok", "wrong", "lost", "doubled")}
        return {
            "intended_use": "research use only",
            "minutes": round(self.seconds / 60, 2),
            **counted,
            "codes": dict(self.codes),
            "images_per_minute": round(60 * self.counts["ok"] / self.seconds, 1),
            "growth": growth,
            "faults": self.faults,
            "looks": self.looks,
        }


def markdown(figures: Mapping[str, Any]) -> str:
    """Write the figures as a page."""
    growth = "not known" if figures["growth"] is None else f"{100 * figures['growth']:+.1f} %"
    codes = ", ".join(f"{count} {code}" for code, count in figures["codes"].items()) or "none"
    lines = [
        "# Soak",
        "",
        f"{figures['minutes']} minutes, {len(figures['faults'])} faults. Research use only.",
        "",
        f"- measured {figures['ok']}, {figures['images_per_minute']} a minute; wrong {figures['wrong']}, "
        f"lost {figures['lost']}, doubled {figures['doubled']}; not measured: {codes}",
        f"- memory after the warm-up: {growth}",
        "",
        "| second | measured | memory of client and server, MB | by process, MB |",
        "| ---: | ---: | ---: | --- |",
    ]
    for look in figures["looks"]:
        memory = look["memory_bytes"]
        each = ", ".join(f"{role} {size / 1e6:.0f}" for role, size in sorted(memory.items()))
        lines.append(f"| {look['second']} | {look['measured']} | {sum(memory.values()) / 1e6:.0f} | {each} |")
    lines += ["", "| second | fault |", "| ---: | --- |"]
    lines += [f"| {second} | {fault} |" for second, fault in figures["faults"]]
    return "\n".join(lines) + "\n"


def _role(pid: int) -> str:
    command = command_line(pid)
    for step in STEPS:
        if step in command and "python_backend_stub" in command:
            return step
    return "tritonserver" if "bin/tritonserver" in command.split(" ")[0] else "other"


def _median(values: list[int]) -> float:
    return float(sorted(values)[len(values) // 2])


def main(arguments: list[str]) -> int:
    """Soak as the arguments say; 0 where nothing was wrong, lost or doubled."""
    parser = argparse.ArgumentParser(description="A server at full load under faults. Research use only.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--images", type=int, default=IMAGES, help="how many different ones")
    parser.add_argument("--fault-every", type=float, default=FAULT_EVERY_S, metavar="S")
    parser.add_argument("--out", type=Path, default=Path("out/soak"))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bacctl-soak-") as scratch:
        expected = undisturbed(make_images(Path(scratch, "images"), options.images))
        with standing("served", Path(scratch)) as stand:
            soak = Soak(stand, expected, options.minutes * 60)
            beside = [
                threading.Thread(target=soak.watch),
                threading.Thread(target=soak.disturb, args=(options.fault_every,)),
            ]
            for thread in beside:
                thread.start()
            try:
                soak.load()
            finally:
                soak.over.set()
                for thread in beside:
                    thread.join()
    figures = soak.figures()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "soak.json").write_text(json.dumps(figures, indent=1) + "\n")
    (options.out / "soak.md").write_text(markdown(figures))
    print(options.out / "soak.md")
    return 1 if figures["wrong"] or figures["lost"] or figures["doubled"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
