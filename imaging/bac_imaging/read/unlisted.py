"""Header values that a calcium mass rests on and that the standard does not list.

What is none of the listed terms tells nothing: it is never taken for the usual case in silence. Attributes
whose unknown value leaves no mass at all (anode, filter, tube voltage, thickness) or an assumed exposure
scale (`bac_imaging.read.pixels.intensity`) are not here. ``docs/limits.md`` has them all.
"""

from __future__ import annotations

import math
import re

from bac_imaging.read.attributes.beam import GRIDS, NO_GRID
from bac_imaging.read.attributes.header import Header
from bac_terms.notices import Notice

_LISTED: dict[str, frozenset[str]] = {
    "Grid": GRIDS | {NO_GRID},  # PS3.3 C.8.7.11
    "DetectorType": frozenset({"DIRECT", "SCINTILLATOR", "STORAGE", "FILM"}),  # C.8.11.4
    "DetectorConfiguration": frozenset({"AREA", "SLOT"}),  # C.8.11.4
    "PixelSpacingCalibrationType": frozenset({"GEOMETRY", "FIDUCIAL"}),  # 10.7.1
    "OrganExposed": frozenset({"BREAST"}),  # C.8.11.7
    "QualityControlImage": frozenset({"YES", "NO", "BOTH"}),  # C.7.6.1
}
# What leaves exposures as they are may stand in DerivationDescription. Loss has a warning of its own.
_HARMLESS = re.compile(r"COMPRESS|LOSS(?:LESS|Y)|DE-?IDENTIF|ANONYM|PSEUDONYM")
_COMPRESSION_CODES = frozenset({"113040", "121327"})  # lossy compression, full fidelity image
_BREAST = re.compile(r"BREAST|MAMM|AXILLA")
_STORAGE = "a storage phosphor is not in the table of beams; the mean of other detectors is taken"


def unlisted_values(header: Header) -> tuple[Notice, ...]:
    """Name the attributes whose value leaves a mass in doubt.

    Parameters
    ----------
    header : Header
        Header of a digital mammogram FOR PROCESSING.

    Returns
    -------
    tuple of Notice
        ``BAC-W-HEADER-UNLISTED``; empty where all is listed or not told. The values are not repeated.
    """
    names = [
        keyword for keyword, listed in _LISTED.items() if {t for t in header.texts(keyword) if t} - listed
    ]
    grid = {term for term in header.texts("Grid") if term}
    if NO_GRID in grid and grid & GRIDS:
        names.append("Grid")
    if header.text("FilterType") == "NONE" and {t for t in header.texts("FilterMaterial") if t} - {"NONE"}:
        names.append("FilterType")
    names += _moved_zero(header)
    names += _derived(header)
    body_part = header.text("BodyPartExamined")
    if body_part and not _BREAST.search(body_part):
        names.append("BodyPartExamined")
    notices = []
    if names:
        hold = (
            "holds a value that the standard does not list or that another contradicts"
            if len(names) == 1
            else ("hold values that the standard does not list or that others contradict")
        )
        notices.append(Notice.of("BAC-W-HEADER-UNLISTED", f"{' and '.join(names)} {hold}"))
    if header.text("DetectorType") == "STORAGE":
        notices.append(Notice.of("BAC-W-BEAM-ASSUMED", _STORAGE))
    return tuple(notices)


def _moved_zero(header: Header) -> list[str]:
    """Name what says that a stored 0 is not the value 0.

    Converters take a constant away from the pixels and note it there. Exposures are then no longer in
    proportion to what is stored, and by PS3.3 C.8.11.3 there is no such constant.
    """
    names = []
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    # A falling line turns values round and needs one.
    if _is_moved(intercept) and not (slope is not None and slope < 0):
        names.append("RescaleIntercept")
    mappings = header.items("RealWorldValueMappingSequence")
    if any(_is_moved(item.number("RealWorldValueIntercept")) for item in mappings):
        names.append("RealWorldValueIntercept")
    return names


def _is_moved(intercept: float | None) -> bool:
    return intercept is not None and math.isfinite(intercept) and intercept != 0


def _derived(header: Header) -> list[str]:
    """Name what says that pixels were made of others (PS3.3 C.7.6.1.1.3), but for their compression."""
    names = []
    described = header.text("DerivationDescription")
    if described and not _HARMLESS.search(described):
        names.append("DerivationDescription")
    codes = [item.code() for item in header.items("DerivationCodeSequence")]
    if any(code is not None and code.value not in _COMPRESSION_CODES for code in codes):
        names.append("DerivationCodeSequence")
    return names
