"""TIFF files that Pillow does not know: big-endian BigTIFF, and 16 bits with white as zero."""

from __future__ import annotations

import io
import logging

import numpy as np
from PIL import Image

from bac_imaging.read.attributes.acceptance import check_dimensions
from bac_terms.errors import BacctlError, FailedError, RefusedError

_DTYPES = frozenset({"uint8", "uint16", "float32"})
# None, Deflate by its two numbers, PackBits. With imagecodecs, which reads lossless JPEG here, tifffile would
# hand strangers' bytes to thirty more decoders.
_COMPRESSIONS = frozenset({1, 8, 32946, 32773})


def read_tiff(data: bytes) -> Image.Image:
    """Read a grey TIFF file with tifffile.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    PIL.Image.Image
        The image as stored, white at the highest value.

    Raises
    ------
    RefusedError
        ``BAC-FILE-TRUNCATED``, ``BAC-MULTIFRAME``, ``BAC-DIMENSIONS`` or ``BAC-COLOUR``.
    FailedError
        ``BAC-CODEC-MISSING`` or ``BAC-DECODE-FAILED``.
    """
    try:
        import tifffile  # an extra of the server, and rarely needed
    except ImportError:
        raise FailedError("BAC-CODEC-MISSING", "the decoder for this kind of TIFF is not installed") from None
    # Without a handler of its own its remarks on damaged files would go to stderr.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            if len(file.pages) > 1:
                raise RefusedError("BAC-MULTIFRAME")
            page = file.pages[0]
            check_dimensions(page.imagelength, page.imagewidth)
            if page.compression not in _COMPRESSIONS:
                raise FailedError("BAC-CODEC-MISSING", "this compression of TIFF is not read here")
            if page.ndim != 2 or page.photometric == tifffile.PHOTOMETRIC.PALETTE:
                raise RefusedError("BAC-COLOUR")
            if page.dtype is None or page.dtype.name not in _DTYPES:
                raise RefusedError("BAC-DIMENSIONS", "the pixels are not of 8 or 16 bits")
            array = np.ascontiguousarray(page.asarray())
            is_inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    except (BacctlError, MemoryError):
        raise
    except Exception:  # whatever a damaged file makes it stumble over
        raise RefusedError("BAC-FILE-TRUNCATED", "the TIFF file is damaged or incomplete") from None
    if is_inverted and array.dtype.kind == "u":
        array = np.iinfo(array.dtype).max - array
    return Image.fromarray(array.astype(array.dtype.newbyteorder("=")))
