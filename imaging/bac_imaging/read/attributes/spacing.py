"""What a header says of the distance between pixels, and whether that can be true."""

from __future__ import annotations

import math

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.magnification import MAGNIFICATION_VIEW
from bac_terms.errors import RefusedError

AGREEMENT = 0.01
"""Relative difference up to which two statements of the same spacing agree."""
SPACING_RANGE_MM = (0.02, 0.5)
"""Plausible spacings at the detector: finer than any film scanner's, coarser than any CR plate's."""
_RESIZED = (1.2, 8.0)  # GE's spacing of a plane above the detector is within 1.15; a field in cm is a tenth
_LARGEST_ASPECT = 1.5  # no detector's or scanner's pixels are farther from square
EXTENT_RANGE_MM = (10.0, 450.0)
"""Plausible sides of an image; the largest film (35 cm x 43 cm) is below the upper end."""

Spacing = tuple[float, float]
"""Distance between rows and between columns, in mm."""


def header_spacing(header: Header, magnification: float) -> tuple[Spacing | None, str]:
    """Find the spacing at the detector by the rule of `bac_imaging.read.attributes.geometry`.

    Parameters
    ----------
    header : Header
        Header of the image.
    magnification : float
        Size at the detector over size at mid-breast.

    Returns
    -------
    (float, float) or None
        Spacing between rows and between columns in mm, None where the header has none.
    str
        Where it comes from.

    Raises
    ------
    RefusedError
        ``BAC-SPACING-INVALID`` or ``BAC-SPACING-CONFLICT``.
    """
    imager = _spacing(header, "ImagerPixelSpacing")
    pixel = _spacing(header, "PixelSpacing")
    scanned = _spacing(header, "NominalScannedPixelSpacing")
    calibrated = header.text("PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL")
    factor = header.positive("EstimatedRadiographicMagnificationFactor", 1.0, MAGNIFICATION_VIEW)
    if (
        imager
        and pixel
        and not agree(imager, pixel)
        and not _reduced_spacing(imager, pixel, calibrated, factor)
    ):
        raise RefusedError(
            "BAC-SPACING-CONFLICT",
            f"ImagerPixelSpacing is {in_mm(imager)} but PixelSpacing is {in_mm(pixel)}",
        )
    if imager and scanned and not agree(imager, scanned):
        raise RefusedError(
            "BAC-SPACING-CONFLICT",
            f"ImagerPixelSpacing is {in_mm(imager)} but NominalScannedPixelSpacing is {in_mm(scanned)}",
        )
    if imager:
        return imager, "ImagerPixelSpacing"
    if pixel and calibrated:
        # A fiducial's size is true in its own plane, whatever the factor says.
        scale, by = (
            (factor, "EstimatedRadiographicMagnificationFactor")
            if factor and header.text("PixelSpacingCalibrationType") == "GEOMETRY"
            else (magnification, "magnification")
        )
        return (pixel[0] * scale, pixel[1] * scale), f"PixelSpacing x {by}"
    if scanned and pixel and not agree(scanned, pixel):
        raise RefusedError(
            "BAC-SPACING-CONFLICT",
            f"NominalScannedPixelSpacing is {in_mm(scanned)} but PixelSpacing is {in_mm(pixel)}",
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


def reduction(header: Header, spacing: Spacing, rows: int, columns: int) -> float:
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
    check_range((values[0], values[1]), keyword)
    return values[0], values[1]


def check_range(spacing: Spacing, name: str) -> None:
    """Refuse a spacing that no mammogram has; `name` says whose it is."""
    if not all(math.isfinite(value) and value > 0 for value in spacing):
        raise RefusedError("BAC-SPACING-INVALID", f"{name} is not positive")
    low, high = SPACING_RANGE_MM
    if not all(low <= value <= high for value in spacing):
        raise RefusedError("BAC-SPACING-INVALID", f"{name} is {in_mm(spacing)}, outside {low} to {high} mm")
    if max(spacing) > _LARGEST_ASPECT * min(spacing):
        raise RefusedError("BAC-SPACING-INVALID", f"{name} is {in_mm(spacing)}, far from square")


def check_size(header: Header, spacing: Spacing, rows: int, columns: int) -> None:
    """Refuse an image that was made smaller or larger after its header was written.

    Its field of view is that of the stored pixels (PS3.3 C.8.11.4). Makers round it and leave it as it was
    where an image is cut, so only a field that is larger or smaller by the same factor on both sides tells.

    Raises
    ------
    RefusedError
        ``BAC-SPACING-CONFLICT``.
    """
    view = header.numbers("FieldOfViewDimensions")
    if len(view) != 2 or not all(math.isfinite(side) and side > 0 for side in view):
        return
    sides = (rows * spacing[0], columns * spacing[1])
    for field in (view, view[::-1]):
        by = (field[0] / sides[0], field[1] / sides[1])
        if abs(by[0] / by[1] - 1) <= AGREEMENT and _RESIZED[0] < max(by[0], 1 / by[0]) < _RESIZED[1]:
            raise RefusedError(
                "BAC-SPACING-CONFLICT",
                f"with a spacing of {in_mm(spacing)} the image measures {sides[0]:.0f} x {sides[1]:.0f} mm, "
                f"but its FieldOfViewDimensions are {field[0]:.0f} x {field[1]:.0f} mm",
            )


def check_extent(spacing: Spacing, rows: int, columns: int) -> None:
    """Refuse a spacing with which the image would be larger than any film or smaller than any breast."""
    sides = (rows * spacing[0], columns * spacing[1])
    if not all(EXTENT_RANGE_MM[0] <= side <= EXTENT_RANGE_MM[1] for side in sides):
        raise RefusedError(
            "BAC-SPACING-INVALID",
            f"with a spacing of {in_mm(spacing)} the image would measure {sides[0]:.0f} x {sides[1]:.0f} mm",
        )


def agree(first: Spacing, second: Spacing) -> bool:
    """Tell whether two spacings are the same within `AGREEMENT`."""
    return all(abs(a / b - 1) <= AGREEMENT for a, b in zip(first, second, strict=True))


def in_mm(spacing: Spacing) -> str:
    """Write a spacing for a message."""
    row, column = spacing
    return f"{row:.4g} mm" if row == column else f"{row:.4g} x {column:.4g} mm"
