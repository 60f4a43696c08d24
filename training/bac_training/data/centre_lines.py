"""Centre lines of arteries that somebody drew: ``centre_lines.json`` in a folder of images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_training.errors import TrainingError

__all__ = ["FILE", "WIDE_MM", "CentreLines", "points_along", "read_centre_lines"]

DoubleArray = npt.NDArray[np.float64]

FILE = "centre_lines.json"
WIDE_MM = 3.0
"""Farther from a centre line than the wall of any artery of the breast."""
_STEP_MM = 0.1


@dataclass(frozen=True)
class CentreLines:
    """What was drawn on one image."""

    mm_per_pixel: float  # spacing of rows and columns at the detector
    # float64 (n, 2): corners of centre lines as (row, column) in mm from the corner of the stored matrix
    bac: tuple[DoubleArray, ...]
    uncertain: tuple[DoubleArray, ...] = ()


def read_centre_lines(folder: Path) -> dict[str, CentreLines]:
    """Read ``centre_lines.json`` of a folder, by the image's file name.

    Raises
    ------
    TrainingError
        When it is missing or damaged, or names an image that is missing.
    """
    path = folder / FILE
    if not path.is_file():
        raise TrainingError(f"{path} is missing; write it, {{}} where no image shows BAC")
    try:
        drawn = {name: _lines_of(entry) for name, entry in json.loads(path.read_text()).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path} is damaged ({error!r}); draw the lines again") from None
    missing = [name for name in drawn if not (folder / name).is_file()]
    if missing:
        raise TrainingError(f"{path} names {missing[0]}, which is missing; copy it there or unlist it")
    return drawn


def points_along(lines: Sequence[DoubleArray]) -> DoubleArray:
    """Return points along lines, so close together that their share is a share of length."""
    points = [np.zeros((0, 2))]
    for line in lines:
        along = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))))
        at = np.linspace(0.0, along[-1], max(2, round(along[-1] / _STEP_MM) + 1))
        points.append(np.stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)], axis=1))
    return np.concatenate(points)


def _lines_of(entry: Mapping[str, Any]) -> CentreLines:
    spacing = float(entry["mm_per_pixel"])
    if not spacing > 0:
        raise ValueError("mm_per_pixel is not positive")
    bac, uncertain = (
        tuple(_line_of(line, spacing) for line in entry.get(kind, ())) for kind in ("bac", "uncertain")
    )
    return CentreLines(spacing, bac, uncertain)


def _line_of(points: Any, spacing_mm: float) -> DoubleArray:
    corners = np.asarray(points, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 2:
        raise ValueError("a line is two or more points (x, y)")
    return (corners[:, ::-1] + 0.5) * spacing_mm
