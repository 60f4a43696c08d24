"""Plots: measured against true mass, Bland and Altman's, reliability, and the FROC curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bland_altman", "froc_curve", "reliability", "scatter"]

DoubleArray = npt.NDArray[np.float64]

_LINE: dict[str, Any] = {"color": "tab:red"}
_REFERENCE: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 0.8}
_DOTS: dict[str, Any] = {"linestyle": "none", "marker": "o", "markerfacecolor": "none", "color": "tab:blue"}


def _plot(
    title: str, across: str, up: str, x: tuple[float, float], y: tuple[float, float]
) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure  # of the extra that evaluation needs; slow to import

    figure = Figure(figsize=(7.6, 6.2), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel=across, ylabel=up, xlim=x, ylim=y)
    axes.grid(color="0.9")
    figure.supxlabel("research use only", x=1.0, ha="right", fontsize="small")
    return figure, axes


def scatter(true_mg: DoubleArray, mg: DoubleArray, slope: float, intercept_mg: float) -> Figure:
    """Plot measured against true masses of women, with the fitted line and that of identity (dashed)."""
    top = 1.05 * max(float(true_mg.max()), float(mg.max()), 1.0)
    figure, axes = _plot("Calcium of each woman", "true, mg", "measured, mg", (0.0, top), (0.0, top))
    axes.axline((0.0, 0.0), slope=1.0, **_REFERENCE)
    if math.isfinite(slope):
        axes.axline((0.0, intercept_mg), slope=slope, **_LINE)
    axes.plot(true_mg, mg, **_DOTS)
    return figure


def reliability(points: Sequence[tuple[float, float]]) -> Figure:
    """Plot the share that is true against each bin's mean probability, and the line of identity (dashed)."""
    unit = (0.0, 1.0)
    figure, axes = _plot("Reliability, per image", "probability", "share that is true", unit, unit)
    axes.axline((0.0, 0.0), slope=1.0, **_REFERENCE)
    mean, observed = np.array(points, dtype=np.float64).T
    axes.plot(mean, observed, **_LINE)
    axes.plot(mean, observed, **_DOTS)
    return figure


def bland_altman(
    true_mg: DoubleArray, mg: DoubleArray, mean_mg: float, limits_mg: tuple[float, float]
) -> Figure:
    """Plot the difference against the mean of measured and true mass, with mean and limits."""
    difference, middle = mg - true_mg, (mg + true_mg) / 2
    lines = [value for value in (mean_mg, *limits_mg) if math.isfinite(value)]
    reach = 1.15 * max(float(np.abs(difference).max()), *(abs(value) for value in lines), 1.0)
    right = 1.05 * max(float(middle.max()), 1.0)
    title = "Measured minus true calcium of each woman"
    figure, axes = _plot(
        title, "mean of measured and true, mg", "difference, mg", (0.0, right), (-reach, reach)
    )
    axes.axhline(0.0, **_REFERENCE)
    for value in lines:
        axes.axhline(value, **_LINE)
        axes.annotate(f"{value:+.2f}", (right, value), ha="right", va="bottom")
    axes.plot(middle, difference, **_DOTS)
    return figure


def froc_curve(false_per_view: DoubleArray, sensitivity: DoubleArray, point: tuple[float, float]) -> Figure:
    """Plot sensitivity per vessel against false vessels a view; the dot is what is served."""
    right = 1.05 * max(min(float(false_per_view.max(initial=0.0)), 2.0), point[0], 0.2)
    figure, axes = _plot("Vessels", "false vessels a view", "sensitivity", (0.0, right), (0.0, 1.0))
    kept = false_per_view <= right
    if kept.any():
        # Between two points nothing more is found.
        x, y = np.append(false_per_view[kept], right), sensitivity[kept]
        axes.plot(x, np.append(y, y[-1]), drawstyle="steps-post", **_LINE)
    axes.plot(*point, clip_on=False, **_DOTS)
    return figure
