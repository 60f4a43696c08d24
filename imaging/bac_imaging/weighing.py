"""Decide whether an image's vessels can be weighed, and weigh them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.calibration import calibrate
from bac_imaging.context import read_beam
from bac_imaging.errors import Notice
from bac_imaging.grid import resample_area, window_of
from bac_imaging.interval import mass_interval
from bac_imaging.mass import MARGIN_PX, measure_mass
from bac_imaging.report import MassResult
from bac_imaging.vessels import Segmentation

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_NOTHING = (slice(0, 0), slice(0, 0))
_SUSPICIOUS = 0.3  # anything that might be calcium is kept out of the background, accepted or not


def weigh(
    signal: FloatArray,
    breast: BoolArray,
    probability: FloatArray,
    found: Segmentation,
    spacing_mm: tuple[float, float],
    context: Mapping[str, Any],
) -> tuple[MassResult, FloatArray]:
    """Weigh the vessels where the image allows it.

    Only FOR PROCESSING images are linear in the logarithm of exposure; what is made for viewing has been
    through look-up tables and equalisation that no header tells, so it gets no mass.

    Parameters
    ----------
    signal, probability : ndarray of float32, shape (h, w)
        Signal and probability on the working grid.
    breast : ndarray of bool, shape (h, w)
        Breast mask.
    found : Segmentation
        Vessels.
    spacing_mm : tuple of float
        Working spacing in mm, (between rows, between columns).
    context : mapping
        Context of the image.

    Returns
    -------
    MassResult
        Masses with their basis, or the reason why there are none.
    ndarray of float32, shape (rows, columns) or (0, 0)
        Density in mg/mm2 on the stored matrix; (0, 0) without a mass.
    """
    nothing = np.zeros((0, 0), dtype=np.float32)
    if context["signal_kind"] != "log_exposure" or context["presentation_intent"] != "FOR PROCESSING":
        return MassResult("none", (), None, _no_exposure_scale(context)), nothing
    calibration = calibrate(read_beam(context))
    if isinstance(calibration, Notice):
        return MassResult("none", (), None, calibration), nothing
    scale_known = bool(context["exposure_scale_known"])
    magnification = float(context["magnification"])
    avoid = probability > _SUSPICIOUS
    weighed = measure_mass(signal, breast, avoid, found, calibration, spacing_mm, magnification)
    interval = mass_interval(weighed.vessels, calibration, scale_known=scale_known)
    stored = (context["rows"], context["columns"])
    density = resample_area(weighed.density, stored, window_of(found.mask, MARGIN_PX + 2, stored) or _NOTHING)
    if scale_known:
        return MassResult("calibrated", weighed.vessels, interval, None), density
    return MassResult("estimated", weighed.vessels, interval, Notice.of("BAC-W-MASS-ESTIMATED")), density


def _no_exposure_scale(context: Mapping[str, Any]) -> Notice:
    if context["presentation_intent"] is None:
        return Notice.of("BAC-W-MASS-NONE-FILM")
    return Notice.of("BAC-W-MASS-NONE-PROCESSED")
