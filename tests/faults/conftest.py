"""The images of the fault suite, and what they measure undisturbed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.faults.images import make_images, undisturbed

FEW = 8
ALL = int(os.environ.get("BACCTL_FAULTS_IMAGES", "200"))


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return undisturbed(make_images(tmp_path_factory.mktemp("few"), FEW))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("all")
    return undisturbed(make_images(folder, ALL))
