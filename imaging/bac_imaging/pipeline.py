"""The two halves around the network: file bytes to tiles, probabilities to the report.

Serving, training and evaluation all call these two functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_imaging.breast import find_breast
from bac_imaging.context import make_context
from bac_imaging.errors import RefusedError
from bac_imaging.grid import resample_valid, to_working, working_shape
from bac_imaging.mammogram import read_mammogram
from bac_imaging.normalise import normalise
from bac_imaging.tiles import cut_tiles

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
    context : dict
        JSON-able; everything else that `quantify` needs.
    normalised : ndarray of float32, shape (h, w)
        Normalised image, 0 outside the breast.
    breast : ndarray of bool, shape (h, w)
        Breast mask.
    """

    tiles: FloatArray
    signal: FloatArray
    context: dict[str, Any]
    normalised: FloatArray
    breast: BoolArray


def prepare(data: bytes, options: Mapping[str, Any] | None = None) -> Prepared:
    """Read a mammogram and make it ready for the network.

    Parameters
    ----------
    data : bytes
        A DICOM, PNG, TIFF or JPEG file.
    options : mapping, optional
        ``pixel_spacing_mm``: spacing at the detector in mm, (between rows, between columns), for images
        without one. Nothing else.

    Returns
    -------
    Prepared
        Tiles, signal and context.

    Raises
    ------
    RefusedError
        When the image can never be measured as it is, or an option is unknown.
    FailedError
        When it could not be decoded here.
    """
    mammogram = read_mammogram(data, pixel_spacing_mm=_spacing_option(options))
    geometry = mammogram.geometry
    shape = working_shape(mammogram.signal.shape, geometry.pixel_spacing_mm)
    signal, valid = resample_valid(mammogram.signal, mammogram.valid, shape)
    breast = find_breast(signal, valid, is_digital=mammogram.presentation_intent is not None)
    normalised = normalise(signal, breast)
    tiles, origins = cut_tiles(normalised, breast)
    return Prepared(tiles, signal, make_context(mammogram, breast, origins), normalised, breast)


def to_working_mask(mask: BoolArray, context: Mapping[str, Any]) -> BoolArray:
    """Carry a mask of the stored matrix to the working grid.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        Mask on the stored matrix.
    context : mapping
        Context of the image, from `prepare`.

    Returns
    -------
    ndarray of bool, shape (h, w)
        True where at least half of the working pixel is in the mask.

    Raises
    ------
    ValueError
        When the mask has not the shape of the image.
    """
    if mask.shape != (context["rows"], context["columns"]):
        raise ValueError(
            f"mask of shape {mask.shape} on an image of {context['rows']} x {context['columns']}"
        )
    rows, columns = context["grid"]
    return to_working(mask, (rows, columns))


def _spacing_option(options: Mapping[str, Any] | None) -> tuple[float, float] | None:
    if options is None:
        return None
    unknown = set(options) - {"pixel_spacing_mm"}
    if unknown:
        raise RefusedError("BAC-OPTIONS-INVALID", f"unknown option {', '.join(sorted(map(repr, unknown)))}")
    spacing = options.get("pixel_spacing_mm")
    if spacing is None:
        return None
    if not isinstance(spacing, (list, tuple)) or len(spacing) != 2:
        raise RefusedError("BAC-OPTIONS-INVALID", "pixel_spacing_mm is not a pair of numbers")
    if not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in spacing):
        raise RefusedError("BAC-OPTIONS-INVALID", "pixel_spacing_mm is not a pair of numbers")
    return float(spacing[0]), float(spacing[1])
