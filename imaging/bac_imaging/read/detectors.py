"""Sizes of image that mammography units give, by maker and model.

An image that was made smaller with its header kept is as plausible as one that was not, unless the size that
its detector gives is known. ``docs/limits.md`` says where each size comes from.
"""

from __future__ import annotations

import math
import re

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.spacing import Spacing
from bac_terms.notices import Notice

Size = tuple[int, int]
"""Pixels along the longer and the shorter side."""

_ANY = re.compile("")
_HOLOGIC: tuple[Size, ...] = ((4096, 3328), (3328, 2560))
_SELENIUM_85: tuple[Size, ...] = ((3584, 2816), (3518, 2800), (2816, 2016), (2800, 2082))
# Its detectors, and the fields of its phantoms for quality assurance.
_PHANTOM: tuple[Size, ...] = (
    *((2294, 1914), (3062, 2394), (3518, 2800), (3328, 2560), (2394, 1800), (4740, 3540)),
    *((1350, 1000), (1588, 1176)),
)
_SIZES: tuple[tuple[re.Pattern[str], tuple[tuple[re.Pattern[str], tuple[Size, ...]], ...]], ...] = (
    (
        re.compile(r"\bGE\b"),
        (
            (re.compile(r"2000D|\bDS\b"), ((2294, 1914),)),
            (re.compile("PRISTINA"), ((2850, 2394), (2294, 1914))),
            (_ANY, ((3062, 2394), (2850, 2394), (2294, 1914))),
        ),
    ),
    (re.compile("HOLOGIC|LORAD"), ((_ANY, _HOLOGIC),)),
    (
        re.compile("SIEMENS"),
        (
            (re.compile("NOVATION"), (*_HOLOGIC, (4084, 3328))),
            (_ANY, (*_HOLOGIC, *_SELENIUM_85)),
        ),
    ),
    (re.compile("FUJI"), ((_ANY, ((5928, 4728), (4740, 3540), (2964, 2364), (2370, 1770))),)),
    (re.compile(r"PLANMED|\bIMS\b|GIOTTO"), ((_ANY, _SELENIUM_85),)),
    (re.compile("BAC_PHANTOM"), ((_ANY, _PHANTOM),)),
)
_SLACK = 1.03  # of a detector's side, which makers round
_FINER = 1.2  # GE's spacing of a plane above the detector is within 1.15 of its elements'
_TOLERANCE = 0.015  # of a side: makers cut some lines; what it may change of an area is within 3 %


def check_matrix(header: Header, rows: int, columns: int, spacing: Spacing) -> tuple[Notice, ...]:
    """Hold the size of an image against those that its detector gives.

    Parameters
    ----------
    header : Header
        Header of a digital mammogram.
    rows, columns : int
        Size of the stored matrix.
    spacing : (float, float)
        Distance between rows and between columns, in mm.

    Returns
    -------
    tuple of Notice
        ``BAC-W-SIZE-UNUSUAL`` where the maker is known and the size is not his; empty also where the header's
        field of view is that of the stored pixels (PS3.3 C.8.11.4), which explains any size.
    """
    if _exceeds_detector(header, rows, columns, spacing):
        found = "the image is larger than the detector's active area, or its pixels smaller than the elements"
        return (Notice.of("BAC-W-SIZE-UNUSUAL", found),)
    sizes = known_sizes(header)
    if sizes is None or _is_known(rows, columns, sizes) or has_field_of_view(header, rows, columns, spacing):
        return ()
    usual = ", ".join(f"{longer} x {shorter}" for longer, shorter in sizes)
    found = f"the image has {rows} x {columns} pixels, and this maker's detectors give {usual}"
    return (Notice.of("BAC-W-SIZE-UNUSUAL", found),)


def known_sizes(header: Header) -> tuple[Size, ...] | None:
    """Give the sizes of the unit that a header names, None where its maker is none of those listed."""
    maker, model = header.text("Manufacturer"), header.text("ManufacturerModelName")
    for makers, models in _SIZES:
        if makers.search(maker):
            return next(sizes for name, sizes in models if name.search(model))
    return None


def has_field_of_view(header: Header, rows: int, columns: int, spacing: Spacing) -> bool:
    """Tell whether the header gives a field of view and it is as large as the stored pixels are."""
    view = header.numbers("FieldOfViewDimensions")
    if len(view) != 2 or not all(math.isfinite(side) and side > 0 for side in view):
        return False
    sides = (rows * spacing[0], columns * spacing[1])
    return any(
        all(abs(a / b - 1) <= 2 * _TOLERANCE for a, b in zip(field, sides, strict=True))
        for field in (view, view[::-1])
    )


def _exceeds_detector(header: Header, rows: int, columns: int, spacing: Spacing) -> bool:
    """Hold an image against DetectorActiveDimensions and DetectorElementSpacing (PS3.3 C.8.11.4)."""
    active, element = (
        sorted(header.numbers(keyword)) for keyword in ("DetectorActiveDimensions", "DetectorElementSpacing")
    )
    sides = sorted((rows * spacing[0], columns * spacing[1]))
    is_larger = len(active) == 2 and any(s > a * _SLACK for s, a in zip(sides, active, strict=True) if a > 0)
    # Several elements to a pixel make it so much larger.
    binning = header.numbers("DetectorBinning")
    binned = min(binning) if len(binning) == 2 and min(binning) > 1 else 1.0
    is_finer = len(element) == 2 and element[0] * binned > max(spacing) * _FINER
    return is_larger or is_finer


def _is_known(rows: int, columns: int, sizes: tuple[Size, ...]) -> bool:
    mine = (max(rows, columns), min(rows, columns))
    return any(all(abs(a / b - 1) <= _TOLERANCE for a, b in zip(mine, size, strict=True)) for size in sizes)
