"""The X-ray beam and the compression, as the header tells them."""

from __future__ import annotations

import math
import re

from bac_imaging.read.attributes.header import Header
from bac_terms.beam import PHOTON_COUNTING, Beam

_MATERIALS = {
    "AG": "SILVER",
    "AL": "ALUMINUM",
    "ALUMINIUM": "ALUMINUM",
    "CU": "COPPER",
    "MO": "MOLYBDENUM",
    "RH": "RHODIUM",
    "TI": "TITANIUM",
    "W": "TUNGSTEN",
}

GRIDS = frozenset({"FIXED", "FOCUSED", "RECIPROCATING", "PARALLEL", "CROSSED"})
"""What Grid says of one in place (PS3.3 C.8.7.11). A maker's own word tells nothing."""
NO_GRID = "NONE"
_DETECTORS = frozenset({"DIRECT", "SCINTILLATOR", "STORAGE", "FILM"})  # PS3.3 C.8.11.4

_COUNTERS = re.compile(r"MICRO ?DOSE|\bSECTRA\b|\bPHILIPS\b.*\bL[35]0\b")
_KVP_RANGE = (15.0, 60.0)
_THICKNESS_RANGE_MM = (3.0, 200.0)
_FILTER_RANGE_MM = (0.005, 3.0)
_LARGEST_SPREAD = 1.5  # from a filter's thinnest place to its thickest; beyond it one of them is wrong


def read_beam(header: Header) -> Beam:
    """Read the beam of a digital mammogram.

    Values that no mammography unit has (such as 0 kV) count as not told.

    Parameters
    ----------
    header : Header
        Header of the image.

    Returns
    -------
    Beam
        What the header tells, in mm and kV.
    """
    return Beam(
        anode=_materials(header.texts("AnodeTargetMaterial")),
        filter_material=_materials(header.texts("FilterMaterial")),
        filter_thickness_mm=_filter_thickness(header),
        kvp=header.positive("KVP", *_KVP_RANGE),
        thickness_mm=header.positive("BodyPartThickness", *_THICKNESS_RANGE_MM),
        grid=_grid(header),
        detector=_detector(header),
    )


def _detector(header: Header) -> str | None:
    names = f"{header.text('Manufacturer')} {header.text('ManufacturerModelName')}"
    # Scanned slots let as little scatter through, and most of them count.
    if _COUNTERS.search(names) or header.text("DetectorConfiguration") == "SLOT":
        return PHOTON_COUNTING
    named = header.text("DetectorType")
    return named if named in _DETECTORS else None


def _grid(header: Header) -> bool | None:
    terms = {term for term in header.texts("Grid") if term}
    if terms == {NO_GRID}:
        return False
    return True if terms and terms <= GRIDS else None


def _materials(names: tuple[str, ...]) -> str | None:
    return "+".join(_MATERIALS.get(name, name) for name in names if name and name != "NONE") or None


def _filter_thickness(header: Header) -> float | None:
    ends = [header.number(f"FilterThickness{end}") for end in ("Minimum", "Maximum")]
    stated_mm = [_in_mm(value) for value in ends if value is not None and math.isfinite(value) and value > 0]
    if not stated_mm or max(stated_mm) > _LARGEST_SPREAD * min(stated_mm):
        return None
    mean = sum(stated_mm) / len(stated_mm)
    return mean if _FILTER_RANGE_MM[0] <= mean <= _FILTER_RANGE_MM[1] else None


def _in_mm(thickness: float) -> float:
    # No mammographic filter is thicker than 3 mm: larger numbers are micrometres.
    return thickness / 1000 if thickness > _FILTER_RANGE_MM[1] else thickness
