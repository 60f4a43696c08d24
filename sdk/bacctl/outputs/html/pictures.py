"""The pictures of a report: each image as it is hung, and what was found on it as a layer of its own."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from bacctl.drawing.greys import averaged, to_greys

if TYPE_CHECKING:
    from bac_imaging.read.mammogram import Mammogram
    from bacctl.results import ImageResult

LONGEST_SIDE_PX = 1400
_QUALITY = 85
_OUTLINE = (255, 196, 0, 255)
_NIPPLE = (120, 200, 255, 255)
_INSIDE = 96  # of 255: the share of a drawn pixel from which on it belongs to the mask


@dataclass(frozen=True)
class Picture:
    """One image, ready for a page.

    Attributes
    ----------
    image, outline : str
        Data URIs: a greyscale JPEG, and a transparent PNG of the same size that lies on it.
    width, height : int
        Of both, in pixels.
    hung : bool
        Whether its header told how to hang it; as stored where not.
    """

    image: str
    outline: str
    width: int
    height: int
    hung: bool


@dataclass(frozen=True)
class Turn:
    """What brings an image from its stored matrix to how it is hung."""

    across: bool = False
    down: bool = False
    known: bool = False

    def of(self, field: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Turn an array of shape (rows, columns) or (rows, columns, channels)."""
        return field[:: -1 if self.down else 1, :: -1 if self.across else 1]


def turn_of(mammogram: Mammogram) -> Turn:
    """Tell how an image is hung: chest walls in the middle, the outer side of a CC and the head of an MLO up.

    Parameters
    ----------
    mammogram : Mammogram
        The image as it was read.

    Returns
    -------
    Turn
        None at all where the header does not say where rows and columns lead, or not along the page.
    """
    told, side = mammogram.orientation, mammogram.laterality
    if told is None or side is None or told[0][0] not in "AP":
        return Turn()
    # Columns of a right breast lead to the chest wall, which then lies beside that of the left one.
    across = (told[0][0] == "P") is not (side == "R")
    if mammogram.view == "CC":
        inwards = "L" if side == "R" else "R"
        outwards = side
        if inwards not in told[1] and outwards not in told[1]:
            return Turn()
        return Turn(across, outwards in told[1], known=True)
    if "F" not in told[1] and "H" not in told[1]:
        return Turn()
    return Turn(across, "H" in told[1], known=True)


def draw(mammogram: Mammogram, result: ImageResult) -> Picture:
    """Draw an image and the outline of what was found on it.

    Parameters
    ----------
    mammogram : Mammogram
        The image as it was read.
    result : ImageResult
        What was measured on it, with its mask.

    Returns
    -------
    Picture

    Raises
    ------
    ValueError
        The mask is missing, or is not of this image.
    """
    mask, signal = result.mask, mammogram.signal
    if mask is None or mask.shape != signal.shape:
        raise ValueError("a report needs the mask of the same image")
    turn = turn_of(mammogram)
    scale = min(1.0, LONGEST_SIDE_PX / max(signal.shape))
    height, width = (max(1, round(side * scale)) for side in signal.shape)
    shown, seen = averaged(signal, mammogram.valid, (width, height))
    grey = to_greys(shown, seen, flatten=mammogram.signal_kind == "log_exposure")
    layer = _layer(mask, result.nipple_px, (width, height))
    return Picture(
        _uri(Image.fromarray(np.ascontiguousarray(turn.of(grey))), "jpeg"),
        _uri(Image.fromarray(np.ascontiguousarray(turn.of(layer))), "png"),
        width,
        height,
        turn.known,
    )


def _layer(
    mask: NDArray[np.bool_], nipple: tuple[int, int] | None, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Draw the outline just outside the mask, so that the calcium stays visible, and a ring at the nipple."""
    inside = Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).resize(size, Image.Resampling.BOX)
    inside = inside.point(lambda value: 255 if value >= _INSIDE else 0)
    rim, gap = inside.filter(ImageFilter.MaxFilter(7)), inside.filter(ImageFilter.MaxFilter(3))
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    ring = Image.fromarray(np.asarray(rim) & ~np.asarray(gap))
    layer.paste(Image.new("RGBA", size, _OUTLINE), mask=ring)
    if nipple is not None:
        row, column = (
            (place + 0.5) * drawn / stored
            for place, drawn, stored in zip(nipple, size[::-1], mask.shape, strict=True)
        )
        radius = max(4, max(size) // 100)
        box = (column - radius, row - radius, column + radius, row + radius)
        ImageDraw.Draw(layer).ellipse(box, outline=_NIPPLE, width=2)
    return np.asarray(layer)


def _uri(picture: Image.Image, kind: str) -> str:
    stream = io.BytesIO()
    if kind == "jpeg":
        picture.save(stream, format="JPEG", quality=_QUALITY)
    else:
        # Three colours and nothing: a palette is a tenth of the size.
        picture.quantize(8).save(stream, format="PNG", optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
