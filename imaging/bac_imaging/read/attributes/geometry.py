"""Pixel spacing at the detector, and magnification from the breast to the detector.

The spacing rule, in this order; the first that applies is used and named in `Geometry.spacing_source`:

1. ``ImagerPixelSpacing``: by the standard the spacing at the front plane of the detector.
2. ``PixelSpacing`` with a ``PixelSpacingCalibrationType``: it holds in the object's plane, so it is
   multiplied by ``EstimatedRadiographicMagnificationFactor`` (what GEOMETRY divides by) or, for FIDUCIAL
   or where that is absent, by the magnification below, so that lengths in the breast stay what the
   calibration says.
3. ``NominalScannedPixelSpacing``: the film's plane, for digitised films.
4. ``PixelSpacing`` without a calibration type: taken at the detector, with a warning.
5. ``given``: the spacing that the caller gives. It never replaces one that the header has: if the two
   differ by more than 1 % the image is refused, otherwise the header's is used.

Without any of them the image is refused; nothing is guessed. Every spacing that is present has to make
sense and to agree with the others, also where it is not the one used.

The magnification is that of the middle of the compressed breast, SID / (SID - gap - T/2), with the gap
between detector and breast support. ``EstimatedRadiographicMagnificationFactor`` is a check only: vendors
fill it at the support, or with 1. Where ``ImagerPixelSpacing`` demonstrably holds in a plane above the
detector (the field of view and ``DetectorElementSpacing`` agree on a larger pixel), the magnification is
counted from that plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.magnification import assumed_magnification, read_magnification
from bac_imaging.read.attributes.spacing import (
    AGREEMENT,
    Spacing,
    agree,
    check_extent,
    check_range,
    check_size,
    header_spacing,
    in_mm,
    reduction,
)
from bac_terms.errors import RefusedError
from bac_terms.notices import Notice


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
    magnification, how, notes = read_magnification(header, thickness_mm)
    notices = list(notes)
    spacing, source = header_spacing(header, magnification)
    if spacing is None:
        spacing, source = _given(given), "given"
        notices.append(Notice.of("BAC-W-SPACING-OVERRIDDEN"))
    elif given is not None and not agree(spacing, given):
        raise RefusedError(
            "BAC-SPACING-CONFLICT", f"the spacing given contradicts the header's ({source} {in_mm(spacing)})"
        )
    _check_aspect(header, spacing)
    check_extent(spacing, rows, columns)
    check_size(header, spacing, rows, columns)
    if source == "PixelSpacing":
        notices.append(Notice.of("BAC-W-SPACING-DETECTOR-ASSUMED"))
    reduced = reduction(header, spacing, rows, columns) if source == "ImagerPixelSpacing" else 1.0
    if reduced > 1.0:
        magnification, how = magnification / reduced, f"{how}, spacing already reduced"
    return Geometry(spacing, source, magnification, how), tuple(notices)


def given_geometry(given: Spacing | None, rows: int, columns: int) -> tuple[Geometry, tuple[Notice, ...]]:
    """Take the scale of an image without header from the caller, with the magnification of a usual unit.

    Raises
    ------
    RefusedError
        ``BAC-SPACING-MISSING`` or ``BAC-SPACING-INVALID``.
    """
    spacing = _given(given)
    check_extent(spacing, rows, columns)
    magnification, how, notices = assumed_magnification()
    return Geometry(spacing, "given", magnification, how), notices


def _check_aspect(header: Header, spacing: Spacing) -> None:
    aspect = header.numbers("PixelAspectRatio")
    if len(aspect) != 2 or not all(math.isfinite(side) and side > 0 for side in aspect):
        return
    if abs(aspect[0] / aspect[1] / (spacing[0] / spacing[1]) - 1) > AGREEMENT:
        raise RefusedError(
            "BAC-SPACING-CONFLICT",
            f"the spacing is {in_mm(spacing)} but PixelAspectRatio is {aspect[0]:g} to {aspect[1]:g}",
        )


def _given(given: Spacing | None) -> Spacing:
    if given is None:
        raise RefusedError("BAC-SPACING-MISSING")
    check_range(given, "the spacing given")
    return given
