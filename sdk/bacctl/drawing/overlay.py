"""The overlay: the mammogram with the outline of what was found and one line that says what it weighs.

It is made to be looked at, so it is scaled to a screen's size; the mask file is the one that lies on the
stored pixels.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from PIL.PngImagePlugin import PngInfo

from bac_terms.report import ImageReport
from bacctl.drawing.greys import averaged, to_greys
from bacctl.wording import INTENDED_USE, milligrams, number

_LONGEST_SIDE_PX = 2048
# An overlay of a small image is enlarged, so that outline and legend do not cover what they are about.
_SHORTEST_HEIGHT_PX = 900
_OUTLINE = (255, 196, 0)
_TEXT = (235, 235, 235)
_NOTE = (150, 150, 150)
_PANEL = (16, 16, 18)


def overlay_png(
    signal: NDArray[np.float32],
    valid: NDArray[np.bool_],
    mask: NDArray[np.bool_] | None,
    report: ImageReport,
    *,
    flatten: bool = False,
) -> bytes:
    """Draw what was found on an image.

    Parameters
    ----------
    signal : ndarray of float32, shape (rows, columns)
        The image as stored, larger where more is attenuated; any scale.
    valid : ndarray of bool, shape (rows, columns)
        False on padding and where the detector tells nothing.
    mask : ndarray of bool, shape (rows, columns), or None
        True where there is calcified artery.
    report : ImageReport
        What was measured on it.
    flatten : bool, default False
        Take most of the breast's thickness out of the display: for images that are not processed for viewing.

    Returns
    -------
    bytes
        An RGB PNG, at most 2048 pixels on its longer side plus the legend.

    Raises
    ------
    ValueError
        There is no mask, or one of another shape.
    """
    if mask is None or mask.shape != signal.shape:
        raise ValueError("an overlay needs the mask of the same image")
    height, width = _drawn_size(*signal.shape)
    shown, seen = averaged(signal, valid, (width, height))
    grey = Image.fromarray(to_greys(shown, seen, flatten=flatten))
    picture = Image.merge("RGB", (grey, grey, grey))
    if mask.any():
        picture = _draw_mask(picture, mask)
    canvas = _with_legend(picture, _title(report), f"bacctl  ·  {INTENDED_USE}, not for diagnosis")
    info = PngInfo()
    info.add_text("Description", f"Breast arterial calcification overlay. {INTENDED_USE.capitalize()}.")
    stream = io.BytesIO()
    canvas.save(stream, format="PNG", pnginfo=info)
    return stream.getvalue()


def _drawn_size(rows: int, columns: int) -> tuple[int, int]:
    scale = min(1.0, _LONGEST_SIDE_PX / max(rows, columns))
    if rows < _SHORTEST_HEIGHT_PX:
        scale = min(_SHORTEST_HEIGHT_PX / rows, _LONGEST_SIDE_PX / max(rows, columns))
    return max(1, round(rows * scale)), max(1, round(columns * scale))


def _draw_mask(picture: Image.Image, mask: NDArray[np.bool_]) -> Image.Image:
    """Draw the outline just outside the mask, so that the calcium itself stays visible."""
    inside = Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).resize(picture.size, Image.Resampling.BOX)
    inside = inside.point(lambda value: 255 if value >= 96 else 0)
    rim = inside.filter(ImageFilter.MaxFilter(7 if max(picture.size) > 1200 else 5))
    gap = inside.filter(ImageFilter.MaxFilter(3))
    outline = Image.fromarray(np.asarray(rim) & ~np.asarray(gap))
    colour = Image.new("RGB", picture.size, _OUTLINE)
    picture.paste(colour, mask=outline)
    return picture


def _title(report: ImageReport) -> str:
    name = " ".join(part for part in (report.laterality, report.view) if part)
    if not report.bac_detected:
        finding = "no arterial calcification found"
    else:
        mass = milligrams(report.calcium_mass_mg, report.calcium_mass_interval_mg)
        weighed = f"calcium {mass} mg ({report.mass_basis})"
        if report.calcium_mass_mg is None:
            weighed = "arterial calcification found, mass not measurable on this image"
        finding = f"{weighed}  ·  area {number(report.area_mm2)} mm2  ·  length {number(report.length_mm)} mm"
    return f"{name}   {finding}" if name else finding


def _with_legend(picture: Image.Image, title: str, note: str) -> Image.Image:
    """Put the words below the picture, never on it: nothing of the image is hidden."""
    size = max(14, round(max(picture.size) / 60))
    title_font, title_size = _fitting_font(title, size, picture.width)
    note_font, note_size = _fitting_font(note, round(size * 0.75), picture.width)
    margin = size
    panel = 2 * margin + title_size + note_size + size // 2
    canvas = Image.new("RGB", (picture.width, picture.height + panel), _PANEL)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    top = picture.height + margin
    draw.text((margin, top), title, fill=_TEXT, font=title_font)
    draw.text((margin, top + title_size + size // 2), note, fill=_NOTE, font=note_font)
    return canvas


def _fitting_font(
    text: str, size: int, width: int
) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, int]:
    """Choose the largest font up to `size` in which the text fits the width."""
    font = ImageFont.load_default(size)
    taken = font.getlength(text)
    room = width - 2 * size
    if taken > room > 0:
        size = max(8, int(size * room / taken))
        font = ImageFont.load_default(size)
    return font, size
