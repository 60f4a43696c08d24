"""Plots drawn with Pillow: measured against true mass, Bland and Altman's, and the FROC curve."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

__all__ = ["bland_altman", "froc_curve", "reliability", "scatter"]

DoubleArray = npt.NDArray[np.float64]

_SIZE = (760, 620)
_FIELD = (90, 50, 730, 545)  # left, top, right, bottom
_INK, _GRID, _MARK, _LINE = (30, 30, 30), (225, 225, 225), (31, 90, 160), (190, 60, 40)


class Plot:
    """A rectangular field with axes.

    Parameters
    ----------
    title, across, up : str
        Title and names of the axes.
    x, y : tuple of float
        Ranges.
    """

    def __init__(
        self, title: str, across: str, up: str, x: tuple[float, float], y: tuple[float, float]
    ) -> None:
        self.image = Image.new("RGB", _SIZE, "white")
        self._draw = ImageDraw.Draw(self.image)
        self._font = ImageFont.load_default(15)
        self._x, self._y = x, y
        left, top, right, bottom = _FIELD
        for value in _ticks(*x):
            column = self._point(value, y[0])[0]
            self._draw.line([(column, top), (column, bottom)], _GRID)
            self._draw.text((column, bottom + 8), f"{value:g}", _INK, self._font, anchor="ma")
        for value in _ticks(*y):
            row = self._point(x[0], value)[1]
            self._draw.line([(left, row), (right, row)], _GRID)
            self._draw.text((left - 8, row), f"{value:g}", _INK, self._font, anchor="rm")
        self._draw.rectangle([left, top, right, bottom], outline=_INK)
        self._draw.text(((left + right) / 2, 16), title, _INK, self._font, anchor="ma")
        self._draw.text(((left + right) / 2, bottom + 34), across, _INK, self._font, anchor="ma")
        self._draw.text((left, top - 4), up, _INK, self._font, anchor="lb")
        self._draw.text((right, _SIZE[1] - 6), "research use only", _INK, self._font, anchor="rb")

    def dots(self, x: DoubleArray, y: DoubleArray) -> None:
        """Draw points."""
        for one, other in zip(x, y, strict=True):
            column, row = self._point(float(one), float(other))
            self._draw.ellipse([column - 4, row - 4, column + 4, row + 4], outline=_MARK, width=2)

    def line(self, x: Sequence[float], y: Sequence[float], *, dashed: bool = False) -> None:
        """Draw a line through points."""
        points = [self._point(one, other) for one, other in zip(x, y, strict=True)]
        if not dashed:
            self._draw.line(points, _LINE, width=2)
            return
        (left, first), (right, last) = points[0], points[-1]
        for part in np.arange(0.0, 1.0, 0.02):
            ends = [(left + (right - left) * t, first + (last - first) * t) for t in (part, part + 0.01)]
            self._draw.line(ends, _INK)

    def label(self, x: float, y: float, text: str) -> None:
        """Write beside a point."""
        column, row = self._point(x, y)
        self._draw.text((column - 4, row - 3), text, _INK, self._font, anchor="rb")

    def _point(self, x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = _FIELD
        across = (x - self._x[0]) / (self._x[1] - self._x[0])
        up = (y - self._y[0]) / (self._y[1] - self._y[0])
        return left + across * (right - left), bottom - up * (bottom - top)


def scatter(true_mg: DoubleArray, mg: DoubleArray, slope: float, intercept_mg: float) -> Image.Image:
    """Plot measured against true masses of women, with the fitted line and that of identity (dashed)."""
    top = 1.05 * max(float(true_mg.max()), float(mg.max()), 1.0)
    plot = Plot("Calcium of each woman", "true, mg", "measured, mg", (0.0, top), (0.0, top))
    plot.line((0.0, top), (0.0, top), dashed=True)
    if math.isfinite(slope):
        # The line is cut where it leaves the field.
        ends = np.array((0.0, top))
        if slope:
            crossings = np.sort((np.array((0.0, top)) - intercept_mg) / slope)
            ends = np.clip(ends, *crossings)
        plot.line(list(ends), list(slope * ends + intercept_mg))
    plot.dots(true_mg, mg)
    return plot.image


def reliability(points: Sequence[tuple[float, float]]) -> Image.Image:
    """Plot the share that is true against each bin's mean probability, and the line of identity (dashed)."""
    plot = Plot("Reliability, per image", "probability", "share that is true", (0.0, 1.0), (0.0, 1.0))
    plot.line((0.0, 1.0), (0.0, 1.0), dashed=True)
    mean, observed = np.array(points, dtype=np.float64).T
    plot.line(list(mean), list(observed))
    plot.dots(mean, observed)
    return plot.image


def bland_altman(
    true_mg: DoubleArray, mg: DoubleArray, mean_mg: float, limits_mg: tuple[float, float]
) -> Image.Image:
    """Plot the difference against the mean of measured and true mass, with mean and limits."""
    difference, middle = mg - true_mg, (mg + true_mg) / 2
    lines = [value for value in (mean_mg, *limits_mg) if math.isfinite(value)]
    reach = 1.15 * max(float(np.abs(difference).max()), *(abs(value) for value in lines), 1.0)
    right = 1.05 * max(float(middle.max()), 1.0)
    plot = Plot(
        "Measured minus true calcium of each woman",
        "mean of measured and true, mg",
        "difference, mg",
        (0.0, right),
        (-reach, reach),
    )
    plot.line((0.0, right), (0.0, 0.0), dashed=True)
    for value in lines:
        plot.line((0.0, right), (value, value))
        plot.label(right, value, f"{value:+.2f}")
    plot.dots(middle, difference)
    return plot.image


def froc_curve(
    false_per_view: DoubleArray, sensitivity: DoubleArray, point: tuple[float, float]
) -> Image.Image:
    """Plot sensitivity per vessel against false vessels a view; the dot is what is served."""
    right = 1.05 * max(min(float(false_per_view.max(initial=0.0)), 2.0), point[0], 0.2)
    plot = Plot("Vessels", "false vessels a view", "sensitivity", (0.0, right), (0.0, 1.0))
    kept = false_per_view <= right
    if kept.any():
        # A step curve: between two points nothing more is found.
        x = np.repeat(np.concatenate((false_per_view[kept], [right])), 2)[1:-1]
        y = np.repeat(sensitivity[kept], 2)
        plot.line(list(x), list(y))
    plot.dots(np.array([point[0]]), np.array([point[1]]))
    return plot.image


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= rough)
    first = math.ceil(low / step)
    return [round(step * k, 10) + 0.0 for k in range(first, math.floor(high / step) + 1)]
