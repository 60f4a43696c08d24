"""Tell metal from calcium by its weight: wires along scars, clips and the leads of pacemakers.

They are thin, long and bright, as a calcified artery is, but no artery holds more calcium than solid
hydroxyapatite from wall to wall. Calcified arteries stay far below: bone, which holds a third of that, is
as dense as plaques get, and the lumen is blood. Where only the walls were outlined, though, a wall seen
edge-on is as deep as the artery and not as it is wide: a finding has to be denser than such a wall too.

Metal that touches an artery, such as a clip on it, is one finding with it and together they may weigh less
than either bound. The two are not separated, but a place that is denser than any wall gives the metal away.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.working_grid import window_of
from bac_imaging.mass.weigh import VesselMass, most_calcium
from bac_imaging.vessels.find import Segmentation

# mg/mm2 of a wall of 0.4 mm round a lumen of 3 mm, half as dense as solid salt: 1.00 over the whole wall seen
# edge-on, 1.28 over its inner half, 1.47 along the ray that grazes the lumen. An outline has to exceed the
# second, a place within one the third. For walls as dense as bone, two thirds of that, the margin is half as
# much again; a wall thicker and denser than this would be taken for metal, and wires hold little more: those
# of the phantom from 1.3 on.
_DENSEST_MG_PER_MM2 = 1.3
_DENSEST_PLACE_MG_PER_MM2 = 1.5
_PLACE_MM = 0.5  # wires and clips are this wide; noise and single grains are not
# Where the slope of a logarithmic scale is assumed, at four decades, it may be two: half of the mass, and a
# little more for the hardening.
_ASSUMED_SCALE = 2.2


def find_metal(
    segmentation: Segmentation,
    masses: Sequence[VesselMass],
    spacing_mm: tuple[float, float],
    magnification: float,
    *,
    scale_known: bool,
) -> tuple[int, ...]:
    """Find the vessels that are too heavy to be calcium.

    Parameters
    ----------
    segmentation : Segmentation
        Vessels.
    masses : sequence of VesselMass
        What each would hold if it were calcium.
    spacing_mm : tuple of float
        Working spacing at the detector, (between rows, between columns), in mm.
    magnification : float
        Size at the detector over size in the object.
    scale_known : bool
        False where the relation of pixel values to exposure is assumed.

    Returns
    -------
    tuple of int
        Their numbers, from 1.
    """
    pixel_area = spacing_mm[0] * spacing_mm[1] / magnification**2
    # Of the cores: a halo of doubt around a wire must not make room for calcium.
    counts = [
        np.count_nonzero(segmentation.core[box] & (segmentation.zones[box] == number))
        for number, box in enumerate(segmentation.boxes, start=1)
    ]
    slack = 1.0 if scale_known else _ASSUMED_SCALE
    metal = []
    for number, (count, length, mass) in enumerate(
        zip(counts, segmentation.lengths_mm, masses, strict=True), start=1
    ):
        area = float(count) * pixel_area
        most = max(most_calcium(area, length / magnification), _DENSEST_MG_PER_MM2 * area)
        if mass.mass_mg > slack * most:
            metal.append(number)
    return tuple(metal)


def find_touched(
    segmentation: Segmentation,
    density: npt.NDArray[np.float32],
    spacing_mm: tuple[float, float],
    *,
    scale_known: bool,
) -> tuple[int, ...]:
    """Find the vessels that are somewhere denser than calcium in an artery's wall can be.

    Parameters
    ----------
    segmentation : Segmentation
        Vessels.
    density : ndarray of float32, shape (h, w)
        Calcium in mg/mm2 on the working grid, were it calcium.
    spacing_mm : tuple of float
        Working spacing at the detector, (between rows, between columns), in mm.
    scale_known : bool
        False where the relation of pixel values to exposure is assumed.

    Returns
    -------
    tuple of int
        Their numbers, from 1.
    """
    most = (1.0 if scale_known else _ASSUMED_SCALE) * _DENSEST_PLACE_MG_PER_MM2
    size = [max(1, round(_PLACE_MM / spacing)) for spacing in spacing_mm]
    numbers = []
    for number, box in enumerate(segmentation.boxes, start=1):
        own = np.where(segmentation.zones[box] == number, density[box], np.float32(0))
        if own.max() <= most:
            continue
        # Behind dense plaques little is left of the beam, and noise makes single pixels of it far too dense:
        # half of the place has to be. The mean only says where to look, as medians take long.
        near = window_of(ndimage.uniform_filter(own, size, mode="constant") > most, max(size))
        if near is not None and ndimage.median_filter(own[near], size, mode="constant").max() > most:
            numbers.append(number)
    return tuple(numbers)
