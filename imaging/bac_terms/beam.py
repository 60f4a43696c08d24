"""The X-ray beam and the compression of one exposure."""

from __future__ import annotations

from dataclasses import dataclass

from bac_terms.fields import Amount, Words
from bac_terms.record import Record

PHOTON_COUNTING = "PHOTON_COUNTING"
"""Detector that weighs every photon alike, whatever its energy, or scans a slot.

DICOM has no term for the first: names tell it.
"""


@dataclass(frozen=True, slots=True)
class Beam(Record):
    """The X-ray beam as the header tells it; None for what it does not tell.

    Attributes
    ----------
    anode : str or None
        Target material by its DICOM term, such as ``"TUNGSTEN"``.
    filter_material : str or None
        Filter material by its DICOM term, such as ``"RHODIUM"``; several are joined by ``+``.
    filter_thickness_mm : float or None
        Mean of the smallest and the largest filter thickness, in mm.
    kvp : float or None
        Peak tube voltage, in kV.
    thickness_mm : float or None
        Compressed breast thickness, in mm.
    grid : bool or None
        Whether an anti-scatter grid was in the beam; None also where the header uses a word of its own.
    detector : str or None
        ``"DIRECT"``, ``"SCINTILLATOR"``, ``"STORAGE"``, ``"FILM"`` or ``"PHOTON_COUNTING"``.
    """

    anode: Words | None = None
    filter_material: Words | None = None
    filter_thickness_mm: Amount | None = None
    kvp: Amount | None = None
    thickness_mm: Amount | None = None
    grid: bool | None = None
    detector: Words | None = None
