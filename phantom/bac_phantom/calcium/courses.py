"""Courses of arteries through one body, and how each view projects it.

A body point is (behind the nipple, lateral, caudal) in mm. A craniocaudal view looks along the third axis, a
mediolateral oblique one along the diagonal of the second and third. Compression shortens the axis looked
along to the breast's thickness and leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_phantom.body.anatomy import Anatomy, ViewName
from bac_phantom.body.curves import STEP_MM, Path, random_path
from bac_phantom.calcium.arteries import Artery

# (n, 3) in mm.
BodyPath = npt.NDArray[np.float64]

SKIN_MARGIN_MM = 4.0
# The widest artery, magnified, and its blur: what is laid is also shown whole.
BORDER_MARGIN_MM = 3.0
SHORTEST_MM = 5.0
_TRIES = 14


@dataclass(frozen=True)
class Projection:
    """Geometry of one view."""

    view: ViewName  # CC or MLO
    nipple_mm: tuple[float, float]  # (row, column) in the detector plane
    axis_row_mm: float  # row of the detector under the focal spot; its column is 0, at the chest wall
    # source to detector, detector to support, and compressed breast
    sid_mm: float
    gap_mm: float
    thickness_mm: float
    half_extent_mm: float  # half the uncompressed breast along the axis looked along
    oblique: int  # +1 or -1: which diagonal an MLO view looks along

    def magnification(self, height_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the magnification at heights above the support."""
        return np.asarray(self.sid_mm / (self.sid_mm - self.gap_mm - height_mm))

    def place(self, body: BodyPath) -> npt.NDArray[np.float64]:
        """Return object-space (row, column, height above the support) in mm, shape (n, 3)."""
        behind, lateral, caudal = body.T
        if self.view == "CC":
            across, along = lateral, -caudal
        else:
            across = (caudal + self.oblique * lateral) / np.sqrt(2)
            along = (self.oblique * lateral - caudal) / np.sqrt(2)
        middle = self.sid_mm / (self.sid_mm - self.gap_mm - self.thickness_mm / 2)
        row = self.axis_row_mm + (self.nipple_mm[0] - self.axis_row_mm) / middle + across
        column = self.nipple_mm[1] / middle - behind
        height = self.thickness_mm * (0.5 + 0.42 * np.tanh(along / self.half_extent_mm))
        return np.column_stack([row, column, height])

    def project(self, points: npt.NDArray[np.float64]) -> tuple[Path, npt.NDArray[np.float64]]:
        """Project object points: (row, column) in mm of the detector plane, and each one's magnification."""
        magnification = self.magnification(points[:, 2])
        row = self.axis_row_mm + (points[:, 0] - self.axis_row_mm) * magnification
        return np.column_stack([row, points[:, 1] * magnification]), magnification


def _random_course(
    rng: np.random.Generator,
    artery: Artery,
    length_mm: float,
    size_mm: tuple[float, float],
    stem: BodyPath | None,
) -> BodyPath:
    depth_mm, half_mm = size_mm
    if stem is None:
        start = (rng.uniform(-0.8, 0.8) * half_mm, -rng.uniform(0.35, 1.05) * depth_mm)
        heading, caudal = rng.normal(0, 0.8), rng.uniform(-0.6, 0.6) * half_mm
    else:
        index = int(artery.branch_at * (len(stem) - 2))
        origin, step = stem[index], stem[index + 1] - stem[index]
        start, caudal = (float(origin[1]), -float(origin[0])), float(origin[2])
        heading = np.arctan2(step[1], -step[0]) + rng.choice([-1, 1]) * rng.uniform(0.35, 1.0)
    aim = (rng.normal(0, 25), -rng.uniform(0, 30))
    plane = random_path(rng, start, heading, length_mm, artery.tortuosity, target=aim)
    # The third coordinate wanders too; a vessel that dives along the beam is seen end-on.
    slope = ndimage.gaussian_filter1d(rng.standard_normal(len(plane)), 3.0 / STEP_MM, mode="wrap")
    slope *= (0.25 + 0.9 * artery.tortuosity) / max(float(slope.std()), 1e-9)
    rise = caudal + np.cumsum(slope - 0.4 * np.sign(caudal) * rng.random()) * STEP_MM
    body = np.column_stack([-plane[:, 1], plane[:, 0], rise])
    # Even steps along the body, so that every sample stands for the same length of wall.
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(body, axis=0), axis=1))])
    even = np.arange(0.0, way[-1], STEP_MM)
    return np.column_stack([np.interp(even, way, body[:, k]) for k in range(3)])


def _safe(body: BodyPath, anatomy: Anatomy, projection: Projection, pitch_mm: float) -> npt.NDArray[np.bool_]:
    """Find the samples that a view shows, well under the skin."""
    path, _ = projection.project(projection.place(body))
    cell = np.floor(path / pitch_mm).astype(int)
    margin = int(BORDER_MARGIN_MM / pitch_mm)
    seen = (cell >= margin).all(axis=1) & (cell < np.array(anatomy.depth_px.shape) - margin).all(axis=1)
    safe = np.zeros(len(path), dtype=bool)
    safe[seen] = anatomy.depth_px[cell[seen, 0], cell[seen, 1]] * pitch_mm > SKIN_MARGIN_MM
    return safe


def lay_course(
    rng: np.random.Generator,
    artery: Artery,
    views: Sequence[tuple[Anatomy, Projection]],
    pitch_mm: float,
    size_mm: tuple[float, float],
    stem: BodyPath | None,
) -> BodyPath | None:
    """Find a course for an artery that every view shows whole.

    `size_mm` is depth and half height of the breast, `stem` the course of the artery that it branches off
    from.

    Returns
    -------
    ndarray of float64, shape (n, 3), or None
        Body course at ``STEP_MM`` steps; None where not even ``SHORTEST_MM`` found room.
    """
    wanted = artery.lead_mm + artery.calcified_mm + artery.tail_mm
    best = np.zeros((0, 3))
    for _ in range(_TRIES):
        body = _random_course(rng, artery, wanted * 1.1, size_mm, stem)
        safe = np.logical_and.reduce([_safe(body, a, p, pitch_mm) for a, p in views])
        labels, count = ndimage.label(safe)
        if count:
            first = stem is not None and labels[0] > 0
            longest = int(labels[0]) if first else int(np.argmax(np.bincount(labels)[1:])) + 1
            run = body[labels == longest][: int(wanted / STEP_MM)]
            if len(run) > len(best):
                best = run
        if len(best) >= 0.9 * wanted / STEP_MM:
            break
    return best if len(best) * STEP_MM >= SHORTEST_MM else None
