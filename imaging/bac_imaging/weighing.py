"""Decide whether an image's vessels can be weighed, and weigh them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bac_imaging.context import Context
from bac_imaging.grid.axis import AREA
from bac_imaging.grid.working_grid import resample_part, window_of
from bac_imaging.mass.calibration import calibrate
from bac_imaging.mass.interval import mass_interval
from bac_imaging.mass.metal import find_metal, find_touched
from bac_imaging.mass.weigh import MARGIN_PX, weigh_vessels
from bac_imaging.report import MassResult
from bac_imaging.vessels.discs import dilate_cross
from bac_imaging.vessels.find import Segmentation, leave_out
from bac_terms.beam import Beam
from bac_terms.measured import MassBasis
from bac_terms.notices import Notice

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_IN_DOUBT = "the calcium mass is an estimate: what the header says is in doubt, as another warning tells"
_NOTHING = (slice(0, 0), slice(0, 0))
_CLIPPED_PX = 10  # of 0.1 mm, at one end of the image's signal: noise puts no more than one or two there
_SUSPICIOUS = 0.3  # anything that might be calcium is kept out of the background, accepted or not


class Weighed(NamedTuple):
    """Masses of an image's vessels.

    Attributes
    ----------
    mass : MassResult
        Masses with their basis, or the reason why there are none.
    density : ndarray of float32, shape (rows, columns) or (0, 0)
        Density in mg/mm2 on the stored matrix; (0, 0) without a mass, or where it was not asked for.
    segmentation : Segmentation
        The vessels, without what its weight shows to be metal.
    """

    mass: MassResult
    density: FloatArray
    segmentation: Segmentation


def weigh(
    segmentation: Segmentation,
    probability: FloatArray,
    signal: FloatArray,
    context: Context,
    *,
    with_density: bool = True,
) -> Weighed:
    """Weigh the vessels where the image allows it; third step after the network.

    Only FOR PROCESSING images are linear in the logarithm of exposure; what is made for viewing has been
    through look-up tables and equalisation that no header tells, so it gets no mass.

    Parameters
    ----------
    segmentation : Segmentation
        Vessels.
    probability, signal : ndarray of float32, shape (h, w)
        Probability and signal on the working grid.
    context : Context
        Of the image.
    with_density : bool, optional
        False leaves the density out: few want it, and it is larger than the image.

    Returns
    -------
    Weighed
        Masses, density, and the vessels that they belong to.
    """
    nothing = np.zeros((0, 0), dtype=np.float32)
    if context.signal_kind != "log_exposure" or context.presentation_intent != "FOR PROCESSING":
        return Weighed(MassResult("none", (), None, (_no_exposure_scale(context),)), nothing, segmentation)
    beam = context.beam
    calibration = calibrate(beam)
    if isinstance(calibration, Notice):
        return Weighed(MassResult("none", (), None, (calibration,)), nothing, segmentation)
    scale_known, magnification = context.exposure_scale_known, context.magnification
    spacing_mm = context.working_spacing_mm
    avoid = probability > _SUSPICIOUS
    weighed = weigh_vessels(
        signal, context.breast_mask, avoid, segmentation, calibration, spacing_mm, magnification
    )
    metal = find_metal(segmentation, weighed.vessels, spacing_mm, magnification, scale_known=scale_known)
    working = weighed.density
    gone = segmentation.without(metal)
    for number in gone:
        box = segmentation.boxes[number - 1]
        working[box][segmentation.zones[box] == number] = 0.0
    vessels = tuple(v for number, v in enumerate(weighed.vessels, start=1) if number not in gone)
    segmentation = leave_out(segmentation, gone, probability)
    touched = find_touched(segmentation, working, spacing_mm, scale_known=scale_known)
    near = window_of(segmentation.mask, MARGIN_PX + 2) or _NOTHING
    # A linear signal of known scale is minus the logarithm of the stored value.
    under = signal[near][segmentation.mask[near]]
    level = float(np.exp(-np.median(under))) if scale_known and vessels else None
    is_certain = scale_known and not context.mass_in_doubt
    interval = mass_interval(vessels, calibration, scale_known=is_certain, level_dn=level)
    density = _to_stored(working, segmentation, context) if with_density else nothing
    notices = []
    if not is_certain:
        notices.append(Notice.of("BAC-W-MASS-ESTIMATED", _IN_DOUBT if scale_known else None))
    if beam is not None and beam.grid is None:
        notices.append(Notice.of("BAC-W-GRID-ASSUMED"))
    if beam is not None and (beam.detector is None or beam.filter_thickness_mm is None):
        notices.append(Notice.of("BAC-W-BEAM-ASSUMED", _missing(beam)))
    if not context.size_known:
        notices.append(Notice.of("BAC-W-SIZE-UNCHECKED"))
    if metal:
        notices.append(Notice.of("BAC-W-METAL", _too_heavy(len(metal))))
    if _is_clipped(signal, segmentation.mask):
        notices.append(Notice.of("BAC-W-CLIPPED", "pixels under a vessel are saturated, clipped or missing"))
    if touched:
        notices.append(Notice.of("BAC-W-METAL-TOUCHES"))
    if not all(vessel.weighed for vessel in vessels):
        notices.append(Notice.of("BAC-W-VESSEL-NOT-WEIGHED"))
    basis: MassBasis = "calibrated" if is_certain else "estimated"
    return Weighed(MassResult(basis, vessels, interval, tuple(notices)), density, segmentation)


def _to_stored(density: FloatArray, segmentation: Segmentation, context: Context) -> FloatArray:
    """Carry the density, which is 0 away from the vessels, to the stored matrix."""
    stored = np.zeros(context.shape, dtype=np.float32)
    near = window_of(segmentation.mask, MARGIN_PX + 2)
    window = window_of(segmentation.mask, MARGIN_PX + 2, context.shape)
    if near is not None and window is not None:
        stored[window] = resample_part(AREA, density[near], density.shape, context.shape, window, near)
    return stored


def _is_clipped(signal: FloatArray, mask: BoolArray) -> bool:
    """Tell whether pixels where calcium is summed lie at an end of the signal.

    Pixels without exposure are outside the breast and so outside every vessel, but beside what is left of it.
    """
    window = window_of(mask, MARGIN_PX + 1)
    if window is None:
        return False
    under = signal[window][dilate_cross(mask[window], MARGIN_PX)]
    tolerance = np.float32(1e-4)
    at_ends = max((under <= under.min() + tolerance).sum(), (under >= under.max() - tolerance).sum())
    if at_ends < _CLIPPED_PX:
        return False  # whatever the ends of the whole signal are
    ends = (under <= signal.min() + tolerance).sum(), (under >= signal.max() - tolerance).sum()
    return bool(max(ends) >= _CLIPPED_PX)


def _missing(beam: Beam) -> str:
    values = {"thickness of the filter": beam.filter_thickness_mm, "type of the detector": beam.detector}
    missing = " and the ".join(name for name, value in values.items() if value is None)
    return f"the header does not tell the {missing}; what is usual is assumed"


def _too_heavy(count: int) -> str:
    things = "a long find is" if count == 1 else f"{count} long finds are"
    return f"{things} heavier than solid calcium salt, taken for metal and left out"


def _no_exposure_scale(context: Context) -> Notice:
    if context.presentation_intent is None:
        return Notice.of("BAC-W-MASS-NONE-FILM")
    return Notice.of("BAC-W-MASS-NONE-PROCESSED")
