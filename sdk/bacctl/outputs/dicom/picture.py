"""The picture of a secondary capture: the image in its own matrix, outlines, and the numbers burned in.

Many archives show nothing else of an analysis, so that whatever must be known stands on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from bacctl.results import INTENDED_USE, ExamComparison, ExamResult, ImageResult
from bacctl.wording import count_of, mass_text, number

_OUTLINE = (255, 196, 0)
_TEXT = (235, 235, 235)
_WARNING = (255, 150, 110)
_PANEL = (16, 16, 18)
_BARS_MM = (50, 20, 10, 5, 2, 1)
_WIDEST = 0.62  # of the image that words may take


def draw_picture(
    greys: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    lines: Sequence[str],
    spacing_mm: tuple[float, float] | None,
) -> NDArray[np.uint8]:
    """Draw outlines, legend and scale bar onto an image.

    Parameters
    ----------
    greys : ndarray of uint8, shape (rows, columns)
        The image, bright where more is attenuated.
    mask : ndarray of bool, shape (rows, columns)
        What was found. It stays visible: outlines are drawn around it.
    lines : sequence of str
        The legend; the last says what the picture may not be used for.
    spacing_mm : tuple of float or None
        Distance of pixels (between rows, between columns), for the scale bar.

    Returns
    -------
    ndarray of uint8, shape (rows, columns, 3)
    """
    rows, columns = greys.shape
    picture = Image.fromarray(np.repeat(greys[..., None], 3, axis=2))
    font, step = _font(lines, rows, columns)
    margin = step // 2
    bar = None if spacing_mm is None else _bar(spacing_mm[1], columns)
    height = len(lines) * step + (0 if bar is None else step) + 2 * margin
    width = int(max(font.getlength(line) for line in lines)) + 2 * margin
    if bar is not None:
        width = max(width, bar[1] + int(font.getlength(f"  {bar[0]} mm")) + 2 * margin)
    width, height = min(width, columns), min(height, rows)
    left, top = _corner(greys, mask, width, height)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left, top, left + width - 1, top + height - 1), fill=_PANEL)
    y = top + margin
    for line in lines:
        colour = _WARNING if line is lines[-1] else _TEXT
        draw.text((left + margin, y), line, fill=colour, font=font)
        y += step
    if bar is not None:
        middle, thick = y + step // 2, max(2, step // 8)
        right = left + margin + bar[1] - 1
        draw.rectangle((left + margin, middle, right, middle + thick - 1), fill=_TEXT)
        for x in (left + margin, right):
            draw.line((x, middle - step // 4, x, middle + step // 4), fill=_TEXT, width=max(1, thick // 2))
        draw.text((right + margin, y), f"{bar[0]} mm", fill=_TEXT, font=font)
    drawn = np.array(picture)
    drawn[_rim(mask, max(2, round(max(rows, columns) / 1500)))] = _OUTLINE
    return drawn


def _rim(mask: NDArray[np.bool_], thickness: int) -> NDArray[np.bool_]:
    """Return a band around what was found, one pixel away from it, so that calcium itself is not covered."""
    if not mask.any():
        return mask
    rim = np.zeros_like(mask)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    far = thickness + 2
    part = (
        slice(max(0, rows[0] - far), rows[-1] + far + 1),
        slice(max(0, columns[0] - far), columns[-1] + far + 1),
    )
    around = np.ones((3, 3), bool)
    near = ndimage.binary_dilation(mask[part], around)
    rim[part] = ndimage.binary_dilation(near, around, iterations=thickness) & ~near
    return rim


def _font(
    lines: Sequence[str], rows: int, columns: int
) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, int]:
    size = max(9, round(max(rows, columns) / 80))
    font = ImageFont.load_default(size)
    longest = max(font.getlength(line) for line in lines)
    room = _WIDEST * columns
    if longest > room:
        size = max(8, int(size * room / longest))
        font = ImageFont.load_default(size)
    return font, round(size * 1.35)


def _bar(spacing_mm: float, columns: int) -> tuple[int, int]:
    """Return the length of the scale bar in mm and in pixels: at most a third of the image."""
    for length in _BARS_MM:
        if length / spacing_mm <= columns / 3:
            return length, max(1, round(length / spacing_mm))
    return _BARS_MM[-1], max(1, min(columns, round(_BARS_MM[-1] / spacing_mm)))


def _corner(greys: NDArray[np.uint8], mask: NDArray[np.bool_], width: int, height: int) -> tuple[int, int]:
    """Choose the corner where the legend covers least: of what was found, then of the breast."""
    rows, columns = greys.shape
    corners = [(left, top) for top in (rows - height, 0) for left in (columns - width, 0)]

    def covered(corner: tuple[int, int]) -> tuple[int, float]:
        part = slice(corner[1], corner[1] + height), slice(corner[0], corner[0] + width)
        return int(mask[part].sum()), float(greys[part].mean())

    return min(corners, key=covered)


def legend(image: ImageResult, exam: ExamResult, comparison: ExamComparison | None) -> list[str]:
    """Put the numbers of an image and of its exam into lines.

    Parameters
    ----------
    image : ImageResult
        The image that is drawn.
    exam : ExamResult
        Its exam.
    comparison : ExamComparison or None
        With an earlier one.

    Returns
    -------
    list of str
        What was not measured is said to be so, never zero.
    """
    name = " ".join(part for part in (image.laterality, image.view) if part) or "view unknown"
    lines = [f"{name}   {_found(image)}"]
    if image.bac_detected:
        count = image.vessel_count
        listed = "" if count is None else f", {count_of(count, 'vessel')}"
        lines.append(f"area {number(image.area_mm2)} mm2, length {number(image.length_mm)} mm{listed}")
    lines.append(_exam_line(exam))
    if comparison is not None:
        prior = comparison.prior
        lines.append(f"prior exam: {mass_text(prior.calcium_mass_mg, prior.calcium_mass_interval_mg)}")
        if any(notice.code == "BAC-W-COMPARE-UNCHECKED" for notice in comparison.notices):
            lines.append("whether it is of the same woman was not checked")
    if exam.alarms or image.warnings:
        lines.append(f"{count_of(len(exam.alarms) + len(image.warnings), 'warning')}: see the report")
    lines.append(f"bacctl: {INTENDED_USE.upper()}, NOT FOR DIAGNOSIS")
    return lines


def _found(image: ImageResult) -> str:
    if not image.bac_detected:
        return "no arterial calcification found"
    if image.calcium_mass_mg is not None:
        mass = mass_text(image.calcium_mass_mg, image.calcium_mass_interval_mg)
        return f"calcium {mass}, {image.mass_basis}"
    guess = image.area_estimate
    if guess is None:
        return "arterial calcification, mass not measured"
    estimate = mass_text(guess.central_mg, guess.interval_mg)
    return f"mass not measured; guessed from the area: {estimate}"


def _exam_line(exam: ExamResult) -> str:
    if exam.calcium_mass_mg is not None:
        mass = f"exam: calcium {mass_text(exam.calcium_mass_mg, exam.calcium_mass_interval_mg)}"
    elif exam.area_estimate is not None:
        guess = exam.area_estimate
        estimate = mass_text(guess.central_mg, guess.interval_mg)
        mass = f"exam: mass not measured; guessed from the area: {estimate}"
    else:
        mass = "exam: mass not measured"
    category = "not known" if exam.mass_category is None else f"{exam.mass_category} mg"
    return f"{mass}, category {category}"
