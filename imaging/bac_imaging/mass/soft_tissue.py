"""The soft tissue of a calcified vessel, as the calcium it reads like.

Blood and wall attenuate more than the tissue that they displace. Against fat that reads like four times as
much calcium as against gland, so the gland beside each vessel is estimated from the image itself: relative
to its fattest part, log signal over the beam's coefficient is millimetres of gland.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.axis import AREA
from bac_imaging.grid.working_grid import Window, resample_part, whole
from bac_imaging.mass.calibration import Calibration

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# g/cm2 of calcium that a millimetre of tissue in place of another reads like. Both attenuations fall alike
# with energy, so their ratio holds within 2 % for every mammographic beam (xraydb; spectra of the calibration
# table). Vessel: 70 % blood, 30 % wall, the latter taken as muscle (ICRU 44); fat and gland: Hammerstein.
VESSEL_IN_FAT = 2.36e-3
VESSEL_IN_GLAND = 0.53e-3
GLAND_IN_FAT = VESSEL_IN_FAT - VESSEL_IN_GLAND
FAT_IN_AIR = 3.5e-3  # by beam and thickness, 3.1 (soft) to 4.3 (hard beams) as thickness is lost

GLANDULARITY = ((15.0, 30.0, 50.0, 70.0, 110.0), (0.40, 0.30, 0.15, 0.10, 0.07))
"""Mean share of gland by compressed thickness in mm, as the calibration table has it."""

_SKIN_MM = 3.0  # of the thickness, both sides together
_CELL_PX = 10  # 1 mm: tissue is compared, not noise
_BORDER_CELLS = 4  # the breast mask keeps off the image's border; there is no skin there
_FATTEST_PERCENT = 10.0
_LEAST_MM2 = 400.0


@dataclass(frozen=True)
class TissueScale:
    """Share of gland as a function of the signal, for one image.

    Attributes
    ----------
    fat_signal : float or None
        Signal behind the breast's full thickness of fat; None where the image does not show it.
    full_signal : float
        Log signal by which the same thickness of gland would exceed it.
    usual : float
        Mean share of gland of breasts of this thickness: 0 to 1.
    """

    fat_signal: float | None
    full_signal: float
    usual: float

    def glandularity(self, signal: DoubleArray) -> DoubleArray:
        """Give the share of gland behind a background signal.

        Parameters
        ----------
        signal : ndarray of float64
            Primary signal of tissue without vessel.

        Returns
        -------
        ndarray of float64
            0 to 1. Towards the skin, where the breast is thinner, it is low, as the tissue there is.
        """
        if self.fat_signal is None:
            return np.full(signal.shape, self.usual)
        gland_fraction: DoubleArray = np.clip((signal - self.fat_signal) / self.full_signal, 0.0, 1.0)
        return gland_fraction


def tissue_scale(
    signal: FloatArray,
    breast: BoolArray,
    calibration: Calibration,
    spacing_mm: tuple[float, float],
    magnification: float,
    region: Window | None = None,
) -> TissueScale:
    """Find what fat alone would read like where the breast has its full thickness.

    The fattest tenth of that part is taken as fat, unless the breast would then hold less gland than women's
    mean at this thickness: an image shows differences only, and a breast of even gland looks like fat.

    Parameters
    ----------
    signal : ndarray of float32
        Minus the logarithm of primary exposure, on the working grid or in `region`.
    breast : ndarray of bool, shape (h, w)
        Breast mask.
    calibration : Calibration
        Coefficient of the exposure.
    spacing_mm : tuple of float
        Working spacing at the detector, (between rows, between columns), in mm.
    magnification : float
        Size at the detector over size in the object.
    region : tuple of slice, optional
        Part of the working grid that `signal` is; holds all of the breast. Default: it is the whole.

    Returns
    -------
    TissueScale
        With no level of fat where too little of the breast has its full thickness.
    """
    thickness_mm = calibration.thickness_mm
    usual = float(np.interp(thickness_mm, *GLANDULARITY))
    inner_mm = max(thickness_mm - _SKIN_MM, 1.0)
    full_signal = calibration.k_cm2_per_g * GLAND_IN_FAT * inner_mm
    shape = (max(1, breast.shape[0] // _CELL_PX), max(1, breast.shape[1] // _CELL_PX))
    cell_mm = (
        breast.shape[0] / shape[0] * spacing_mm[0] / magnification,
        breast.shape[1] / shape[1] * spacing_mm[1] / magnification,
    )
    region = whole(breast.shape) if region is None else region
    inside = resample_part(AREA, breast[region], breast.shape, shape, whole(shape), region) > 0.999
    # The breast's edge is round: it has its full thickness from about half of it on.
    skin = ~inside
    skin[:_BORDER_CELLS] = skin[-_BORDER_CELLS:] = False
    skin[:, :_BORDER_CELLS] = skin[:, -_BORDER_CELLS:] = False
    depth = ndimage.distance_transform_edt(~skin, sampling=cell_mm) if skin.any() else np.inf
    full = inside & (depth > thickness_mm / 2.0)
    if full.sum() * cell_mm[0] * cell_mm[1] < _LEAST_MM2:
        return TissueScale(None, full_signal, usual)
    means = resample_part(AREA, signal, breast.shape, shape, whole(shape), region)
    values = means[full].astype(np.float64)
    fat = float(np.percentile(values, _FATTEST_PERCENT))
    found = TissueScale(fat, full_signal, usual)
    lacking = usual - float(found.glandularity(values).mean())
    if lacking <= 0.0:
        return found
    return TissueScale(fat - lacking * full_signal, full_signal, usual)


def vessel_soft_tissue(glandularity: DoubleArray) -> DoubleArray:
    """Return the calcium, g/cm2 a mm of vessel, that its soft tissue reads like.

    `glandularity` is that of the tissue which the vessel displaces, 0 to 1.
    """
    return VESSEL_IN_FAT - glandularity * GLAND_IN_FAT
