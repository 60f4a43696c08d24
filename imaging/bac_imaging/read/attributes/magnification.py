"""Magnification from the middle of the compressed breast to the detector."""

from __future__ import annotations

from bac_imaging.read.attributes.header import Header
from bac_terms.notices import Notice

MAGNIFICATION_VIEW = 1.3
"""Magnification of the support from which on an exposure is a magnification view (they start at 1.5)."""

_ASSUMED_SID_MM = 660.0
_ASSUMED_GAP_MM = 20.0
_ASSUMED_THICKNESS_MM = 50.0
_SID_RANGE_MM = (400.0, 1000.0)
_LARGEST_GAP_MM = 40.0
_THICKNESS_RANGE_MM = (10.0, 115.0)  # beyond it no breast was compressed, whatever the readout says
_FACTOR_TOLERANCE = 0.02


_NO_GAP = "the header's distances or factor fit no breast on its support; the gap is assumed"


def support_magnification(header: Header) -> float | None:
    """Give the largest magnification of the support that the header states, None where it states none."""
    factor = header.positive("EstimatedRadiographicMagnificationFactor", 0.5, 20.0)
    sid = header.positive("DistanceSourceToDetector", *_SID_RANGE_MM)
    sod = header.positive("DistanceSourceToPatient", 50.0, _SID_RANGE_MM[1])
    entrance = header.positive("DistanceSourceToEntrance", 50.0, _SID_RANGE_MM[1])
    thickness = header.positive("BodyPartThickness", *_THICKNESS_RANGE_MM)
    support = entrance + thickness if entrance and thickness else None
    stated = (factor, *(sid / d if sid and d else None for d in (sod, support)))
    return max((value for value in stated if value is not None), default=None)


def assumed_magnification() -> tuple[float, str, tuple[Notice, ...]]:
    """Return the magnification of a 5 cm breast on a usual unit, what it rests on, and that it is assumed."""
    magnification = _mid_breast(_ASSUMED_SID_MM, _ASSUMED_GAP_MM, _ASSUMED_THICKNESS_MM)
    return magnification, "mid-breast, distances assumed", (Notice.of("BAC-W-MAGNIFICATION-ASSUMED"),)


def read_magnification(header: Header, thickness_mm: float | None) -> tuple[float, str, tuple[Notice, ...]]:
    """Work out SID / (SID - gap - T/2), and hold the header's own factor against it.

    Parameters
    ----------
    header : Header
        Header of the image.
    thickness_mm : float or None
        Compressed thickness T in mm; 50 mm are assumed where it is not told.

    Returns
    -------
    float
        Size at the detector over size at mid-breast.
    str
        What it rests on, see `bac_imaging.read.attributes.geometry.Geometry`.
    tuple of Notice
        Assumptions and contradictions.
    """
    sid = header.positive("DistanceSourceToDetector", *_SID_RANGE_MM)
    if thickness_mm is not None and not _THICKNESS_RANGE_MM[0] <= thickness_mm <= _THICKNESS_RANGE_MM[1]:
        thickness_mm = None
    thickness = _ASSUMED_THICKNESS_MM if thickness_mm is None else thickness_mm
    gap = _support_gap(header, sid, thickness_mm) if sid else None
    magnification = _mid_breast(
        _ASSUMED_SID_MM if sid is None else sid, _ASSUMED_GAP_MM if gap is None else gap, thickness
    )
    notices = []
    if sid is None:
        how = "mid-breast, distances assumed"
    elif thickness_mm is None:
        how = "mid-breast, thickness assumed"
    elif gap is None:
        how = "mid-breast, support gap assumed"
    else:
        how = "mid-breast, distances from the header"
    if sid is None or thickness_mm is None:
        notices.append(Notice.of("BAC-W-MAGNIFICATION-ASSUMED"))
    factor = header.number("EstimatedRadiographicMagnificationFactor")
    stated = support_magnification(header)
    if gap is None and stated is not None and stated > magnification * (1 + _FACTOR_TOLERANCE):
        notices.append(Notice.of("BAC-W-MAGNIFICATION-CONFLICT", _NO_GAP))
    elif factor is not None and not 1 - _FACTOR_TOLERANCE <= factor <= magnification * (
        1 + _FACTOR_TOLERANCE
    ):
        notices.append(Notice.of("BAC-W-MAGNIFICATION-CONFLICT"))
    return magnification, how, tuple(notices)


def _support_gap(header: Header, sid_mm: float, thickness_mm: float | None) -> float | None:
    """Give the distance from support to detector in mm, None where the header leaves it open.

    Vendors measure DistanceSourceToPatient to the support, to the upper face of the breast or to the
    detector itself; DistanceSourceToEntrance, where present, is the upper face and decides.
    """
    entrance = header.positive("DistanceSourceToEntrance", 50.0, sid_mm)
    patient = header.positive("DistanceSourceToPatient", 50.0, sid_mm)
    gaps = []
    if entrance is not None and thickness_mm is not None:
        gaps.append(sid_mm - entrance - thickness_mm)
    if patient is not None:
        gaps.append(sid_mm - patient)
        if thickness_mm is not None and sid_mm - patient > _LARGEST_GAP_MM:
            gaps.append(sid_mm - patient - thickness_mm)
    return next((gap for gap in gaps if 0 < gap <= _LARGEST_GAP_MM), None)


def _mid_breast(sid_mm: float, gap_mm: float, thickness_mm: float) -> float:
    return sid_mm / (sid_mm - gap_mm - thickness_mm / 2)
