"""Grey levels of air and tissue, and how convex what is told by them is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_MIN_AIR_FRACTION = 0.005
_MAX_AIR_SPREAD = 0.15  # of the step from air to tissue


def otsu(ordered: FloatArray) -> tuple[float, float]:
    """Otsu's threshold of values in ascending order, and the share of the variance that it explains."""
    low, high = (np.float32(_percentile(ordered, percent)) for percent in (0.2, 99.0))
    if high <= low:
        return float(low), 0.0
    edges = np.linspace(low, high, 257, dtype=np.float32)
    # What lies beyond the outer edges counts with the outer bins.
    counts = np.diff(np.searchsorted(ordered, edges[1:-1]), prepend=0, append=ordered.size)
    centres = (edges[:-1] + edges[1:]) / 2
    frequency = counts / counts.sum()
    below = np.cumsum(frequency)[:-1]
    mass = np.cumsum(frequency * centres)
    mean = mass[-1]
    between = (mean * below - mass[:-1]) ** 2 / np.maximum(below * (1 - below), 1e-12)
    variance = float((frequency * (centres - mean) ** 2).sum())
    # The valley between two far classes is flat: its middle, not its first bin, is the threshold.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-6))
    return float(edges[1 + int(best.mean())]), float(between.max()) / max(variance, 1e-20)


def _percentile(ordered: FloatArray, percent: float) -> float:
    place = percent / 100 * (ordered.size - 1)
    below = int(place)
    first, second = float(ordered[below]), float(ordered[min(below + 1, ordered.size - 1)])
    return first + (second - first) * (place - below)


def air_and_tissue(ordered: FloatArray) -> tuple[float, float, float] | None:
    """Levels of air and tissue and the noise of the air; None when there is no air in the field.

    Otsu may have split the tissue, or set lead and collimator blades apart from everything else, so the
    lower class is split again while that gives a better air: darker, flat and far below the rest. Of values
    in ascending order a class is a part, and its median its middle.
    """
    lower = ordered
    found: tuple[float, float, float] | None = None
    for _ in range(3):
        threshold, _ = otsu(lower)
        air, tissue = np.split(lower, [np.searchsorted(lower, np.float32(threshold), side="right")])
        if air.size < _MIN_AIR_FRACTION * ordered.size or tissue.size < 0.02 * ordered.size:
            break
        level, above = _percentile(air, 50.0), _percentile(tissue, 50.0)
        noise = 1.4826 * float(np.median(np.abs(air - np.float32(level))))
        if above > level and noise <= _MAX_AIR_SPREAD * (above - level):
            if found is not None and (above - level) < 0.5 * (found[1] - found[0]):
                break
            found = (level, above, noise)
        lower = air
    return found


def hull_area(mask: BoolArray) -> float:
    """Give the area of the convex hull of a mask's pixels, in pixels."""
    from scipy.spatial import ConvexHull

    outline = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    corners = np.concatenate([outline + d for d in ((0, 0), (0, 1), (1, 0), (1, 1))])
    return float(ConvexHull(corners).volume)
