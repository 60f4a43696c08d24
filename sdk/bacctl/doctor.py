"""Checks of the machine that is to run the embedded server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bac_terms.errors import BacctlError

_CODECS = {
    "1.2.840.10008.1.2.4.70": "JPEG Lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000",
    "1.2.840.10008.1.2.5": "RLE",
}
_INSTALL_SERVER = 'run: pip install "bacctl[server]"'


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name : str
        What was checked.
    passed : bool
        Whether it is as it must be.
    finding : str
        What was found, in one line.
    remedy : str
        What to do where it did not pass.
    """

    name: str
    passed: bool
    finding: str
    remedy: str = ""


def run_checks() -> Iterator[Check]:
    """Run every check, the quick ones first.

    Yields
    ------
    Check
        One a check; a check that breaks down yields a failed one instead of raising.
    """
    checks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("Python", check_python),
        ("NumPy", check_numpy),
        ("Triton", check_triton),
        ("libpython", check_stub),
        ("shared memory", check_shared_memory),
        ("ports", check_ports),
        ("codecs", check_codecs),
        ("model", check_model),
        ("inference", check_inference),
    )
    for name, check in checks:
        try:
            yield check()
        except Exception as error:
            yield Check(name, False, f"the check itself broke: {type(error).__name__}: {error}")


def check_python() -> Check:
    """Check that Triton's Python stub exists for this interpreter."""
    found = sys.version_info[:2]
    return Check(
        "Python",
        (3, 10) <= found <= (3, 12),
        f"{sys.version.split()[0]} at {sys.executable}",
        "the embedded Triton has none for this one: make the environment with Python 3.10, 3.11 or 3.12; the "
        "SDK alone runs on later ones too",
    )


def check_numpy() -> Check:
    """Check NumPy where the models run: the stub takes the ``python3`` beside this one."""
    python = Path(sys.prefix) / "bin" / "python3"
    try:
        done = subprocess.run(  # noqa: S603  # our own interpreter and a fixed text
            # Isolated, as the stub is: not what lies in the current folder.
            [str(python), "-I", "-c", "import numpy; print(numpy.__version__, numpy.__file__)"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return Check("NumPy", False, f"{python} cannot import it", _INSTALL_SERVER)
    found = done.stdout.split()[0]
    # Triton 2.51's stub returns empty tensors under NumPy 2, without any error.
    return Check(
        "NumPy",
        found.startswith("1."),
        f"{found} where the models run",
        'NumPy 2 gives empty results without an error; run: pip install "numpy<2"',
    )


def check_triton() -> Check:
    """Check that the server's wheel is installed."""
    try:
        return Check("Triton", True, f"nvidia-pytriton {version('nvidia-pytriton')}")
    except PackageNotFoundError:
        return Check("Triton", False, "nvidia-pytriton is not installed", _INSTALL_SERVER)


def check_stub() -> Check:
    """Check that the program which runs the models starts: it needs the shared library of this Python."""
    from bacctl.server.triton_wheel import find_triton

    try:
        stub = find_triton().stub
    except BacctlError as error:
        return Check("libpython", False, error.message, error.hint)
    return Check("libpython", True, f"found by {stub.name}")


def check_shared_memory() -> Check:
    """Check the room in /dev/shm, through which the server and its models pass images."""
    from bacctl.server.embedded import NEEDED_SHM_BYTES
    from bacctl.server.shared_memory import largest_image

    try:
        free = shutil.disk_usage("/dev/shm").free  # noqa: S108
    except OSError:
        return Check("shared memory", False, "there is no /dev/shm", "mount a tmpfs there")
    fits = largest_image(free) / 1e6
    return Check(
        "shared memory",
        free >= NEEDED_SHM_BYTES and os.access("/dev/shm", os.W_OK),  # noqa: S108
        f"{free / 2**20:.0f} MB free in /dev/shm: room for mammograms of up to {fits:.0f} million pixels",
        f"{NEEDED_SHM_BYTES / 2**20:.0f} MB are needed; in a container add --shm-size=1g",
    )


def check_ports() -> Check:
    """Check that a port of the loopback address can be opened."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    except OSError as error:
        return Check("ports", False, f"127.0.0.1: {error.strerror}", "allow local TCP connections")
    return Check("ports", True, f"127.0.0.1 has free ports, such as {port}")


def check_codecs() -> Check:
    """Check the decoders of the compressions that mammograms come in."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    missing = [name for uid, name in _CODECS.items() if not get_decoder(UID(uid)).is_available]
    return Check(
        "codecs",
        not missing,
        f"no decoder for {', '.join(missing)}" if missing else ", ".join(_CODECS.values()),
        'run: pip install "bacctl[dicom]"',
    )


def check_model() -> Check:
    """Check the weights against the digest of their model card."""
    from bacctl.server.repository import default_repository
    from bacctl.service.steps import read_model_card

    try:
        card = read_model_card(default_repository() / "bac_segment" / "1")
        card.parameters()
        card.fitted()
    except BacctlError as error:
        return Check("model", False, error.message, error.hint)
    except (OSError, ValueError) as error:
        return Check("model", False, str(error), "install bacctl again, or export the model again")
    return Check("model", True, f"sha256 {card.sha256[:12]} as on its card")


def check_inference() -> Check:
    """Start the real server and let it measure the test image: health endpoints do not see a dead model."""
    from bacctl.client.blocking import Client

    start = time.monotonic()
    try:
        with Client.embedded() as client:
            server = client.server_info()
    except BacctlError as error:
        return Check("inference", False, f"{error.code}: {error.message}", error.hint)
    seconds = time.monotonic() - start
    return Check("inference", True, f"Triton {server['triton']} measured the test image in {seconds:.0f} s")
