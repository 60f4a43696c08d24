"""The wheel in an environment of its own, outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from bacctl.client.canary import canary_image

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with the wheel of this tree.

    The dependencies are those of the environment that runs the tests, lent through a path file: what is on
    trial is what the wheel carries, not the installer. A path file does not follow other path files, so that
    the checkout's own packages stay out of sight.
    """
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("bacctl-*.whl")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    lent = Path(sysconfig.get_path("purelib"))
    own = folder / "env" / lent.relative_to(sys.prefix)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel],
        check=True,
        capture_output=True,
    )
    (own / "lent.pth").write_text(f"{lent}\n")
    return python


def test_the_installed_wheel_analyses_a_file(installed: Path, tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    where = subprocess.run(
        [installed, "-c", "import bacctl, bac_imaging; print(bacctl.__file__, bac_imaging.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    site = installed.parents[1]
    assert all(Path(file).is_relative_to(site) for file in where.stdout.split())
    before = _files(site)
    (tmp_path / "film.png").write_bytes(canary_image())
    done = subprocess.run(
        [
            installed.with_name("bacctl"),
            "analyze",
            "film.png",
            "--pixel-spacing",
            "0.2",
            "--save",
            "mask",
            "--json",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout)["images"]
    assert image["status"] == "ok"
    assert (tmp_path / image["files"]["mask"]).is_file()
    # It must run from a read-only installation: nothing is written beside the packages.
    assert _files(site) == before


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
