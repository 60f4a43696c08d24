"""The border of a film and of its scan: strips, round corners, frames, fog."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bac_phantom.body.curves import FloatArray
from bac_phantom.body.fields import resize
from bac_phantom.looks.stored import BoolArray

_Kind = TypeVar("_Kind", bound=np.generic)


def fog(rng: np.random.Generator, density: FloatArray, pitch_mm: float) -> None:
    """Shade a corner in place: the collimator's shadow is brighter, light that leaked in darker."""
    if rng.random() > 0.35:
        return
    step = max(1, round(2.0 / pitch_mm))
    shape = tuple(-(-n // step) for n in density.shape)
    y, x = (np.linspace(0, 1, n, dtype=np.float32) for n in shape)
    y = y if rng.random() < 0.5 else 1 - y
    x = x if rng.random() < 0.3 else 1 - x
    far = (y[:, None] / rng.uniform(0.05, 0.3)) ** 2 + (x[None, :] / rng.uniform(0.05, 0.3)) ** 2
    density += resize(
        np.float32(rng.choice([-1.2, -0.4, 0.3]) * rng.uniform(0.3, 1.0)) * np.exp(-far), density.shape
    )


def film_border(
    rng: np.random.Generator, density: FloatArray, pitch_mm: float, base: float
) -> BoolArray | None:
    """Draw unexposed strips along the film's sides and its round corners into ``density``, in place.

    The chest wall is at column 0; there a strip is thin, for the breast reaches over the film's edge.

    Returns
    -------
    BoolArray or None
        bool, (rows, columns): where nothing of the exposure is left; None without strips.
    """
    rows, columns = density.shape
    covered: BoolArray | None = None
    slant = float(rng.normal(0, 0.004))
    outer = float(rng.choice([0.0, 3.5], p=[0.75, 0.25]))
    for side in range(4):
        if rng.random() > 0.4:
            continue
        most = 1.2 if side == 0 else float(rng.choice([2.0, 9.0]))
        width = rng.uniform(0.2, most) / pitch_mm
        blur = max(0.7, rng.uniform(0.03, 0.4) / pitch_mm)
        view = _from(density, side)
        reach = int(width + abs(slant) * view.shape[0] + 6 * blur) + 1
        band = view[:, :reach]
        edge = width + slant * (np.arange(band.shape[0], dtype=np.float32) - band.shape[0] / 2)
        z = (np.arange(band.shape[1], dtype=np.float32)[None, :] - edge[:, None]) / np.float32(blur)
        share = 1 / (1 + np.exp(np.clip(z * 1.7, -30, 30)))
        # A piece of the strip is fogged or cut by a notch.
        level = np.full(band.shape[0], base + rng.choice([0.0, 0.2, 0.6]), dtype=np.float32)
        for _ in range(int(rng.integers(0, 4))):
            at = int(rng.integers(0, band.shape[0]))
            level[at : at + int(rng.uniform(2, 30) / pitch_mm)] += rng.uniform(0.1, 1.2)
        band += share * (level[:, None] - band)
        covered = np.zeros((rows, columns), dtype=bool) if covered is None else covered
        _from(covered, side)[:, :reach][share > 0.5] = True
    if rng.random() < 0.3:
        radius = int(rng.uniform(3.0, 9.0) / pitch_mm)
        far = np.arange(radius, 0, -1, dtype=np.float32)
        corner = np.hypot(far[:, None], far[None, :]) > radius
        for view in (density[:, ::-1], density[::-1, ::-1]):
            view[:radius, :radius][corner[: view.shape[0], : view.shape[1]]] = outer
    return covered


def _from(field: npt.NDArray[_Kind], side: int) -> npt.NDArray[_Kind]:
    """View the field so that the given side is column 0: left, right, top, bottom."""
    return (field, field[:, ::-1], field.T, field[::-1].T)[side]


def frame(rng: np.random.Generator, white: FloatArray, pitch_mm: float) -> BoolArray | None:
    """Lay the scan's white or black frame over ``white`` (0 to 1), in place, and return where it is."""
    if rng.random() > 0.12:
        return None
    covered = np.zeros(white.shape, dtype=bool)
    for side in range(4):
        most = 2.0 if side == 0 else 14.0
        if rng.random() < 0.8:
            _from(covered, side)[:, : int(rng.uniform(0.3, most) / pitch_mm)] = True
    white[covered] = float(rng.choice([1.0, 0.0], p=[0.7, 0.3]))
    return covered
