"""Random patches from prepared cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_training.cache import BAC, BREAST, Case, decode_image, mined_path, read_cases
from bac_training.errors import TrainingError

__all__ = ["Patch", "PatchSampler"]


@dataclass(frozen=True)
class Patch:
    """A square cut of one case."""

    image: npt.NDArray[np.float32]  # float32 (side, side): normalised image, 0 outside the breast
    # bool (side, side): masks
    bac: npt.NDArray[np.bool_]
    breast: npt.NDArray[np.bool_]
    name: str  # the case


_Item = tuple[Path, Case]
_NO_POINTS: npt.NDArray[np.int32] = np.empty((0, 2), dtype=np.int32)


@dataclass(frozen=True)
class _Open:
    name: str
    planes: npt.NDArray[np.uint8]
    positive: npt.NDArray[np.int32]
    hard: npt.NDArray[np.int32]
    lines: npt.NDArray[np.int32]


class PatchSampler:
    """Draws patches from one or more caches.

    Parameters
    ----------
    folders : sequence of Path
        Caches made by `bac_training.cache.build`.
    positive, hard, lines, mined : float
        Parts of the patches drawn around a BAC pixel, around the brightest structure that is not BAC, around
        bright lines that are not BAC (see `bac_training.data.negatives`), and around false alarms of an
        earlier network (see `bac_training.mining`); the last go to the lines where the caches hold no false
        alarms. The others are drawn around any pixel of the breast.

    Notes
    -----
    What is known of a case is read once: `refresh` brings new cases and the notes on cases that had not been
    mined before, but not those on cases that are mined again.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        positive: float = 0.5,
        hard: float = 0.15,
        lines: float = 0.2,
        mined: float = 0.0,
    ) -> None:
        self._folders = folders
        self._share = (positive, hard, lines, mined)
        self._open: dict[Path, _Open] = {}
        self._mined: dict[Path, npt.NDArray[np.int32]] = {}
        self._cases: tuple[list[_Item], list[_Item], list[_Item]] = ([], [], [])
        self.refresh()

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self._cases[0])

    def refresh(self) -> None:
        """Read the caches again for cases that were added since.

        Raises
        ------
        TrainingError
            When there is no case, or none with BAC.
        """
        cases = [(folder, case) for folder in self._folders for case in read_cases(folder)]
        with_bac = [item for item in cases if item[1].bac_px]
        if not with_bac:
            names = ", ".join(str(folder) for folder in self._folders)
            raise TrainingError(f"{names}: {len(cases)} cases, none with BAC; add cases with masks")
        with_alarms = [item for item in cases if len(self._alarms(*item))] if self._share[3] else []
        # All at once: other threads may be drawing.
        self._cases = (cases, with_bac, with_alarms)

    def draw(self, rng: np.random.Generator, side: int) -> Patch:
        """Draw one patch of `side` pixels."""
        cases, with_bac, with_alarms = self._cases
        kind = rng.random()
        positive, hard, lines, mined = self._share
        if kind < positive:
            case = self._load(*with_bac[int(rng.integers(len(with_bac)))])
            points = case.positive
        elif kind > 1.0 - mined and with_alarms:
            item = with_alarms[int(rng.integers(len(with_alarms)))]
            case, points = self._load(*item), self._alarms(*item)
        else:
            case = self._load(*cases[int(rng.integers(len(cases)))])
            points = case.hard if kind < positive + hard else case.lines
        if (kind < positive + hard + lines or kind > 1.0 - mined) and len(points):
            # Anywhere in the patch but its rim, so that position says nothing.
            centre = points[int(rng.integers(len(points)))] + rng.integers(-side // 3, side // 3 + 1, size=2)
        else:
            centre = self._any_centre(case.planes, rng)
        return _cut(case, int(centre[0]) - side // 2, int(centre[1]) - side // 2, side)

    @staticmethod
    def _any_centre(planes: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[Any]:
        shape = np.array(planes.shape[1:])
        for _ in range(20):
            centre = rng.integers(0, shape)
            if planes[1, centre[0], centre[1]] & BREAST:
                return np.asarray(centre)
        return np.asarray(shape // 2)

    def _alarms(self, folder: Path, case: Case) -> npt.NDArray[np.int32]:
        path = mined_path(folder, case.name)
        if path not in self._mined and path.exists():
            self._mined[path] = np.load(path, allow_pickle=False)
        return self._mined.get(path, _NO_POINTS)

    def _load(self, folder: Path, case: Case) -> _Open:
        path = folder / case.name
        if path not in self._open:
            # Mapped, not read: a patch touches a hundredth of a case.
            planes = np.load(folder / f"{case.name}.npy", mmap_mode="r", allow_pickle=False)
            with np.load(folder / f"{case.name}.npz", allow_pickle=False) as points:
                # A cache of schema 1 has no lines and takes long to make again.
                lines = points["lines" if "lines" in points else "hard"]
                self._open[path] = _Open(case.name, planes, points["positive"], points["hard"], lines)
        return self._open[path]


def _cut(case: _Open, row: int, column: int, side: int) -> Patch:
    planes = case.planes
    height, width = planes.shape[1:]
    rows = slice(max(row, 0), max(min(row + side, height), 0))
    columns = slice(max(column, 0), max(min(column + side, width), 0))
    inside = (slice(rows.start - row, rows.stop - row), slice(columns.start - column, columns.stop - column))
    image = np.zeros((side, side), dtype=np.float32)
    labels = np.zeros((side, side), dtype=np.uint8)
    image[inside] = decode_image(planes[0, rows, columns])
    labels[inside] = planes[1, rows, columns]
    return Patch(image, (labels & BAC) > 0, (labels & BREAST) > 0, case.name)
