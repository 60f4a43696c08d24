#!/usr/bin/env python3
"""Run NVIDIA's Triton on the bacctl models inside its container, and look after it. Research use only.

Refuses what Triton would take in silence: an unknown configuration name is served as the default one, and
too little shared memory shows as a crash under load. Sees to the TensorRT engine where the configuration
takes one. Ends, so that the container is started again, when Triton ends, measures no test image any more or
gave a request the answer to another.

The repository in the image is only read: Triton gets a mirror of links in a temporary folder, in which the
chosen configuration is the only one. Arguments after ``--`` go to ``tritonserver``.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bacctl import BacctlError, Client
from bacctl._claim import is_mix_up
from bacctl.server.embedded import NEEDED_SHM_BYTES
from bacctl.server.repository import link_repository, needed_backends
from bacctl.server.supervisor import SHARED_MEMORY
from bacctl.service.binding import MARK

# Whoever may send images need not change what the server is or look into its memory.
RESTRICTED = "shared-memory,model-repository,model-config,statistics,trace,logging"
# What the Python of the server needs for a configuration, where it is not in every image.
PACKAGES = {"cpu": "openvino", "torch": "torch"}
MIXED_UP = "Triton gave a request the answer to another"
EXIT_S = 20
LOOK_S = 0.5


class StartError(Exception):
    """The server must not start; the message is one line that says what to do."""


@dataclass(frozen=True)
class Rules:
    """When a test image is sent, in seconds, and how many may fail in a row once one was measured."""

    every_s: float = 30.0
    again_s: float = 5.0
    tolerated: int = 3
    # It waits behind whatever was sent before it.
    patience_s: float = 110.0


def command(mirror: Path, key: str, extra: list[str]) -> list[str]:
    """Put together the call of ``tritonserver``.

    Parameters
    ----------
    mirror : Path
        The repository that it is given.
    key : str
        What the restricted calls need as a header.
    extra : list of str
        Flags of the caller. They come last, so that they win.
    """
    return [
        "tritonserver",
        f"--model-repository={mirror}",
        "--model-control-mode=none",
        # The configurations are complete; completing them would start every model's stub twice.
        "--disable-auto-complete-config",
        "--strict-readiness=true",
        "--allow-http=false",
        "--grpc-address=0.0.0.0",
        "--grpc-port=8001",
        "--allow-metrics=true",
        "--metrics-address=0.0.0.0",
        "--metrics-port=8002",
        f"--exit-timeout-secs={EXIT_S}",
        "--log-format=ISO8601",
        # Large images make the shared memory grow often; in larger steps it is mapped anew less often.
        "--backend-config=python,shm-growth-byte-size=67108864",
        "--backend-config=python,stub-timeout-seconds=90",
        f"--grpc-restricted-protocol={RESTRICTED}:bacctl={key}",
        *extra,
    ]


def prepare(name: str, repository: Path, engines: Path, scratch: Path) -> Path:
    """Check the choice, mirror the repository and put the engine into the mirror.

    Parameters
    ----------
    name : str
        Configuration: ``cpu`` or that of a file in ``configs/``.
    repository, engines, scratch : Path
        Model repository of the image; folder that keeps engines; temporary folder of this start.

    Returns
    -------
    Path
        The mirror.

    Raises
    ------
    StartError, BacctlError
        The name is unknown or lacks a package, there is too little shared memory, or no engine could be had.
    """
    mirror = scratch / "models"
    shutil.rmtree(mirror, ignore_errors=True)  # a container that is started again
    link_repository(repository, mirror, name)
    package = PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        raise StartError(
            f"the configuration {name} needs the Python package {package}, which is not here; build the "
            "image with it (docker/server.Dockerfile says how) or choose another configuration"
        )
    total = shutil.disk_usage(SHARED_MEMORY).total
    if total < NEEDED_SHM_BYTES:
        raise StartError(
            f"{SHARED_MEMORY} has {total / 2**20:.0f} MB and {NEEDED_SHM_BYTES / 2**20:.0f} MB are needed; "
            "start the container with --shm-size=2g"
        )
    if "tensorrt" in needed_backends(repository, name):
        plan = mirror / "bac_segment" / "1" / "model.plan"
        plan.unlink(missing_ok=True)  # one that lies in the repository may be of another machine
        plan.symlink_to(engine(repository, engines))
    return mirror


def engine(repository: Path, engines: Path) -> Path:
    """Return the TensorRT engine for these weights on this GPU, built now unless it is kept already."""
    from bac_export.engine import keep_engine
    from bac_export.errors import ExportError

    try:
        return keep_engine(repository / "bac_segment" / "1", engines, notice=say)
    except ExportError as error:
        raise StartError(str(error)) from None


def attend(
    server: subprocess.Popen[bytes],
    ask: Callable[[], str],
    stop: threading.Event,
    rules: Rules,
    mixed_up: Callable[[], bool] = lambda: False,
) -> str | None:
    """Send test images until the server fails or is to stop.

    Before the first one that is measured nothing counts: loading may take minutes, and whoever runs the
    container knows how long it may.

    Parameters
    ----------
    server : Popen
        Running.
    ask : callable
        Has a test image measured and says who did it; raises BacctlError.
    stop : Event
        Set when the container is to end.
    rules : Rules
        When.
    mixed_up : callable, optional
        Says whether the models found that images were mixed up. They are not believed again.

    Returns
    -------
    str or None
        What went wrong, in one line; None where the container was to end.
    """
    answered, failures, due = False, 0, 0.0
    while not stop.wait(LOOK_S):
        if server.poll() is not None:
            return f"Triton ended by itself ({server.returncode}); its messages above say why"
        if mixed_up():
            return MIXED_UP
        if time.monotonic() < due:
            continue
        try:
            text = ask()
        except BacctlError as error:
            if stop.is_set():
                break
            if is_mix_up(error):
                return MIXED_UP
            failures += answered
            if failures:
                say(f"test image {failures} of {rules.tolerated} failed: {error}")
            if failures >= rules.tolerated:
                return "Triton measures no test image any more"
            due = time.monotonic() + rules.again_s
        else:
            if not answered:
                say(f"{text}; research use only")
            answered, failures = True, 0
            due = time.monotonic() + rules.every_s
    return None


def ask(url: str, patience_s: float) -> str:
    """Have a test image measured over a connection of its own."""
    with Client(url, timeout=patience_s, max_retries=0) as client:
        server = client.server_info()
    return f"ready: Triton {server['triton']} measured the test image; weights {server['model'][:12]}"


def say(text: str) -> None:
    """Write one line to the container's log, at once."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Prepare, run and look after the server; 0 where it was to end, 1 after one line otherwise."""
    parser = argparse.ArgumentParser(description="Serve the bacctl models. Research use only.")
    parser.add_argument("--model-config", default=os.environ.get("BACCTL_SERVE_MODEL_CONFIG", "cpu"))
    parser.add_argument("--url", default="127.0.0.1:8001", help="where test images are sent")
    parser.add_argument("--repository", type=Path, default=Path("/models"))
    parser.add_argument("--engines", type=Path, default=Path("/engines"))
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/bacctl"))  # noqa: S108  # the container's own
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:cut])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        mirror = prepare(options.model_config, options.repository, options.engines, options.scratch)
        mark = options.scratch / "mixed-up"
        mark.unlink(missing_ok=True)  # of the Triton before this one
        say(f"starting Triton with configuration {options.model_config}")
        # In an empty folder: Triton's stub puts the current one first on the models' import path.
        empty = options.scratch / "run"
        shutil.rmtree(empty, ignore_errors=True)
        empty.mkdir(parents=True)
        # Triton, with what the container's own start line gives it.
        call = command(mirror.absolute(), secrets.token_hex(16), arguments[cut + 1 :])
        server = subprocess.Popen(  # noqa: S603
            call, cwd=empty, env={**os.environ, MARK: str(mark.absolute())}
        )
    except (StartError, BacctlError, OSError) as error:
        say(str(error))
        return 1

    def end(*_: object) -> None:
        # At once: a test image may be under way, for longer than the container is given to end.
        stop.set()
        server.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    rules = Rules()
    wrong = attend(server, lambda: ask(options.url, rules.patience_s), stop, rules, mark.exists)
    server.terminate()
    try:
        server.wait(EXIT_S + 5.0)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if wrong is None or stop.is_set():
        return 0
    say(f"{wrong}; the container ends, so that it is started again")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
