"""A mammogram as it was stored, turned into a signal of X-ray attenuation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from bac_imaging.read.attributes.geometry import Geometry
from bac_terms.beam import Beam
from bac_terms.device import Device
from bac_terms.notices import Notice


@dataclass(frozen=True)
class Mammogram:
    """One two-dimensional mammogram, in the matrix in which it was stored.

    Attributes
    ----------
    signal : numpy.ndarray
        float32, (rows, columns), finite everywhere. Larger means more attenuation: calcium is bright.
    valid : numpy.ndarray
        bool, (rows, columns). False on padding, on transparent pixels, and where a ``log_exposure`` image has
        no exposure left. Saturated pixels are valid: they are air, which finding the breast needs.
    signal_kind : {"log_exposure", "display"}
        ``log_exposure``: minus the natural logarithm of the exposure, up to a constant. ``display``: a
        brightness that rises with attenuation, about 0 to 1 over the range meant to be shown.
    exposure_scale_known : bool
        True where `signal` follows from the header without assumption, which a calibrated mass needs.
    presentation_intent : {"FOR PROCESSING", "FOR PRESENTATION"} or None
        As the header says; None for film and plain images.
    geometry : Geometry
        Pixel spacing at the detector and magnification.
    beam : Beam or None
        Beam and compression; None for film and plain images.
    sop_instance_uid, study_instance_uid : str or None
        Identifiers from the header.
    laterality : {"L", "R"} or None
        Side of the breast.
    view : str or None
        ``"CC"``, ``"MLO"`` or another view's name.
    warnings : tuple of Notice
        What should be known about any result from this image.
    mass_in_doubt : bool
        True where a header value that a mass rests on is not one of the standard's, or contradicts another: a
        mass is then an estimate at best, and a warning says why.
    size_known : bool
        True where the header names a unit whose image sizes are known, or the image's field of view: that an
        image was resized would have been noticed.
    device : Device or None
        The unit that took it; None where the header does not tell, and for plain images.
    orientation : (str, str) or None
        Where rows and columns lead in the patient, by the letters of DICOM (PS3.3 C.7.6.1.1.1), as
        ``("P", "L")``; None where the header does not say it.
    """

    signal: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    signal_kind: Literal["log_exposure", "display"]
    exposure_scale_known: bool
    presentation_intent: Literal["FOR PROCESSING", "FOR PRESENTATION"] | None
    geometry: Geometry
    beam: Beam | None
    sop_instance_uid: str | None
    study_instance_uid: str | None
    laterality: Literal["L", "R"] | None
    view: str | None
    warnings: tuple[Notice, ...]
    mass_in_doubt: bool = False
    size_known: bool = False
    device: Device | None = None
    orientation: tuple[str, str] | None = None
