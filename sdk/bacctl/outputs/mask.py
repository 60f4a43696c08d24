"""The mask of an image as a PNG file that lies on the stored pixels."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from bacctl.results import INTENDED_USE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def mask_png(mask: NDArray[np.bool_]) -> bytes:
    """Encode a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        True where an artery is calcified, in the matrix of the image as stored.

    Returns
    -------
    bytes
        An 8-bit greyscale PNG of the same size: 255 = BAC, 0 = everything else.
    """
    # A run that begins does without them until its server is on its way.
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Description", f"Breast arterial calcification, 255 = BAC. {INTENDED_USE.capitalize()}.")
    stream = io.BytesIO()
    Image.fromarray(mask.astype("u1") * 255).save(stream, format="PNG", pnginfo=info)
    return stream.getvalue()
