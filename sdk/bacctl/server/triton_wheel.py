"""The ``tritonserver`` of the nvidia-pytriton wheel: where its parts are, and whether they run here."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bac_terms.errors import unavailable
from bacctl.server.flags import MALLOC

BACKENDS = ("python", "ensemble")
"""What of Triton's backends the wheel has."""
NEWEST_PYTHON = (3, 12)
"""The last that the wheel has a stub for."""
_SERVER_EXTRA = 'pip install "bacctl[server]"'


@dataclass(frozen=True)
class TritonWheel:
    """The parts of the wheel that are used."""

    server: Path  # the ``tritonserver`` program
    backend: Path  # folder of the Python backend, without stub
    stub: Path  # the stub for this interpreter's minor version
    environment: dict[str, str]  # variables under which server and stub find this interpreter's packages


def find_triton() -> TritonWheel:
    """Find the wheel's server and make sure that its Python stub starts.

    Returns
    -------
    TritonWheel

    Raises
    ------
    ServerUnavailableError
        The wheel or a library that it needs is missing, or NumPy is too new; the reason says what to do.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise unavailable(
            "the embedded Triton runs on Linux on x86-64 only", "give the address of a server with --url"
        )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if sys.version_info[:2] > NEWEST_PYTHON:
        raise unavailable(
            f"the embedded Triton runs on Python up to {NEWEST_PYTHON[0]}.{NEWEST_PYTHON[1]} and this is "
            f"{version}",
            "make an environment with an older one, or give the address of a server with --url",
        )
    # find_spec leaves the package unimported: it is heavy and not needed.
    spec = importlib.util.find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise unavailable("the embedded Triton is not installed", f"install it with: {_SERVER_EXTRA}")
    # Absolute, also where it was found over a relative PYTHONPATH: the server runs in another folder.
    root = Path(spec.submodule_search_locations[0]).absolute() / "tritonserver"
    wheel = TritonWheel(
        server=root / "bin" / "tritonserver",
        backend=root / "backends" / "python",
        stub=root / "python_backend_stubs" / version / "triton_python_backend_stub",
        environment=_environment(),
    )
    for part in (wheel.server, wheel.backend, wheel.stub):
        if not part.exists():
            raise unavailable(f"nvidia-pytriton has no {part.name} for Python {version}", _SERVER_EXTRA)
    _check_numpy()
    _check_stub(wheel, f"libpython{version}")
    return wheel


def link_backend(wheel: TritonWheel, folder: Path) -> Path:
    """Make a folder of backends that Triton accepts, out of links into the wheel.

    Links, not copies: the stub looks for its libraries relative to where it lies in the wheel.
    """
    python = folder / "python"
    python.mkdir(parents=True)
    for part in ("libtriton_python.so", "triton_python_backend_utils.py"):
        (python / part).symlink_to(wheel.backend / part)
    (python / wheel.stub.name).symlink_to(wheel.stub)
    return folder


def _environment() -> dict[str, str]:
    # The stub ignores PYTHONPATH and VIRTUAL_ENV; it takes the packages of the first python on PATH.
    environment = {**MALLOC, **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"}}
    search = [str(Path(sys.prefix) / "bin"), environment.get("PATH", os.defpath)]
    environment["PATH"] = os.pathsep.join(search)
    # An interpreter that brings its own libpython (pyenv, uv, conda) must be met by that one.
    own = Path(sysconfig.get_config_var("LIBDIR") or "")
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    if (own / name).exists() and not own.is_relative_to("/usr/lib"):
        before = environment.get("LD_LIBRARY_PATH")
        environment["LD_LIBRARY_PATH"] = os.pathsep.join([str(own), *([before] if before else [])])
    return environment


def _check_numpy() -> None:
    # The stub was built against NumPy 1. Under 2 it hands models empty arrays and sends empty ones, silently.
    found = metadata.version("numpy")
    if int(found.partition(".")[0]) >= 2:
        raise unavailable(
            f"the embedded Triton needs NumPy below 2 and found {found}", 'run: pip install "numpy<2"'
        )


def _check_stub(wheel: TritonWheel, package: str) -> None:
    # Without arguments the stub complains and ends, but only if the loader found all its libraries.
    run = subprocess.run(  # noqa: S603  # a program of the wheel, without input
        [wheel.stub], env=wheel.environment, capture_output=True, text=True, timeout=60, check=False
    )
    if "error while loading shared libraries" not in run.stderr:
        return
    if "libpython" in run.stderr:
        raise unavailable(
            f"Triton's Python stub needs {package}.so.1.0", f"install it with: sudo apt-get install {package}"
        )
    raise unavailable(f"Triton's Python stub does not start: {run.stderr.strip().splitlines()[-1][:200]}")
