"""What speaks for an image's findings being calcified arteries, in a few numbers each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bac_imaging.grid.window import enclosing
from bac_imaging.vessels.find import Segmentation, peak_of
from bac_imaging.vessels.skin import BANDS_MM, from_skin_mm

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class VesselEvidence:
    """What speaks for one finding.

    Attributes
    ----------
    peak : float
        Mean of its core's 50 most probable pixels.
    mean : float
        Mean probability of its core.
    length_mm, area_mm2 : float
        Of the finding's centre line and of its core, in the detector's plane.
    deep : float
        Part of its core that lies more than 3 mm from the skin line, which processing for presentation makes
        bright and beaded.
    """

    peak: float
    mean: float
    length_mm: float
    area_mm2: float
    deep: float


@dataclass(frozen=True)
class Evidence:
    """What speaks for an image showing BAC.

    Attributes
    ----------
    peak : float
        As `bac_imaging.vessels.find.Segmentation` has it: of the finds, or of everything where there are
        none.
    vessels : tuple of VesselEvidence
        One for each finding, in their order.
    """

    peak: float
    vessels: tuple[VesselEvidence, ...] = ()


def evidence_of(
    segmentation: Segmentation, probability: FloatArray, breast: BoolArray, spacing_mm: tuple[float, float]
) -> Evidence:
    """Describe the findings of an image.

    Parameters
    ----------
    segmentation : Segmentation
        The findings.
    probability : ndarray of float32, shape (h, w)
        Probability on the working grid.
    breast : ndarray of bool, shape (h, w)
        Breast mask.
    spacing_mm : tuple of float
        Working spacing (between rows, between columns) in mm.

    Returns
    -------
    Evidence
    """
    if not segmentation.lengths_mm:
        return Evidence(segmentation.peak)
    pixel_mm2 = spacing_mm[0] * spacing_mm[1]
    window = enclosing(segmentation.boxes)
    points = np.argwhere(segmentation.core[window]) + [part.start for part in window]
    owner = segmentation.zones[points[:, 0], points[:, 1]]
    rim_mm = BANDS_MM[0]
    deep = from_skin_mm((points + 0.5) * spacing_mm, breast, spacing_mm, within_mm=rim_mm) > rim_mm
    vessels = []
    values = probability[points[:, 0], points[:, 1]]
    for number, length in enumerate(segmentation.lengths_mm, start=1):
        own = owner == number
        vessels.append(
            VesselEvidence(
                peak=peak_of(values[own]),
                mean=float(values[own].mean()),
                length_mm=length,
                area_mm2=int(own.sum()) * pixel_mm2,
                deep=float(deep[own].mean()),
            )
        )
    return Evidence(segmentation.peak, tuple(vessels))
