"""What the header of a PNG, TIFF or JPEG file alone can refuse.

Needs no scipy, as `bac_imaging.read.dicom_header`.
"""

from __future__ import annotations

import io
import warnings
from typing import overload

from PIL import Image, UnidentifiedImageError

from bac_imaging.read.attributes.acceptance import LARGEST_IMAGE_PX, check_dimensions
from bac_imaging.read.pixels.tiff import read_tiff
from bac_terms.errors import RefusedError

PHOTOMETRIC = 262
_FORMATS = ("PNG", "TIFF", "JPEG")
_PALETTE = 3
_BITS, _PLANES, _APART, _FORMAT, _SIGNED = 258, 284, 2, 339, 2
_PILLOW_BITS = 8  # of samples that it puts together from planes


def refuse_plain_header(data: bytes) -> None:
    """Refuse what the header alone can refuse, by the rules that files are read by; no pixel is decoded.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    RefusedError
        If the file can never be measured as it is.
    """
    # Pillow refuses twice this. A program that embeds the client may have set it lower, for files of its own.
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and 2 * limit < LARGEST_IMAGE_PX:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = open_image(data, decode=False)
        if image is not None:
            check_dimensions(image.height, image.width)


@overload
def open_image(data: bytes) -> Image.Image: ...
@overload
def open_image(data: bytes, *, decode: bool) -> Image.Image | None: ...
def open_image(data: bytes, *, decode: bool = True) -> Image.Image | None:
    """Open an image by its header.

    Parameters
    ----------
    data : bytes
        The whole file.
    decode : bool, optional
        Whether a TIFF that Pillow does not know may be decoded for it; else it is None.

    Returns
    -------
    PIL.Image.Image or None

    Raises
    ------
    RefusedError
        If it is no grey still image.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        several = getattr(image, "is_animated", False)
    except Image.DecompressionBombError:
        raise RefusedError("BAC-DIMENSIONS", "the image has more pixels than any mammogram") from None
    except UnidentifiedImageError:
        if data.startswith((b"II", b"MM")):
            return read_tiff(data) if decode else None
        raise RefusedError("BAC-FILE-TRUNCATED", "the image's header is damaged or incomplete") from None
    except MemoryError:
        raise
    except Exception:  # Pillow's parsers raise whatever they stumble over
        raise RefusedError("BAC-FILE-TRUNCATED", "the image's header is damaged or incomplete") from None
    if several:
        raise RefusedError("BAC-MULTIFRAME")
    if image.mode == "1":
        raise RefusedError("BAC-DIMENSIONS", "the image is black and white without greys")
    is_palette = _PALETTE in _tag(image, PHOTOMETRIC) and image.mode not in ("P", "PA")
    if image.mode in ("CMYK", "LAB", "HSV") or is_palette:
        raise RefusedError("BAC-COLOUR")
    bits = _tag(image, _BITS)
    is_deep = len(bits) > 1 and max(bits) > _PILLOW_BITS
    if _SIGNED in _tag(image, _FORMAT) or (is_deep and _APART in _tag(image, _PLANES)):
        raise RefusedError("BAC-DIMENSIONS", "the TIFF's samples are signed, or deep ones plane by plane")
    return image


def _tag(image: Image.Image, number: int) -> tuple[int, ...]:
    """Give the whole numbers that a tag of a TIFF holds, none where it has another kind of value."""
    value = getattr(image, "tag_v2", {}).get(number, ())
    return tuple(v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, int))
