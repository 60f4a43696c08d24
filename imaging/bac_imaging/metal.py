"""Tell metal from calcium by its weight: wires along scars, clips and the leads of pacemakers.

They are thin, long and bright, as a calcified artery is, but no artery holds more calcium than solid
hydroxyapatite from wall to wall. Calcified arteries stay far below: bone, which holds a third of that, is
as dense as plaques get, and the lumen is blood. Where only the walls were outlined, though, a wall seen
edge-on is as deep as the artery and not as it is wide: a find has to be denser than such a wall too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bac_imaging.mass import VesselMass, most_calcium
from bac_imaging.vessels import Segmentation

# mg/mm2 over the outline: a wall of 0.4 mm at half the density of solid salt, round a lumen of 3 mm and seen
# edge-on, has 1.24.
_DENSEST_MG_PER_MM2 = 1.3
# Where the slope of a logarithmic scale is assumed, at four decades, it may be two: half of the mass, and a
# little more for the hardening.
_ASSUMED_SCALE = 2.2


def find_metal(
    found: Segmentation,
    masses: Sequence[VesselMass],
    spacing_mm: tuple[float, float],
    magnification: float,
    *,
    scale_known: bool,
) -> tuple[int, ...]:
    """Find the vessels that are too heavy to be calcium.

    Parameters
    ----------
    found : Segmentation
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
    counts = np.bincount(found.zones[found.mask], minlength=len(found.lengths_mm) + 1)[1:]
    slack = 1.0 if scale_known else _ASSUMED_SCALE
    metal = []
    for number, (count, length, mass) in enumerate(
        zip(counts, found.lengths_mm, masses, strict=True), start=1
    ):
        area = float(count) * pixel_area
        most = max(most_calcium(area, length / magnification), _DENSEST_MG_PER_MM2 * area)
        if mass.mass_mg > slack * most:
            metal.append(number)
    return tuple(metal)
