"""How far the calcium mass may be off: a first, rough error budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bac_imaging.calibration import Calibration
from bac_imaging.mass import VesselMass


@dataclass(frozen=True)
class ErrorBudget:
    """Standard deviations as fractions of the mass, unless said otherwise.

    Attributes
    ----------
    unit : float
        Calibration between units of the same kind; about 8 % between systems (Heine et al. 2008).
    thickness : float
        Thickness readout off by up to 14 % (Med Phys 39:263); k falls by 0.4 % a mm.
    scatter : float
        Share of the scatter-to-primary ratio that is unknown; its effect is that share times the ratio.
    magnification : float
        Unknown height of the artery in the breast: 4.6 % of mass at 5 cm of thickness, growing with it.
    segmentation : float
        Outline off by a fraction of a pixel, where the vessel is as thin as its outline.
    soft_tissue : float
        Share of the subtracted soft tissue that is unknown: the gland beside the vessel is estimated, and the
        vessel's width enters squared.
    assumed_scale : float
        Added where the relation of pixel values to exposure is assumed: logarithmic images hold from about
        two to seven decades in their range, and the slope of the mass is theirs.
    """

    unit: float = 0.08
    thickness: float = 0.025
    scatter: float = 0.4
    magnification: float = 0.05
    segmentation: float = 0.04
    soft_tissue: float = 0.5
    assumed_scale: float = 0.4


_COVERAGE = 1.96  # 95 % of a normal distribution


def mass_interval(
    vessels: Sequence[VesselMass],
    calibration: Calibration,
    *,
    scale_known: bool,
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
    budget : ErrorBudget, optional
        Sizes of the errors.

    Returns
    -------
    tuple of float
        Lower and upper end in mg, the lower not below 0.
    """
    budget = ErrorBudget() if budget is None else budget
    mass = math.fsum(v.mass_mg for v in vessels)
    spr = calibration.scatter_to_primary
    relative = math.hypot(
        budget.unit,
        budget.thickness,
        budget.scatter * spr / (1.0 + spr),
        budget.magnification,
        budget.segmentation,
        calibration.relative_sd,
        0.0 if scale_known else budget.assumed_scale,
    )
    soft = budget.soft_tissue * math.fsum(v.soft_tissue_mg for v in vessels)
    background = math.hypot(*(v.background_sd_mg for v in vessels)) if vessels else 0.0
    half = _COVERAGE * math.hypot(relative * mass, soft, background)
    return max(0.0, mass - half), mass + half
