"""Scratches and dust of films, drawn onto patches: bright, small or thin, and never BAC."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["draw_marks"]

_SCRATCHES, _SPECKS = 3, 8  # at most, in a patch that has any
_SCRATCH_SD = (1.5, 8.0)  # brightness in local standard deviations
_SPECK_SD = (2.0, 12.0)
_SCRATCH_SIGMA_PX = (0.4, 1.2)
_SPECK_SIGMA_PX = (0.4, 1.5)
_SCRATCH_LOG_PX = (3.4, 6.0)  # 3 to 40 mm

FloatArray = npt.NDArray[np.float64]


def draw_marks(shape: torch.Size, rng: np.random.Generator, scratches: float, dust: float) -> Tensor:
    """Draw marks for a batch, in local standard deviations, on the CPU.

    `scratches` and `dust` are the parts of the patches that have straight scratches (one to three), and dust
    (one to eight specks).
    """
    batch, _, height, width = shape
    marks = torch.zeros((batch, height, width))
    size = np.array([[height, width]])
    owner = _owners(rng, batch, scratches, _SCRATCHES)
    if len(owner):
        marks.index_add_(0, torch.from_numpy(owner), _scratches(rng, len(owner), size))
    owner = _owners(rng, batch, dust, _SPECKS)
    if len(owner):
        marks.index_add_(0, torch.from_numpy(owner), _specks(rng, len(owner), size))
    return marks[:, None]


def _owners(rng: np.random.Generator, batch: int, part: float, most: int) -> npt.NDArray[np.int64]:
    """Return the patch of each mark."""
    chosen = np.flatnonzero(rng.random(batch) < part)
    return np.repeat(chosen, rng.integers(1, most + 1, len(chosen)))


def _offsets(rng: np.random.Generator, count: int, size: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return the distances of rows [count, height, 1] and columns [count, 1, width] to random points."""
    row, column = _tensor(rng.uniform(0, size, (count, 2))).T
    rows, columns = torch.arange(size[0, 0]) - row[:, None], torch.arange(size[0, 1]) - column[:, None]
    return rows[:, :, None], columns[:, None, :]


def _scratches(rng: np.random.Generator, count: int, size: npt.NDArray[np.int64]) -> Tensor:
    rows, columns = _offsets(rng, count, size)
    angle, sigma, height, log_length = (
        _column(rng.uniform(low, high, count))
        for low, high in ((0.0, np.pi), _SCRATCH_SIGMA_PX, _SCRATCH_SD, _SCRATCH_LOG_PX)
    )
    across = rows * angle.cos() - columns * angle.sin()
    along = rows * angle.sin() + columns * angle.cos()
    ends = torch.sigmoid(log_length.exp() / 2 - along.abs())
    return height * torch.exp(-0.5 * (across / sigma) ** 2) * ends


def _specks(rng: np.random.Generator, count: int, size: npt.NDArray[np.int64]) -> Tensor:
    offsets = _offsets(rng, count, size)
    height = _column(rng.uniform(*_SPECK_SD, count))
    rows, columns = (
        torch.exp(-0.5 * (o / _column(rng.uniform(*_SPECK_SIGMA_PX, count))) ** 2) for o in offsets
    )
    return height * rows * columns


def _column(values: FloatArray) -> Tensor:
    return _tensor(values)[:, None, None]


def _tensor(values: FloatArray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
