"""Calcium mass of the vessels: background-subtracted log signal over the beam's coefficient.

The exposure is sharpened by the detector's blur and freed of scatter. Then, for each vessel pixel::

    L = signal - background                               of primary radiation
    x = L / k - soft tissue of the vessel                 g/cm2 of calcium at vanishing density
    density = x (1 + h x + 2 h^2 x^2)                     hardening by the calcium itself, inverted

Density times the pixel's area in the object's plane, summed over a vessel, is its mass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bac_imaging.grid.window import enclosing, inside, widened
from bac_imaging.grid.working_grid import window_of
from bac_imaging.mass.background import REACH_PX, fit_background
from bac_imaging.mass.calibration import Calibration
from bac_imaging.mass.primary import primary_signal
from bac_imaging.mass.soft_tissue import TissueScale, tissue_scale, vessel_soft_tissue
from bac_imaging.vessels.discs import dilate_cross
from bac_imaging.vessels.find import Segmentation

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MARGIN_PX = 2
"""Calcium is summed this far beyond the outline: it sits in the wall, and blur carries it across the edge."""

SOLID_MG_PER_MM3 = 3.16 * 0.399
"""Calcium in solid hydroxyapatite: its density in mg/mm3 times its share of calcium."""

_OUTLINE_MM = 0.1  # a network's outline may be too narrow by a working pixel on each side
_MG_PER_MM2 = 10.0  # one g/cm2 in mg/mm2
# The background under a vessel errs by this much more than the tissue beside it scatters about the fit: found
# by weighing outlines that were moved to where there is no calcium.
_INTERPOLATED = 2.0
_BLUR_PX = 3  # tissue starts this far from the outline: detector blur carries calcium across it


@dataclass(frozen=True)
class VesselMass:
    """Mass of one vessel.

    Attributes
    ----------
    mass_mg : float
        Calcium, never negative.
    soft_tissue_mg : float
        What was subtracted for the vessel's own soft tissue.
    background_sd_mg : float
        Standard deviation of the mass from the unknown background under the vessel.
    blur_mg : float
        What undoing the detector's blur added.
    weighed : bool
        False where there was no tissue to compare with: the mass is then 0 and the spread all that it may be.
    """

    mass_mg: float
    soft_tissue_mg: float
    background_sd_mg: float
    blur_mg: float = 0.0
    weighed: bool = True


@dataclass(frozen=True)
class MassMap:
    """Masses of an image.

    Attributes
    ----------
    density : ndarray of float32, shape (h, w)
        mg/mm2 in the object's plane on the working grid, 0 away from vessels. Its sum times the pixel's area
        in the object's plane is the sum of the vessels' masses.
    vessels : tuple of VesselMass
        One per vessel, in the segmentation's order.
    """

    density: FloatArray
    vessels: tuple[VesselMass, ...]


def weigh_vessels(
    signal: FloatArray,
    breast: BoolArray,
    avoid: BoolArray,
    segmentation: Segmentation,
    calibration: Calibration,
    spacing_mm: tuple[float, float],
    magnification: float,
) -> MassMap:
    """Weigh the vessels of an image.

    Parameters
    ----------
    signal : ndarray of float32, shape (h, w)
        Minus the logarithm of exposure, on the working grid.
    breast : ndarray of bool, shape (h, w)
        Breast mask.
    avoid : ndarray of bool, shape (h, w)
        Pixels that are no plain tissue, such as anything that looks calcified, accepted or not.
    segmentation : Segmentation
        Vessels.
    calibration : Calibration
        Coefficient of the exposure.
    spacing_mm : tuple of float
        Working spacing at the detector, (between rows, between columns), in mm.
    magnification : float
        Size at the detector over size in the object.

    Returns
    -------
    MassMap
        Density and the mass of each vessel.
    """
    density = np.zeros(signal.shape, dtype=np.float32)
    pixel_area = spacing_mm[0] * spacing_mm[1] / magnification**2
    around = window_of(segmentation.mask, 2 * REACH_PX)
    if around is None:
        return MassMap(density, ())
    crops = [widened(box, REACH_PX, breast.shape) for box in segmentation.boxes]
    window = enclosing([around, *crops])
    tissue = breast[window] & ~dilate_cross(segmentation.mask[window] | avoid[window], _BLUR_PX)
    primary = primary_signal(signal, breast, calibration, spacing_mm, window)
    scale = tissue_scale(primary.signal, breast, calibration, spacing_mm, magnification, primary.region)
    vessels = []
    for number, crop in enumerate(crops, start=1):
        zone = segmentation.zones[crop] == number
        outline = segmentation.mask[crop] & zone
        target = dilate_cross(outline, MARGIN_PX) & zone & breast[crop]
        length = segmentation.lengths_mm[number - 1] / magnification
        vessel, values = _weigh_vessel(
            primary.signal[inside(crop, primary.region)],
            tissue[inside(crop, window)],
            target,
            outline[target],
            calibration,
            scale,
            pixel_area,
            length,
        )
        blurred = primary.sharpened_by[inside(crop, window)][target]
        hidden = float(blurred.sum()) / calibration.k_cm2_per_g
        vessel = replace(vessel, blur_mg=_MG_PER_MM2 * hidden * pixel_area)
        vessels.append(vessel)
        density[crop][target] = values
    return MassMap(density, tuple(vessels))


def _weigh_vessel(
    signal: FloatArray,
    tissue: BoolArray,
    target: BoolArray,
    within: BoolArray,
    calibration: Calibration,
    scale: TissueScale,
    pixel_area: float,
    length_mm: float,
) -> tuple[VesselMass, FloatArray]:
    """Weigh one vessel over `target`; the second value is the density at its pixels.

    `within` tells which of the target's pixels lie between the vessel's walls: only they hold soft tissue.
    """
    area = float(within.sum()) * pixel_area
    background = fit_background(signal, tissue, target)
    if background is None:
        # Nothing to compare with: it may hold nothing, or all that it can.
        unknown = most_calcium(area, length_mm) / 1.96
        return VesselMass(0.0, 0.0, unknown, weighed=False), np.zeros(int(target.sum()), dtype=np.float32)
    behind = background.signal[target].astype(np.float64)
    calcium = (signal[target].astype(np.float64) - behind) / calibration.k_cm2_per_g
    # A round vessel of diameter w is pi/4 w thick on average over its shadow.
    width_mm = area / max(length_mm, 1e-6)
    soft = float(vessel_soft_tissue(scale.glandularity(behind[within])).mean()) * np.pi / 4.0 * width_mm
    values = to_density(calcium - np.where(within, soft, 0.0), calibration)
    mass = float(values.sum()) * pixel_area
    soft_mg = _MG_PER_MM2 * soft * area
    # The fit errs alike over about its own width along the vessel.
    stretches = max(1.0, length_mm / 3.0)
    spread = background.spread / calibration.k_cm2_per_g
    sd = _INTERPOLATED * _MG_PER_MM2 * spread * area / np.sqrt(stretches)
    if mass <= 0.0:
        # Weaker than its own soft tissue: no calcium was measured here, and a negative mass is none either.
        return VesselMass(0.0, soft_mg, sd), np.zeros(values.shape, dtype=np.float32)
    return VesselMass(mass, soft_mg, sd), values.astype(np.float32)


def most_calcium(area_mm2: float, length_mm: float) -> float:
    """Return the most calcium in mg that a vessel can hold: solid hydroxyapatite in a round cross-section.

    Area of its outline and length are those in the object's plane.
    """
    width = area_mm2 / length_mm + 2.0 * _OUTLINE_MM
    return SOLID_MG_PER_MM3 * math.pi / 4.0 * width**2 * length_mm


def to_density(calcium: DoubleArray, calibration: Calibration) -> DoubleArray:
    """Undo the hardening of the beam by the calcium itself.

    `calcium` is its primary log signal over the coefficient, g/cm2; the density is in mg/mm2 in the object's
    plane, negative where noise makes it so, which keeps sums unbiased.
    """
    hx = calibration.hardening_cm2_per_g * np.maximum(calcium, 0.0)
    return _MG_PER_MM2 * calcium * (1.0 + hx + 2.0 * hx**2)
