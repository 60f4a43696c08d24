#!/usr/bin/env python3
"""Start NVIDIA's Triton on the bacctl models inside its container, and become it. Research use only.

Refuses what Triton would take in silence: an unknown configuration name is served as the default one, and
too little shared memory shows as a crash under load. Sees to the TensorRT engine where the configuration
takes one. The repository in the image is only read; Triton gets a mirror of links in a temporary folder, as
its Python stub writes beside the models.

Arguments after ``--`` go to ``tritonserver``.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from bacctl._supervisor import SHARED_MEMORY
from bacctl.embedded import NEEDED_SHM_BYTES
from bacctl.repository import MODELS, link_repository

KEY_FILE = "key"
CHOICE_FILE = "configuration"
# Whoever may send images need not change what the server is or look into its memory.
RESTRICTED = "shared-memory,model-repository,model-config,statistics,trace,logging"
# What the Python of the server needs for a configuration, where it is not in every image.
PACKAGES = {"default": "openvino", "torch": "torch"}
REMEDY = "build the image with it (docker/server.Dockerfile says how) or choose another configuration"


class StartError(Exception):
    """The server must not start; the message is one line that says what to do."""


def configurations(repository: Path) -> dict[str, Path]:
    """List the configurations of the repository by the name that chooses them.

    Parameters
    ----------
    repository : Path
        Model repository.

    Returns
    -------
    dict of str to Path
        ``default`` is ``bac_segment/config.pbtxt``; the others are ``configs/*.pbtxt`` of any model.
    """
    named = {path.stem: path for model in MODELS for path in (repository / model).glob("configs/*.pbtxt")}
    return {"default": repository / "bac_segment" / "config.pbtxt", **dict(sorted(named.items()))}


def needs_engine(configuration: Path) -> bool:
    """Tell whether a configuration file is one of the TensorRT backend."""
    fields = re.findall(r'^\s*(?:backend|platform)\s*:\s*"(\w+)"', configuration.read_text(), re.MULTILINE)
    return any(value.startswith("tensorrt") for value in fields)


def command(mirror: Path, name: str, key: str, extra: list[str]) -> list[str]:
    """Put together the call of ``tritonserver``.

    Parameters
    ----------
    mirror : Path
        The repository that it is given.
    name : str
        Configuration; ``default`` gives no name.
    key : str
        What the restricted calls need as a header.
    extra : list of str
        Flags of the caller. They come last, so that they win.
    """
    chosen = [] if name == "default" else [f"--model-config-name={name}"]
    return [
        "tritonserver",
        f"--model-repository={mirror}",
        *chosen,
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
        "--exit-timeout-secs=20",
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
        Configuration.
    repository, engines, scratch : Path
        Model repository of the image; folder that keeps engines; temporary folder of this start.

    Returns
    -------
    Path
        The mirror.

    Raises
    ------
    StartError
        The name is unknown or lacks a package, there is too little shared memory, or no engine could be had.
    """
    known = configurations(repository)
    if name not in known:
        raise StartError(
            f"BACCTL_MODEL_CONFIG={name} is no configuration of {repository}; choose {', '.join(known)}"
        )
    package = PACKAGES.get(name)
    if package is not None and find_spec(package) is None:
        raise StartError(
            f"configuration {name} needs the Python package {package}, which is not here; {REMEDY}"
        )
    total = shutil.disk_usage(SHARED_MEMORY).total
    if total < NEEDED_SHM_BYTES:
        raise StartError(
            f"{SHARED_MEMORY} has {total / 2**20:.0f} MB and {NEEDED_SHM_BYTES / 2**20:.0f} MB are needed; "
            "start the container with --shm-size=1g"
        )
    mirror = scratch / "models"
    shutil.rmtree(mirror, ignore_errors=True)  # a container that is started again
    link_repository(repository, mirror)
    if needs_engine(known[name]):
        (mirror / "bac_segment" / "1" / "model.plan").symlink_to(engine(repository, engines))
    return mirror


def engine(repository: Path, engines: Path) -> Path:
    """Return the TensorRT engine for these weights on this GPU, built now unless it is kept already."""
    from bac_export.engine import keep_engine
    from bac_export.errors import ExportError

    try:
        return keep_engine(repository / "bac_segment" / "1", engines, notice=say)
    except ExportError as error:
        raise StartError(str(error)) from None


def say(text: str) -> None:
    """Write one line to the container's log, at once."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> None:
    """Prepare and become the server; leaves with 1, after one line, where it must not start."""
    parser = argparse.ArgumentParser(description="Serve the bacctl models. Research use only.")
    parser.add_argument("--model-config", default=os.environ.get("BACCTL_MODEL_CONFIG", "default"))
    parser.add_argument("--repository", type=Path, default=Path("/models"))
    parser.add_argument("--engines", type=Path, default=Path("/engines"))
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/bacctl"))  # noqa: S108
    own, extra = split(arguments)
    options = parser.parse_args(own)
    try:
        options.scratch.mkdir(parents=True, exist_ok=True)
        mirror = prepare(options.model_config, options.repository, options.engines, options.scratch)
    except (StartError, OSError) as error:
        say(str(error))
        sys.exit(1)
    key = secrets.token_hex(16)
    for file, text in ((KEY_FILE, key), (CHOICE_FILE, options.model_config)):
        path = options.scratch / file
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
    say(f"serving configuration {options.model_config} of {options.repository}; research use only")
    call = command(mirror, options.model_config, key, extra)
    os.execvp(call[0], call)  # noqa: S606


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part the arguments at ``--`` into ours and Triton's."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:cut], arguments[cut + 1 :]


if __name__ == "__main__":
    main(sys.argv[1:])
