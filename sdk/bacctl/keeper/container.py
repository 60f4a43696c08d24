"""Runs the Triton of a container on the bacctl models, and ends when it has failed.

The container is then started again by whoever runs it.

Refused is what Triton would take in silence: an unknown configuration name is served as the default one, and
too little shared memory shows as a crash under load.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from bac_terms.errors import BacctlError
from bacctl._claim import MARK, TICKETS
from bacctl._log_lines import log_lines
from bacctl.keeper.ask import LAST_CALLS_S, answer_first, ask, measured_text
from bacctl.keeper.watch import Watch, WatchRules
from bacctl.server.admin import load_model
from bacctl.server.embedded import NEEDED_SHM_BYTES
from bacctl.server.flags import ENVIRONMENT, fits_socket, listeners, settings
from bacctl.server.repository import link_repository, needed_backends
from bacctl.server.steps import Steps
from bacctl.server.supervisor import SHARED_MEMORY
from bacctl.service.steps import read_model_card

RULES = WatchRules(again_s=5.0, tolerated=3)
# What the Python of the server needs for a configuration, where it is not in every image.
_PACKAGES = {"cpu": ("onnxruntime", "openvino"), "torch": ("torch",)}
# Backends that run no Python: what they load, or is built from, has to count the votes itself.
_WITH_VOTES = {"onnxruntime", "tensorrt"}
_PORTS = {"grpc": 8001, "metrics": 8002}
_EXIT_S = 20
# A test image waits behind whatever was sent before it.
_PATIENCE_S = 110.0
_LOADING_S = 300.0  # an engine is larger than the CPU's network


class StartError(Exception):
    """The server must not start; the message is one line that says what to do."""


def command(mirror: Path, key: str, extra: list[str]) -> list[str]:
    """Put together the call of ``tritonserver``.

    `key` opens the restricted calls. The flags of the caller come last, so that they win.
    """
    admin = _admin_of(mirror)
    # To all of a container's own network; what stays locked to it is for the keeper alone.
    fixed = [*settings(key, _EXIT_S), *listeners("0.0.0.0", _PORTS, admin if fits_socket(admin) else None)]  # noqa: S104
    return ["tritonserver", f"--model-repository={mirror}", *fixed, *extra]


def _admin_of(mirror: Path) -> Path:
    return mirror.absolute().with_name("admin")


def prepare(name: str, repository: Path, scratch: Path, engine: Callable[[], Path]) -> Path:
    """Check the choice, mirror the repository and put the engine into the mirror.

    Parameters
    ----------
    name : str
        Configuration: ``cpu`` or that of a file in ``configs/``.
    repository, scratch : Path
        Model repository of the image; temporary folder of this start.
    engine : callable
        Returns the TensorRT engine; called where the configuration takes one.

    Returns
    -------
    Path
        The mirror.

    Raises
    ------
    StartError, BacctlError
        The name is unknown or lacks a package, the weights are not those of their card, there is too little
        shared memory, or no engine could be had.
    """
    mirror = scratch / "models"
    shutil.rmtree(mirror, ignore_errors=True)  # a container that is started again
    link_repository(repository, mirror, name)
    backends = needed_backends(repository, name)
    try:
        # The steps in Python do so too, but Triton's own backends load what they find.
        read_model_card(repository / "bac_segment" / "1")
    except ValueError as error:
        raise StartError(str(error)) from None
    if backends & _WITH_VOTES:
        _require_voted(repository / "bac_segment" / "1")
    for package in _PACKAGES.get(name, ()):
        if find_spec(package) is None:
            raise StartError(
                f"the configuration {name} needs the Python package {package}, which is not here; build the "
                "image with it (docker/server.Dockerfile says how) or choose another configuration"
            )
    # All of it, not what is free: a Triton before this one may have left its own there.
    total = shutil.disk_usage(SHARED_MEMORY).total
    if total < NEEDED_SHM_BYTES:
        raise StartError(
            f"{SHARED_MEMORY} has {total / 2**20:.0f} MB and {NEEDED_SHM_BYTES / 2**20:.0f} MB are needed; "
            "start the container with --shm-size=2g"
        )
    if "tensorrt" in backends:
        plan = mirror / "bac_segment" / "1" / "model.plan"
        plan.unlink(missing_ok=True)  # one that lies in the repository may be of another machine
        plan.symlink_to(engine())
    return mirror


def _require_voted(folder: Path) -> None:
    """Refuse a network with votes that is not the one of the model card."""
    path = folder / "model_voted.onnx"
    wanted = json.loads((folder / "model_card.json").read_text()).get("voted_sha256")
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
        raise StartError(f"{path} does not match its model_card.json; run `bacctl export votes`")


def attend(
    server: subprocess.Popen[bytes],
    measured: Callable[[], str],
    stop: threading.Event,
    mixed_up: Callable[[], bool] = lambda: False,
    rules: WatchRules = RULES,
    revive: Callable[[Steps], bool] = lambda steps: False,
) -> str | None:
    """Send test images until the server fails or is to stop.

    `measured` has one measured and says who did it; `revive` has Triton load the steps again whose processes
    have died. Returns in one line what went wrong; None where the container was to end.
    """
    steps = Steps(server.pid)  # none yet

    def once() -> None:
        text = measured()
        if not watch.ready:
            steps.look_again()
            say(f"ready: {text}; research use only")

    def ended() -> str | None:
        code = server.poll()
        if code is not None:
            return f"Triton ended by itself ({code}); its messages above say why"
        dead = steps.dead()
        if not dead or mixed_up():
            return None
        died = f"the process of {', '.join(dead)} has died"
        say(f"{died}: loading it again")
        if not revive(steps):
            return died
        say("it is loaded again")
        return None

    watch = Watch("Triton", once, say, ended, mixed_up, rules=rules, ready=False)
    return next(watch.faults(stop), None)


def serve(
    name: str, repository: Path, scratch: Path, url: str, extra: list[str], engine: Callable[[], Path]
) -> int:
    """Prepare, run and look after the server.

    Parameters
    ----------
    name, repository, scratch, engine
        As for `prepare`.
    url : str
        Where test images are sent.
    extra : list of str
        Flags for ``tritonserver``.

    Returns
    -------
    int
        0 where it was to end; 1 otherwise, after one line that says why.
    """
    stop = threading.Event()
    key = secrets.token_hex(16)
    servers: list[subprocess.Popen[bytes]] = []

    def end(*_: object) -> None:
        # Beside: a test image may be under way, for longer than the container is given to end.
        stop.set()
        for server in servers:
            threading.Thread(target=_end, args=(server, url), daemon=True).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        mirror = prepare(name, repository, scratch, engine)
        mark = scratch / "mixed-up"
        mark.unlink(missing_ok=True)  # of the Triton before this one
        say(f"starting Triton with configuration {name}")
        # In an empty folder: Triton's stub puts the current one first on the models' import path.
        empty, tickets = scratch / "run", scratch / "tickets"
        for folder in (empty, tickets):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        # Triton, with what the container's own start line gives it.
        call = command(mirror.absolute(), key, extra)
        known = {MARK: str(mark.absolute()), TICKETS: str(tickets.absolute())}
        environment = {**ENVIRONMENT, **os.environ, **known}
        # Images in /dev/shm are for nobody else, where it is shared with others.
        server = subprocess.Popen(call, cwd=empty, env=environment, umask=0o077)  # noqa: S603
    except (StartError, BacctlError, OSError) as error:
        say(str(error))
        return 1
    servers.append(server)
    wrong = attend(
        server,
        lambda: measured_text(ask(url, timeout=_PATIENCE_S)),
        stop,
        mark.exists,
        revive=lambda steps: steps.bring_back(lambda model: load_model(_admin_of(mirror), model, _LOADING_S)),
    )
    if not stop.is_set():
        server.terminate()
    try:
        server.wait(LAST_CALLS_S + _EXIT_S + 5.0)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if wrong is None or stop.is_set():
        return 0
    say(f"{wrong}; the container ends, so that it is started again")
    return 1


def _end(server: subprocess.Popen[bytes], url: str) -> None:
    answer_first(url)
    server.terminate()


def say(text: str) -> None:
    """Write one line to the container's log, at once; as JSON where BACCTL_SERVE_LOG_JSON is set."""
    if os.environ.get("BACCTL_SERVE_LOG_JSON", "").lower() in ("1", "true", "yes", "on"):
        log_lines("container", as_json=True)(text)
    else:
        print(text, file=sys.stderr, flush=True)
