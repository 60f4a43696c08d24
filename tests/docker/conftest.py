"""What lies in docker/, loaded as a container would see it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"


def load(path: Path) -> ModuleType:
    """Import a file that belongs to no package."""
    spec = importlib.util.spec_from_file_location(f"loaded_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def entrypoint() -> ModuleType:
    return load(DOCKER / "entrypoint.py")


@pytest.fixture(scope="session")
def dockerfiles() -> ModuleType:
    return load(ROOT / "scripts" / "dockerfile.py")
