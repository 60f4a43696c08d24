"""Vessels of the truth held against vessels found: covered, matched, missed, false.

A piece is *matched* when at least a quarter of its centre line lies within 1 mm of the other mask. The same
rule tells which true vessels were found and which found ones are false, so that a finding that runs off
along a plain vessel for most of its way is false though it touches a true one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from bac_evaluation.vessels.geometry import Shape, hausdorff_95, near

__all__ = ["MATCHED_FRACTION", "TOLERANCE_MM", "FoundVessel", "TrueVessel", "compare", "share_masses"]

DoubleArray = npt.NDArray[np.float64]

TOLERANCE_MM = 1.0
MATCHED_FRACTION = 0.25
_FITTING_STEPS = 50
_TINY = 1e-9


@dataclass(frozen=True)
class TrueVessel:
    """One vessel of the truth.

    Attributes
    ----------
    area_mm2, width_mm : float
        In the object's plane.
    mass_mg : float or None
        Calcium; see `share_masses`.
    covered : float
        Part of its centre line within 1 mm of what was found.
    dice : float
        Against the found pixels that lie nearer to it than to any other true vessel, false findings left out.
    hd95_mm : float or None
        Hausdorff distance, 95th percentile, to the same pixels, in the detector's plane; None where it was
        not found.
    """

    area_mm2: float
    width_mm: float
    mass_mg: float | None
    covered: float
    dice: float
    hd95_mm: float | None

    @property
    def found(self) -> bool:
        """Whether it counts as found."""
        return self.covered >= MATCHED_FRACTION


@dataclass(frozen=True)
class FoundVessel:
    """One vessel found: its area in mm2 in the object's plane, and how much of its centre line is true."""

    area_mm2: float
    true_share: float

    @property
    def false(self) -> bool:
        """Whether it counts as a false alarm."""
        return self.true_share < MATCHED_FRACTION


def compare(
    true: Sequence[Shape], found: Sequence[Shape], masses_mg: Sequence[float | None], magnification: float
) -> tuple[list[TrueVessel], list[FoundVessel]]:
    """Match the vessels of an image.

    Parameters
    ----------
    true, found : sequence of Shape
        Vessels of the truth and of the result, in mm in the detector's plane.
    masses_mg : sequence of float or None
        Calcium of each true vessel.
    magnification : float
        Size at the detector over size in the object.

    Returns
    -------
    list of TrueVessel
        In the order of `true`.
    list of FoundVessel
        In the order of `found`.
    """
    all_true = _joined([shape.pixels for shape in true])
    all_found = _joined([shape.pixels for shape in found])
    findings = [
        FoundVessel(shape.area_mm2 / magnification**2, _share(near(shape.line, all_true, TOLERANCE_MM)))
        for shape in found
    ]
    kept = [shape for shape, finding in zip(found, findings, strict=True) if not finding.false]
    owned, owned_outline = (_owners(true, [getattr(s, kind) for s in kept]) for kind in ("pixels", "outline"))
    vessels = []
    for shape, mass, mine, outline in zip(true, masses_mg, owned, owned_outline, strict=True):
        covered = _share(near(shape.line, all_found, TOLERANCE_MM))
        matched = covered >= MATCHED_FRACTION and len(outline) > 0
        both = int(near(mine, shape.pixels, 0.1 * min(shape.pixel_mm)).sum())
        vessels.append(
            TrueVessel(
                area_mm2=shape.area_mm2 / magnification**2,
                width_mm=shape.width_mm / magnification,
                mass_mg=mass,
                covered=covered,
                dice=2.0 * both / (len(mine) + len(shape.pixels)),
                hd95_mm=hausdorff_95(shape.outline, outline) if matched else None,
            )
        )
    return vessels, findings


def share_masses(
    shapes: Sequence[Shape], arteries: Sequence[Mapping[str, Any]], mass_mg: float | None
) -> list[float | None]:
    """Give each true vessel its part of an image's calcium.

    The mask shows pieces, the truth knows arteries; an artery may be several pieces, and arteries that cross
    or branch are one piece. Where all arteries seen have ``bbox_px`` and ``area_mm2``, the areas that
    each artery has in each piece are estimated from what lies in its box, so that they sum to the pieces'
    and to the arteries' areas as well as they can (iterative proportional fitting, Deming and Stephan 1940).
    Otherwise an image's calcium is shared by area.

    Parameters
    ----------
    shapes : sequence of Shape
        True vessels.
    arteries : sequence of mapping
        Entries of the arteries; one without a box is not seen in this view.
    mass_mg : float or None
        Calcium of the image.

    Returns
    -------
    list of float or None
        Masses in mg; None where the image's is not known.
    """
    if mass_mg is None:
        return [None] * len(shapes)
    pieces = np.array([shape.area_mm2 for shape in shapes])
    seen = [artery for artery in arteries if artery.get("bbox_px")]
    if not seen or not all(artery.get("area_mm2") for artery in seen):
        return [float(mass_mg * area / pieces.sum()) for area in pieces]
    held = np.array([[_area_inside(shape, artery["bbox_px"]) for artery in seen] for shape in shapes])
    held = held.reshape(len(shapes), len(seen))
    wanted = np.array([float(artery["area_mm2"]) for artery in seen])
    wanted *= pieces.sum() / wanted.sum()
    for _ in range(_FITTING_STEPS):
        held *= (pieces / np.maximum(held.sum(axis=1), _TINY))[:, None]
        held *= wanted / np.maximum(held.sum(axis=0), _TINY)
    masses = np.array([float(artery["calcium_mass_mg"]) for artery in seen])
    return [float(mass) for mass in held @ (masses / np.maximum(held.sum(axis=0), _TINY))]


def _area_inside(shape: Shape, box: Sequence[float]) -> float:
    pixels = shape.pixels / shape.pixel_mm
    held = (pixels >= np.array(box[:2])).all(axis=1) & (pixels < np.array(box[2:])).all(axis=1)
    return float(held.sum()) * shape.pixel_mm[0] * shape.pixel_mm[1]


def _owners(true: Sequence[Shape], found: Sequence[DoubleArray]) -> list[DoubleArray]:
    """Share found points among the true vessels: each goes to the nearest."""
    points = _joined(found)
    if not true or not len(points):
        return [np.zeros((0, 2)) for _ in true]
    outlines = [shape.outline for shape in true]
    owner = np.repeat(np.arange(len(true)), [len(outline) for outline in outlines])
    nearest = owner[cKDTree(np.concatenate(outlines)).query(points)[1]]
    return [points[nearest == number] for number in range(len(true))]


def _joined(parts: Sequence[DoubleArray]) -> DoubleArray:
    return np.concatenate(parts) if parts else np.zeros((0, 2))


def _share(hits: npt.NDArray[np.bool_]) -> float:
    return float(hits.mean()) if hits.size else 0.0
