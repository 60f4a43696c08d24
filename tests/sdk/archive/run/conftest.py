"""Archives for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sdk.archive.run.archives import Archive, Heard

from bacctl.testing import FakeServer, make_report


@pytest.fixture
def empty_archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Twenty files of different content, the mass of each its number."""
    made = Archive(tmp_path)
    for number in range(20):
        made.add(b"file %02d" % number)
    made.write()
    return made


@pytest.fixture
def fake() -> FakeServer:
    return FakeServer(lambda request: make_report(calcium_mass_mg=float(request.data[-2:])))


@pytest.fixture
def heard() -> Heard:
    return Heard()
