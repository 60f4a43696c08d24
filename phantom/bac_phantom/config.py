"""What kind of women and detectors to draw from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LookChoice = Literal["raw", "presentation", "film", "mixed"]


@dataclass(frozen=True)
class Detector:
    """A detector and the techniques it is used with."""

    material: Literal["a-Se", "CsI"]
    pitch_mm: float
    rows: int
    columns: int
    anode_filters: tuple[tuple[str, str], ...]


# Matrix sizes and pitches as full-field digital systems have them; techniques as they are usually paired.
DETECTORS = {
    "csi-100": Detector("CsI", 0.1, 2294, 1914, (("Mo", "Mo"), ("Mo", "Rh"), ("Rh", "Rh"), ("Rh", "Ag"))),
    "csi-94": Detector("CsI", 0.0941, 3062, 2394, (("Mo", "Rh"), ("Rh", "Rh"))),
    "ase-85": Detector("a-Se", 0.085, 3518, 2800, (("W", "Rh"),)),
    "ase-70": Detector("a-Se", 0.07, 3328, 2560, (("W", "Rh"), ("W", "Ag"))),
    "ase-100": Detector("a-Se", 0.1, 2394, 1800, (("W", "Rh"), ("W", "Ag"), ("W", "Al"))),
}


@dataclass(frozen=True)
class PhantomConfig:
    """What kind of women to make. All choices are drawn from the seed.

    Attributes
    ----------
    look
        How the images are stored: ``raw`` (FOR PROCESSING), ``presentation``, ``film`` (TIFF) or ``mixed``.
    positive_share
        Share of women with arterial calcification.
    mass_range_mg
        Range of a positive woman's calcium mass; drawn log-uniformly.
    thickness_range_mm
        Range of the compressed thickness.
    other_calcifications
        How many other calcifications, metal and markers: 0 none, 1 as usual.
    detectors
        Names of ``DETECTORS`` to draw from.
    """

    look: LookChoice = "raw"
    positive_share: float = 0.67
    mass_range_mg: tuple[float, float] = (1.0, 120.0)
    thickness_range_mm: tuple[float, float] = (30.0, 75.0)
    other_calcifications: float = 1.0
    detectors: tuple[str, ...] = 3 * ("csi-100",) + 2 * ("ase-100",) + ("csi-94", "ase-85", "ase-70")
