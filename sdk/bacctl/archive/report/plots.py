"""Plots as SVG that stands in the page: no file beside it, readable on light and dark paper.

By Matplotlib, as the plots of an evaluation. Lines and letters take the page's own colour.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from bacctl.archive.report.limits import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 40
"""Groups that a plot without an order in time shows; the table has all."""
# A colour that nothing else has; the page puts its own in its place.
_INK = "#010203"
_LINE, _OUT, _FILL = "#3b83bd", "#d1495b", "#7f8c99"
_STYLE = {
    "svg.fonttype": "none",  # letters, not their outlines
    "text.parse_math": False,  # what a header says is no formula
    "font.size": 9.0,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}
_TEXT_PX = 60  # characters of a label


def shares(name: str, title: str, labels: Sequence[str], values: Sequence[tuple[float, float, float]]) -> str:
    """Draw shares with their intervals.

    Parameters
    ----------
    name, title : str
        Of the plot; the name has to be unique on the page.
    labels : sequence of str
        One a share.
    values : sequence of tuple of float
        (share, low, high), from 0 to 1.

    Returns
    -------
    str
        An SVG element.
    """
    figure, axes = _figure(max(4.0, 1.2 + 0.62 * len(labels)), 3.0, name)
    places = range(len(labels))
    middle = [100.0 * value for value, _, _ in values]
    ends = [
        [100.0 * (value - low) for value, low, _ in values],
        [100.0 * (high - value) for value, _, high in values],
    ]
    axes.errorbar(places, middle, yerr=ends, fmt="o", color=_LINE, capsize=3)
    axes.set_xticks(places, [_short(label) for label in labels])
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("women, %")
    return _svg(figure, name, title)


def bars(name: str, title: str, labels: Sequence[str], counts: Sequence[int]) -> str:
    """Draw how many women are in each class."""
    figure, axes = _figure(max(4.0, 1.2 + 0.7 * len(labels)), 2.8, name)
    drawn = axes.bar(range(len(labels)), counts, color=_LINE)
    axes.bar_label(drawn, fontsize=8, color=_INK)
    axes.set_xticks(range(len(labels)), [_short(label) for label in labels])
    axes.set_ylabel("women")
    return _svg(figure, name, title)


def over_time(name: str, title: str, unit: str, points: Sequence[Point], scale: float = 1.0) -> str:
    """Draw a control chart of months.

    Parameters
    ----------
    name, title, unit : str
        Of the plot; what its values are.
    points : sequence of Point
        In the order of time.
    scale : float, optional
        What values are multiplied with, 100 for per cent.

    Returns
    -------
    str
        An SVG element.
    """
    figure, axes = _figure(min(14.0, max(5.0, 1.5 + 0.28 * len(points))), 3.2, name)
    places = list(range(len(points)))
    judged = [place for place in places if points[place].low is not None]
    for end in ("low", "high"):
        values = [scale * getattr(points[place], end) for place in judged]
        axes.plot(judged, values, drawstyle="steps-mid", color=_FILL, linewidth=1.0)
    centres = [scale * (points[place].centre or 0.0) for place in judged]
    axes.plot(judged, centres, color=_FILL, linestyle="--", linewidth=0.8)
    axes.plot(places, [scale * point.value for point in points], color=_LINE, linewidth=0.8)
    _dots(axes, places, [scale * point.value for point in points], points)
    step = max(1, len(points) // 30)
    axes.set_xticks(places[::step], [point.name for point in points[::step]], rotation=90)
    axes.set_ylabel(unit)
    return _svg(figure, name, title)


def side_by_side(name: str, title: str, unit: str, points: Sequence[Point], scale: float = 1.0) -> str:
    """Draw a control chart of groups that have no order; parameters as for `over_time`."""
    shown = sorted(points, key=lambda point: (point.state in ("inside", "not judged"), -point.count))[:MOST]
    figure, axes = _figure(8.5, max(1.6, 0.9 + 0.26 * len(shown)), name)
    places = list(range(len(shown)))
    for place, point in enumerate(shown):
        if point.low is not None and point.high is not None:
            axes.plot([scale * point.low, scale * point.high], [place, place], color=_FILL, linewidth=5.0)
    _dots(axes, [scale * point.value for point in shown], places, shown)
    axes.set_yticks(places, [_short(point.name) for point in shown])
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    return _svg(figure, name, title)


def _dots(axes: Axes, across: Sequence[float], up: Sequence[float], points: Sequence[Point]) -> None:
    """Draw the values: full dots inside the limits, crosses outside, so that colour is not all that tells."""
    styles: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
        (("inside",), {"marker": "o", "color": _LINE}),
        (("not judged",), {"marker": "o", "color": _LINE, "markerfacecolor": "none"}),
        (("above", "below"), {"marker": "X", "color": _OUT, "markersize": 8.0}),
    )
    for states, style in styles:
        chosen = [place for place, point in enumerate(points) if point.state in states]
        x, y = [across[place] for place in chosen], [up[place] for place in chosen]
        axes.plot(x, y, linestyle="none", zorder=3, **{"markersize": 4.5, **style})


def _short(label: str) -> str:
    return label if len(label) <= _TEXT_PX else f"{label[: _TEXT_PX - 1]}…"


def _style(name: str) -> Any:
    # Identifiers within the SVG follow from it: those of two plots on one page must differ.
    return {**_STYLE, "svg.hashsalt": name}


def _figure(width: float, height: float, name: str) -> tuple[Figure, Axes]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_style(name)):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#8888884d")
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure, name: str, title: str) -> str:
    import matplotlib as mpl

    stream = io.StringIO()
    with mpl.rc_context(_style(name)):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    drawn = stream.getvalue()
    drawn = drawn[drawn.index("<svg") + len("<svg") :].replace(_INK, "currentColor")
    return f'<svg role="img" aria-label="{escape(title)}"{drawn}'
