"""A client of ``bacctl analyze`` that is not real."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pytest
from PIL import Image

from bacctl.cli import main
from bacctl.results import ImageResult

Run = Callable[..., tuple[int, str, str]]


class FakeClient:
    """Calls every image analysed, but for the names that say otherwise."""

    def __init__(self) -> None:
        self.spacings: list[object] = []
        self.points: list[float | None] = []
        self.closed = False

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True

    def server_info(self, **_: object) -> dict[str, str]:
        return {"model": "ab" * 32, "triton": "2.51.0"}

    def analyze_many(
        self,
        sources: Sequence[Path],
        pixel_spacing_mm: object = None,
        *,
        min_probability: float | None = None,
        ordered: bool = False,
    ) -> Iterator[ImageResult]:
        self.points.append(min_probability)
        self.spacings.append(pixel_spacing_mm)
        sources = sources if ordered else sources[::-1]
        os.write(1, b"a library talks to file descriptor 1\n")
        for path in sources:
            yield self.result(path)

    def result(self, path: Path) -> ImageResult:
        if path.stem == "refused":
            return ImageResult("refused", "BAC-SPACING-MISSING", "no spacing; give one", path=path)
        if path.stem == "interrupt":
            raise KeyboardInterrupt
        if path.stem in ("SIGTERM", "SIGHUP"):
            os.kill(os.getpid(), getattr(signal, path.stem))
        if path.stem == "broken":
            raise RuntimeError("a fault of ours")
        mask = np.zeros((300, 200), bool)
        mask[100:110, 20:120] = True
        return ImageResult(
            "ok",
            rows=300,
            columns=200,
            bac_detected=True,
            bac_probability=0.9,
            area_mm2=10.0,
            length_mm=10.0,
            pixel_spacing_mm=(0.1, 0.1),
            spacing_source="option",
            magnification=1.0,
            path=path,
            mask=mask,
        )


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    monkeypatch.setattr("bacctl.cli.connect.connect", lambda server, **_: fake)
    return fake


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the command in an empty folder; gives exit code, stdout and stderr."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.delenv("BACCTL_URL", raising=False)

    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["bacctl", *map(str, args)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code or 0
        assert isinstance(code, int)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


def film(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    grey = np.tile(np.linspace(0, 255, 200), (300, 1)).astype(np.uint8)
    Image.fromarray(grey).save(folder / f"{name}.png")
    return folder / f"{name}.png"
