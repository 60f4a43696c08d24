"""What can be measured: this installation, another checkout, a wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bacctl.bench.errors import BenchError
from bacctl.server.repository import default_repository

ROOMS = ("sdk", "imaging", "phantom", "training", "export")
_MODEL = Path("bac_segment", "1", "model.onnx")
THIS = "this"


@dataclass(frozen=True)
class Subject:
    """One thing to measure.

    Attributes
    ----------
    name : str
        How figures call it.
    python : Path
        Interpreter that finds its packages.
    repository : Path
        Its models.
    revision : str or None
        Commit of its checkout.
    """

    name: str
    python: Path
    repository: Path
    revision: str | None

    @property
    def model(self) -> Path:
        """The network's file."""
        return self.repository / _MODEL


def this_installation() -> Subject:
    """Return what runs now."""
    root = Path(__file__).parents[3]
    return Subject(THIS, Path(sys.executable), default_repository(), _revision(root))


def other(path: Path, folder: Path) -> Subject:
    """Make another checkout or a wheel runnable beside this one.

    It gets an environment of its own, in which its packages come before those of this environment, from
    which it takes everything else: numpy, Triton, the engines and so on are the same for all. An environment
    and not PYTHONPATH, which Triton's Python stub ignores.

    Parameters
    ----------
    path : Path
        A checkout, or a ``.whl`` file.
    folder : Path
        Where the environment is kept.

    Returns
    -------
    Subject

    Raises
    ------
    BenchError
        It is neither.
    """
    path = path.resolve()
    is_wheel = path.suffix == ".whl" and path.is_file()
    # Of a wheel's name, package and version; tags of interpreter and platform say nothing here.
    name = "-".join(path.stem.split("-")[:2]) if is_wheel else path.name
    own = folder / name
    if is_wheel:
        packages = own / "packages"
        try:
            with zipfile.ZipFile(path) as wheel:
                wheel.extractall(packages)
        except zipfile.BadZipFile:
            raise BenchError(f"{path}: is damaged, or no wheel") from None
        rooms, repository, revision = [packages], packages / "bacctl" / "_model_repository", None
    else:
        rooms = [path / room for room in ROOMS if (path / room).is_dir()]
        repository, revision = path / "model_repository", _revision(path)
    if not (repository / _MODEL).is_file():
        raise BenchError(f"{path}: is neither a checkout of bacctl nor a wheel of it")
    venv.EnvBuilder(symlinks=True, clear=True).create(own / "venv")
    site = next((own / "venv" / "lib").glob("python3*")) / "site-packages"
    lines = [str(place) for place in (*rooms, *_packages())]
    # Read in the order of their names, and lines in the order in which they stand.
    (site / "bench.pth").write_text("\n".join(lines) + "\n")
    return Subject(name, own / "venv" / "bin" / "python", repository, revision)


def _packages() -> Iterator[Path]:
    """Yield the folders that installed packages lie in."""
    for place in map(Path, sys.path):
        if place.name in ("site-packages", "dist-packages"):
            yield place


def _revision(root: Path) -> str | None:
    """Return the commit that is checked out, with "+" where files differ from it."""
    if not (root / ".git").exists():
        return None
    commands = (["rev-parse", "--short", "HEAD"], ["status", "--porcelain"])
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        head, changes = (
            subprocess.run(  # noqa: S603  # fixed arguments
                ["git", "-C", str(root), *command],  # noqa: S607  # whichever git there is
                capture_output=True,
                text=True,
                check=True,
                env=environment,
            ).stdout.strip()
            for command in commands
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changes else "")
