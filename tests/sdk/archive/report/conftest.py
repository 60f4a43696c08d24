"""What a report says, without its page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bacctl.archive.report import plots
from bacctl.archive.report.make import collected
from bacctl.archive.report.source import Source
from bacctl.archive.report.write import summary

Summary = Callable[..., dict[str, Any]]


@pytest.fixture
def report() -> Summary:
    """Say what a report says, without its page."""

    def made(*places: Path, **options: Any) -> dict[str, Any]:
        with collected(Source([str(place) for place in places]), **options) as found:
            return summary(found)

    return made


@pytest.fixture
def unplotted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the plots out, which take seconds."""
    for name in ("bars", "shares", "over_time", "side_by_side"):
        monkeypatch.setattr(plots, name, lambda *_: "<svg></svg>")
