"""Drives one subject's server from inside the subject's own environment: started by `bacctl.bench.drive`.

Knows only what every release has, since it also measures older ones: `bacctl.Client`. Reads one JSON object a
line from standard input and answers with one on standard output, which nothing else writes to. Runs isolated,
by its path, and imports nothing of the package that it lies in.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_KEY_HEADER = "triton-grpc-protocol-bacctl"


class Worker:
    """The subject's client, with its own server."""

    def __init__(self) -> None:
        self._client: Any = None
        self._data: dict[str, bytes] = {}

    def start(self, *, density: bool = False) -> dict[str, Any]:
        """Import the package and start its server; tell what both take.

        Without `density` report and mask are asked for, as the commands do; releases before that could be
        chosen always send the density.
        """
        began = time.perf_counter()
        import bacctl

        imported = time.perf_counter()
        can_choose = "density" in inspect.signature(bacctl.Client.embedded).parameters
        chosen: dict[str, Any] = {"density": density} if can_choose else {}
        self._client = bacctl.Client.embedded(**chosen)
        started = time.perf_counter()
        return {
            "version": bacctl.__version__,
            "import_s": imported - began,
            "start_s": started - imported,
        }

    def closed(self, paths: list[str], in_flight: int) -> dict[str, Any]:
        """Measure the images with so many callers, each of which calls again once it has its answer."""
        seconds = [0.0] * len(paths)
        prepared_ms = [0.0] * len(paths)
        left = iter(range(len(paths)))
        taking = threading.Lock()

        def caller() -> None:
            while True:
                with taking:
                    index = next(left, None)
                if index is None:
                    return
                began = time.perf_counter()
                prepared_ms[index] = self._analyze(paths[index])
                seconds[index] = time.perf_counter() - began

        began = time.perf_counter()
        with ThreadPoolExecutor(in_flight) as pool:
            for future in [pool.submit(caller) for _ in range(in_flight)]:
                future.result()
        return {"s": time.perf_counter() - began, "images_s": seconds, "prepared_ms": prepared_ms}

    def open(self, paths: list[str], due_s: list[float]) -> dict[str, Any]:
        """Send each image when it is due, whatever has been answered by then.

        Latency counts from the time at which the image was due, and not from when a thread got round to
        sending it: a server that stalls must not be spared the images that came meanwhile.
        """
        latencies = [0.0] * len(paths)

        def call(index: int, due: float) -> None:
            self._analyze(paths[index])
            latencies[index] = time.perf_counter() - due

        with ThreadPoolExecutor(len(paths)) as pool:
            began = time.perf_counter()
            futures = []
            for index, after_s in enumerate(due_s):
                due = began + after_s
                time.sleep(max(0.0, due - time.perf_counter()))
                futures.append(pool.submit(call, index, due))
            for future in futures:
                future.result()
        return {"s": time.perf_counter() - began, "latencies_s": latencies}

    def statistics(self) -> dict[str, Any]:
        """Return what Triton counted for each step so far, in ns."""
        from tritonclient import grpc

        # The one thing that has no public name; it is called so in every release.
        server = self._client._server
        with contextlib.closing(grpc.InferenceServerClient(self._client.url)) as client:
            counted = client.get_inference_statistics(headers={_KEY_HEADER: server.key}, as_json=True)
        return {
            model["name"]: {
                name: int(duration.get("ns", 0)) for name, duration in model["inference_stats"].items()
            }
            for model in counted["model_stats"]
            if "inference_stats" in model
        }

    def close(self) -> dict[str, Any]:
        """Stop the server, if there is one, and tell what that takes."""
        began = time.perf_counter()
        if self._client is not None:
            self._client.close()
        return {"s": time.perf_counter() - began}

    def _analyze(self, path: str) -> float:
        """Measure an image; return how long the first step worked on it, in ms."""
        # Read once: disks are not what is measured.
        if path not in self._data:
            with open(path, "rb") as file:
                self._data[path] = file.read()
        try:
            result = self._client.analyze(self._data[path])
        except Exception as error:  # of any release's own kind
            raise RuntimeError(f"{os.path.basename(path)}: {error}") from error
        timings_ms = getattr(result, "timings_ms", None) or {}
        return float(timings_ms.get("preprocess", 0.0))


def main() -> None:
    """Answer one order after the other until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker()
    orders: dict[str, Callable[..., dict[str, Any]]] = {
        name: getattr(worker, name) for name in ("start", "closed", "open", "statistics", "close")
    }
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"answer": orders[order.pop("do")](**order)}
        except Exception as error:  # the one that asked has to hear of it, whatever it is
            answer = {"error": str(error) or type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
    worker.close()


if __name__ == "__main__":
    main()
