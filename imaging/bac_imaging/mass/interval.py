"""How far the calcium mass may be off: the error budget. ``docs/mass.md`` gives the reasons and sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bac_imaging.mass.calibration import Calibration
from bac_imaging.mass.weigh import VesselMass


@dataclass(frozen=True)
class ErrorBudget:
    """Standard deviations as fractions of the mass, unless said otherwise.

    Attributes
    ----------
    unit : float
        Calibration of the system: no header tells that it was checked, so it is the spread between systems,
        about twice the 4 % within one (Heine et al. 2008).
    table : float
        Coefficient of the beam: spectrum, tube angle, composition of the breast, tabulated attenuation.
    thickness : float
        Share by which the compressed thickness is off: up to 14 % (Med Phys 39:263), 8 % as a standard
        deviation. What a mm changes is in the calibration.
    height_per_mm : float
        Per mm of compressed thickness. The artery may lie anywhere in the breast: 0.29 of the thickness as a
        standard deviation; area changes by 0.33 % a mm at 600 mm from the source.
    gap : float
        Distance from the breast's support to the detector, where it is off by 5 mm.
    blur : float
        Share unknown of what undoing the detector's blur added; calcium finer than pixels stays hidden.
    segmentation : float
        Outline off by half a pixel on every side.
    soft_tissue : float
        Share of the subtracted soft tissue that is unknown: the gland beside the vessel is estimated, its
        cross-section taken as round, and its width enters squared.
    offset_dn : float
        Stored value that a detector may give without exposure; in stored values, not a fraction. No header
        tells it and none is subtracted, so that the mass may be too small, never too large: it moves the
        upper end alone. A maker's quality control manual asks for 45 to 55 (Siemens Mammomat Inspiration).
    assumed_scale : float
        Added where the relation of pixel values to exposure is assumed: logarithmic images hold from about
        two to seven decades in their range, and the slope of the mass is theirs.
    """

    unit: float = 0.08
    table: float = 0.015
    thickness: float = 0.08
    height_per_mm: float = 0.29 * 0.0033
    gap: float = 0.016
    blur: float = 0.5
    segmentation: float = 0.03
    soft_tissue: float = 0.3
    offset_dn: float = 50.0
    assumed_scale: float = 0.4


_COVERAGE = 1.96  # 95 % of a normal distribution


def mass_interval(
    vessels: Sequence[VesselMass],
    calibration: Calibration,
    *,
    scale_known: bool,
    level_dn: float | None = None,
    budget: ErrorBudget | None = None,
) -> tuple[float, float]:
    """Give the interval that holds the true mass with about 95 % probability.

    Errors of the exposure are common to all vessels and add up; errors of the background are each vessel's
    own and add in quadrature. What was not detected is not part of it.

    Parameters
    ----------
    vessels : sequence of VesselMass
        Masses of the vessels.
    calibration : Calibration
        Coefficient of the exposure.
    scale_known : bool
        False where the relation of pixel values to exposure is assumed.
    level_dn : float, optional
        Stored value, in proportion to exposure, behind the vessels: what a detector's offset is a share of.
        Default: an offset changes nothing.
    budget : ErrorBudget, optional
        Sizes of the errors.

    Returns
    -------
    tuple of float
        Lower and upper end in mg, the lower not below 0.
    """
    budget = ErrorBudget() if budget is None else budget
    mass = math.fsum(v.mass_mg for v in vessels)
    ratio = calibration.scatter_to_primary
    relative = math.hypot(
        budget.unit,
        budget.table,
        budget.thickness * calibration.thickness_mm * calibration.thickness_slope,
        calibration.scatter_sd * ratio / (1.0 + ratio),
        budget.height_per_mm * calibration.thickness_mm,
        budget.gap,
        budget.segmentation,
        calibration.relative_sd,
        0.0 if scale_known else budget.assumed_scale,
    )
    soft = budget.soft_tissue * math.fsum(v.soft_tissue_mg for v in vessels)
    blur = budget.blur * math.fsum(v.blur_mg for v in vessels)
    background = math.hypot(*(v.background_sd_mg for v in vessels)) if vessels else 0.0
    half = _COVERAGE * math.hypot(relative * mass, soft, blur, background)
    # Contrast is diluted by whatever part of the stored value is no exposure, at most by half.
    offset_fraction = 0.0 if level_dn is None else min(budget.offset_dn / max(level_dn, 1.0), 0.5)
    return max(0.0, mass - half), mass + math.hypot(half, offset_fraction / (1.0 - offset_fraction) * mass)
