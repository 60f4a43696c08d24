"""Pixel spacing at the detector, and magnification from the breast to the detector.

The spacing rule, in this order; the first that applies is used and named in `Geometry.spacing_source`:

1. ``ImagerPixelSpacing``: by the standard the spacing at the front plane of the detector.
2. ``PixelSpacing`` with a ``PixelSpacingCalibrationType``: it holds in the object's plane, so it is multiplied
   by ``EstimatedRadiographicMagnificationFactor`` (what GEOMETRY divides by) or, where that is absent, by the
   magnification below, so that lengths in the breast stay what the calibration says.
3. ``NominalScannedPixelSpacing``: the film's plane, for digitised films.
4. ``PixelSpacing`` without a calibration type: taken at the detector, with a warning.
5. ``given``: the spacing that the caller gives. It never replaces one that the header has: if the two differ by
   more than 1 % the image is refused, otherwise the header's is used.

Without any of them the image is refused; nothing is guessed. Every spacing that is present has to make sense
and to agree with the others, also where it is not the one used.

The magnification is that of the middle of the compressed breast, SID / (SID - gap - T/2), with the gap between
detector and breast support. ``EstimatedRadiographicMagnificationFactor`` is a check only: vendors fill it at the
support, or with 1. Where ``ImagerPixelSpacing`` demonstrably holds in a plane above the detector (the field of
view and ``DetectorElementSpacing`` agree on a larger pixel), the magnification is counted from that plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bac_imaging.errors import Notice, RefusedError
from bac_imaging.header import Header

AGREEMENT = 0.01
"""Relative difference up to which two statements of the same spacing agree."""
SPACING_RANGE_MM = (0.02, 0.5)
"""Plausible spacings at the detector: finer than any film scanner's, coarser than any CR plate's."""
EXTENT_RANGE_MM = (10.0, 450.0)
"""Plausible sides of an image; the largest film (35 cm x 43 cm) is below the upper end."""
MAGNIFICATION_VIEW = 1.3
"""Magnification of the support from which on an exposure is a magnification view (they start at 1.5)."""

_ASSUMED_SID_MM = 660.0
_ASSUMED_GAP_MM = 20.0
_ASSUMED_THICKNESS_MM = 50.0
_SID_RANGE_MM = (400.0, 1000.0)
_LARGEST_GAP_MM = 40.0
_FACTOR_TOLERANCE = 0.02

Spacing = tuple[float, float]


@dataclass(frozen=True)
class Geometry:
    """Scale of an image.

    Attributes
    ----------
    pixel_spacing_mm : (float, float)
        Distance between rows and between columns at the detector, in mm.
    spacing_source : str
        ``ImagerPixelSpacing``, ``PixelSpacing``, ``PixelSpacing x EstimatedRadiographicMagnificationFactor``,
        ``PixelSpacing x magnification``, ``NominalScannedPixelSpacing`` or ``given``.
    magnification : float
        Size in the plane of `pixel_spacing_mm` over size at mid-breast. Lengths in the breast are lengths in
        that plane divided by it.
    magnification_source : str
        ``mid-breast, distances from the header``, ``mid-breast, support gap assumed``,
        ``mid-breast, thickness assumed`` or ``mid-breast, distances assumed``; followed by
        ``, spacing already reduced`` where the spacing holds above the detector.
    """

    pixel_spacing_mm: Spacing
    spacing_source: str
    magnification: float
    magnification_source: str


def read_geometry(
    header: Header,
    rows: int,
    columns: int,
    given: Spacing | None,
    thickness_mm: float | None,
) -> tuple[Geometry, tuple[Notice, ...]]:
    """Find the scale of a DICOM image.

    Parameters
    ----------
    header : Header
        Header of the image.
    rows, columns : int
        Size of the stored matrix.
    given : (float, float) or None
        Spacing that the caller gives, (between rows, between columns), in mm.
    thickness_mm : float or None
        Compressed thickness in mm.

    Returns
    -------
    Geometry
        Spacing and magnification with their sources.
    tuple of Notice
        Assumptions that were made.

    Raises
    ------
    RefusedError
        ``BAC-SPACING-MISSING``, ``BAC-SPACING-INVALID`` or ``BAC-SPACING-CONFLICT``.
    """
    magnification, how, notices = _magnification(header, thickness_mm)
    spacing, source = _header_spacing(header, magnification)
    if spacing is None:
        geometry, assumed = given_geometry(given, rows, columns)
        spacing, source = geometry.pixel_spacing_mm, geometry.spacing_source
        notices.append(Notice.of("BAC-W-SPACING-OVERRIDDEN"))
        del assumed
    elif given is not None and not _agree(spacing, given):
        raise RefusedError(
            "BAC-SPACING-CONFLICT", f"the spacing given contradicts the header's ({source} {_mm(spacing)})"
        )
    _check_extent(spacing, rows, columns)
    if source == "PixelSpacing":
        notices.append(Notice.of("BAC-W-SPACING-DETECTOR-ASSUMED"))
    reduced = _reduced_by(header, spacing, rows, columns) if source == "ImagerPixelSpacing" else 1.0
    if reduced > 1.0:
        magnification, how = magnification / reduced, f"{how}, spacing already reduced"
    return Geometry(spacing, source, magnification, how), tuple(notices)


def given_geometry(given: Spacing | None, rows: int, columns: int) -> tuple[Geometry, tuple[Notice, ...]]:
    """Take the scale of an image without header from the caller.

    Parameters
    ----------
    given : (float, float) or None
        Spacing at the film or detector, (between rows, between columns), in mm.
    rows, columns : int
        Size of the stored matrix.

    Returns
    -------
    Geometry
        The given spacing with the magnification of a usual mammography unit.
    tuple of Notice
        That the magnification is assumed.

    Raises
    ------
    RefusedError
        ``BAC-SPACING-MISSING`` or ``BAC-SPACING-INVALID``.
    """
    if given is None:
        raise RefusedError("BAC-SPACING-MISSING")
    _check_range(given, "the spacing given")
    _check_extent(given, rows, columns)
    magnification = _mid_breast(_ASSUMED_SID_MM, _ASSUMED_GAP_MM, _ASSUMED_THICKNESS_MM)
    return (
        Geometry(given, "given", magnification, "mid-breast, distances assumed"),
        (Notice.of("BAC-W-MAGNIFICATION-ASSUMED"),),
    )


def support_magnification(header: Header) -> float | None:
    """Give the largest magnification of the support that the header states, None where it states none."""
    factor = header.positive("EstimatedRadiographicMagnificationFactor", 0.5, 20.0)
    sid = header.positive("DistanceSourceToDetector", *_SID_RANGE_MM)
    sod = header.positive("DistanceSourceToPatient", 50.0, _SID_RANGE_MM[1])
    return max((f for f in (factor, sid / sod if sid and sod else None) if f is not None), default=None)


def _mid_breast(sid_mm: float, gap_mm: float, thickness_mm: float) -> float:
    return sid_mm / (sid_mm - gap_mm - thickness_mm / 2)


def _magnification(header: Header, thickness_mm: float | None) -> tuple[float, str, list[Notice]]:
    sid = header.positive("DistanceSourceToDetector", *_SID_RANGE_MM)
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
    if factor is not None and not 1 - _FACTOR_TOLERANCE <= factor <= magnification * (1 + _FACTOR_TOLERANCE):
        notices.append(Notice.of("BAC-W-MAGNIFICATION-CONFLICT"))
    return magnification, how, notices


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


def _header_spacing(header: Header, magnification: float) -> tuple[Spacing | None, str]:
    imager = _spacing(header, "ImagerPixelSpacing")
    pixel = _spacing(header, "PixelSpacing")
    scanned = _spacing(header, "NominalScannedPixelSpacing")
    calibrated = header.text("PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL")
    factor = header.positive("EstimatedRadiographicMagnificationFactor", 1.0, MAGNIFICATION_VIEW)
    if (
        imager
        and pixel
        and not _agree(imager, pixel)
        and not _reduced_spacing(imager, pixel, calibrated, factor)
    ):
        raise RefusedError(
            "BAC-SPACING-CONFLICT", f"ImagerPixelSpacing is {_mm(imager)} but PixelSpacing is {_mm(pixel)}"
        )
    if imager:
        return imager, "ImagerPixelSpacing"
    if pixel and calibrated:
        scale, by = (
            (factor, "EstimatedRadiographicMagnificationFactor")
            if factor
            else (magnification, "magnification")
        )
        return (pixel[0] * scale, pixel[1] * scale), f"PixelSpacing x {by}"
    if scanned and pixel and not _agree(scanned, pixel):
        raise RefusedError(
            "BAC-SPACING-CONFLICT",
            f"NominalScannedPixelSpacing is {_mm(scanned)} but PixelSpacing is {_mm(pixel)}",
        )
    if scanned:
        return scanned, "NominalScannedPixelSpacing"
    return pixel, "PixelSpacing"


def _reduced_spacing(imager: Spacing, pixel: Spacing, calibrated: bool, factor: float | None) -> bool:
    """Tell whether PixelSpacing is ImagerPixelSpacing brought to a plane in the breast."""
    by = (imager[0] / pixel[0], imager[1] / pixel[1])
    if abs(by[0] / by[1] - 1) > AGREEMENT:
        return False
    if factor is not None and abs(by[0] / factor - 1) <= AGREEMENT:
        return True
    return calibrated and 1 - AGREEMENT <= by[0] <= MAGNIFICATION_VIEW


def _reduced_by(header: Header, spacing: Spacing, rows: int, columns: int) -> float:
    """Give the factor by which ImagerPixelSpacing is smaller than the detector's pixels, 1 where it is not.

    GE's Senographe line writes the spacing of a plane some 4 cm above its 0.1 mm detector. Two
    witnesses are wanted against the attribute's definition: detector elements and field of view.
    """
    element = header.numbers("DetectorElementSpacing")
    view = header.numbers("FieldOfViewDimensions")
    if len(element) != 2 or len(view) != 2:
        return 1.0
    by = (element[0] / spacing[0], element[1] / spacing[1])
    sides = (rows * element[0], columns * element[1])
    same_view = any(
        all(abs(a - b) <= max(1.0, AGREEMENT * b) for a, b in zip(v, sides, strict=True))
        for v in (view, view[::-1])
    )
    reduced = same_view and 1 + AGREEMENT < by[0] < 1.15 and abs(by[0] / by[1] - 1) <= AGREEMENT
    return by[0] if reduced else 1.0


def _spacing(header: Header, keyword: str) -> Spacing | None:
    values = header.numbers(keyword)
    if not values:
        return None
    if len(values) != 2:
        raise RefusedError("BAC-SPACING-INVALID", f"{keyword} does not hold two numbers")
    _check_range((values[0], values[1]), keyword)
    return values[0], values[1]


def _check_range(spacing: Spacing, name: str) -> None:
    if not all(math.isfinite(value) and value > 0 for value in spacing):
        raise RefusedError("BAC-SPACING-INVALID", f"{name} is not positive")
    low, high = SPACING_RANGE_MM
    if not all(low <= value <= high for value in spacing):
        raise RefusedError("BAC-SPACING-INVALID", f"{name} is {_mm(spacing)}, outside {low} to {high} mm")


def _check_extent(spacing: Spacing, rows: int, columns: int) -> None:
    sides = (rows * spacing[0], columns * spacing[1])
    if not all(EXTENT_RANGE_MM[0] <= side <= EXTENT_RANGE_MM[1] for side in sides):
        raise RefusedError(
            "BAC-SPACING-INVALID",
            f"with a spacing of {_mm(spacing)} the image would measure {sides[0]:.0f} x {sides[1]:.0f} mm",
        )


def _agree(first: Spacing, second: Spacing) -> bool:
    return all(abs(a / b - 1) <= AGREEMENT for a, b in zip(first, second, strict=True))


def _mm(spacing: Spacing) -> str:
    row, column = spacing
    return f"{row:.4g} mm" if row == column else f"{row:.4g} x {column:.4g} mm"
