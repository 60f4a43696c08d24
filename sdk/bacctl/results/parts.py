"""The small records that the result of an image is made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from bacctl.results._checked import amount, count, interval, items, known, one_of, share, table, text

_ANY = re.compile(r".+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Vessel:
    """One connected calcified stretch of artery.

    Attributes
    ----------
    length_mm : float
        Length of its centre line.
    area_mm2 : float
        Area between its outer walls.
    mean_width_mm : float or None
        Area over length.
    calcium_mass_mg : float or None
        None where the image gives no mass.
    bbox_px : tuple of int
        (first row, first column, row after the last, column after the last) in the stored matrix.
    probability : float or None
        That it is a calcified artery, as ``bac_probability`` says it of the image. None in results of older
        releases.
    """

    length_mm: float
    area_mm2: float
    mean_width_mm: float | None
    calcium_mass_mg: float | None
    bbox_px: tuple[int, int, int, int]
    probability: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "length_mm": self.length_mm,
            "area_mm2": self.area_mm2,
            "mean_width_mm": self.mean_width_mm,
            "calcium_mass_mg": self.calcium_mass_mg,
            "bbox_px": list(self.bbox_px),
            "probability": self.probability,
        }

    @classmethod
    def from_dict(cls, value: Any) -> Vessel:
        """Read what `to_dict` wrote; KeyError or ValueError where it is something else."""
        entry = table(value)
        top, left, bottom, right = (count(edge) for edge in items(entry["bbox_px"]))
        return cls(
            amount(entry["length_mm"]),
            amount(entry["area_mm2"]),
            known(entry["mean_width_mm"], amount),
            known(entry["calcium_mass_mg"], amount),
            (top, left, bottom, right),
            known(entry.get("probability"), share),
        )


@dataclass(frozen=True, slots=True)
class AreaEstimate:
    """What the calcified area alone says of the calcium mass, where nothing can be weighed.

    No measurement: what women of known mass hold for an area, on phantoms. ``docs/mass.md`` tells what it is
    worth.

    Attributes
    ----------
    central_mg : float
        Mass of calcium that is as often too large as too small.
    interval_mg : tuple of float
        (low, high), 95 %.
    basis : {"area"}
        What it rests on.
    fit : str
        Name of the fit, which tells the network and the phantoms that it was made with.
    """

    central_mg: float
    interval_mg: tuple[float, float]
    basis: Literal["area"]
    fit: str

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "central_mg": self.central_mg,
            "interval_mg": list(self.interval_mg),
            "basis": self.basis,
            "fit": self.fit,
        }

    @classmethod
    def from_dict(cls, value: Any) -> AreaEstimate:
        """Read what `to_dict` wrote; KeyError or ValueError where it is something else."""
        entry = table(value)
        central, (low, high) = amount(entry["central_mg"]), interval(entry["interval_mg"])
        if not low <= central <= high:
            raise ValueError("an estimate outside of its interval")
        return cls(central, (low, high), one_of(entry["basis"], ("area",)), text(entry["fit"], _ANY))
