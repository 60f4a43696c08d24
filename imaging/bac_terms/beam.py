"""The X-ray beam and the compression of one exposure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

PHOTON_COUNTING = "PHOTON_COUNTING"
"""Detector that weighs every photon alike, whatever its energy, or scans a slot.

DICOM has no term for the first: names tell it.
"""


@dataclass(frozen=True, slots=True)
class Beam:
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

    anode: str | None = None
    filter_material: str | None = None
    filter_thickness_mm: float | None = None
    kvp: float | None = None
    thickness_mm: float | None = None
    grid: bool | None = None
    detector: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Any) -> Beam:
        """Read what `to_dict` wrote; ValueError where it is something else. What is left out is None."""
        if not isinstance(value, Mapping):
            raise ValueError("a beam is an object")
        return cls(
            _word(value.get("anode")),
            _word(value.get("filter_material")),
            _amount(value.get("filter_thickness_mm")),
            _amount(value.get("kvp")),
            _amount(value.get("thickness_mm")),
            _flag(value.get("grid")),
            _word(value.get("detector")),
        )


def _word(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise ValueError("a term of a beam is a text")


def _amount(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value < math.inf:
        raise ValueError("an amount of a beam is a number from 0 on")
    return float(value)


def _flag(value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise ValueError("a grid is there or is not")
