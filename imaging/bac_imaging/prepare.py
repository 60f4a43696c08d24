"""The half before the network: file bytes to tiles, signal and context.

A module of its own, so that the process of this step loads nothing of what finds and weighs vessels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.context import Context
from bac_imaging.grid.breast import find_breast
from bac_imaging.grid.lost import has_lost_pixels
from bac_imaging.grid.normalise import normalise
from bac_imaging.grid.tiles import cut_tiles
from bac_imaging.grid.working_grid import resample_valid, to_working, working_shape
from bac_imaging.options import read_options
from bac_imaging.read.reader import read_mammogram
from bac_terms.notices import Notice

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Prepared:
    """An image made ready for the network.

    Attributes
    ----------
    tiles : ndarray of float32, shape (n, 1, 512, 512)
        Normalised tiles, n >= 1.
    signal : ndarray of float32, shape (h, w)
        Signal on the working grid, larger = more attenuation.
    context : Context
        Everything else that `quantify` needs.
    normalised : ndarray of float32, shape (h, w)
        Normalised image, 0 outside the breast.
    """

    tiles: FloatArray
    signal: FloatArray
    context: Context
    normalised: FloatArray

    @property
    def breast(self) -> BoolArray:
        """Breast mask, bool, shape (h, w)."""
        return self.context.breast_mask


def prepare(data: bytes, options: Mapping[str, Any] | None = None) -> Prepared:
    """Read a mammogram and make it ready for the network.

    Parameters
    ----------
    data : bytes
        A DICOM, PNG, TIFF or JPEG file.
    options : mapping, optional
        ``pixel_spacing_mm``, ``min_probability`` and ``mask``, as `bac_imaging.options.Options` has them.
        Nothing else.

    Returns
    -------
    Prepared
        Tiles, signal and context.

    Raises
    ------
    RefusedError
        When the image can never be measured as it is, an option is unknown, or a mask has another size.
    FailedError
        When it could not be decoded here.
    """
    asked = read_options(options)
    mammogram = read_mammogram(data, pixel_spacing_mm=asked.pixel_spacing_mm)
    shape = working_shape(mammogram.signal.shape, mammogram.geometry.pixel_spacing_mm)
    signal, valid = resample_valid(mammogram.signal, mammogram.valid, shape)
    breast = find_breast(signal, valid, is_digital=mammogram.presentation_intent is not None)
    is_raw, is_film = mammogram.signal_kind == "log_exposure", mammogram.presentation_intent is None
    if has_lost_pixels(mammogram.signal, breast, is_raw=is_raw, is_film=is_film):
        lost = Notice.of("BAC-W-PIXELS-DOUBTFUL", "a part of the breast has one value all over, as if lost")
        mammogram = replace(mammogram, warnings=(*mammogram.warnings, lost), mass_in_doubt=True)
    normalised = normalise(signal, breast)
    tiles, origins = cut_tiles(normalised, breast)
    context = Context.of(
        mammogram, breast, origins, asked.min_probability, asked.mask_for(mammogram.signal.shape)
    )
    return Prepared(tiles, signal, context, normalised)


def to_working_mask(mask: BoolArray, context: Context) -> BoolArray:
    """Carry a mask of the stored matrix to the working grid.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        Mask on the stored matrix.
    context : Context
        Of the image.

    Returns
    -------
    ndarray of bool, shape (h, w)
        True where at least half of the working pixel is in the mask.

    Raises
    ------
    ValueError
        When the mask has not the shape of the image.
    """
    if mask.shape != context.shape:
        raise ValueError(f"mask of shape {mask.shape} on an image of {context.rows} x {context.columns}")
    return to_working(mask, context.grid)
