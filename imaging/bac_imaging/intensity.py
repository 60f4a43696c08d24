"""Stored values turned into a signal that rises with X-ray attenuation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.errors import Notice, RefusedError
from bac_imaging.header import Header
from bac_imaging.lut import apply_modality_lut, display_scale

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]

LOG_DECADES = 4.0
"""Decades of exposure that the full range of stored values is taken to cover where they follow its logarithm.

Storage phosphor readers record four decades; DICOM has no attribute for it.
"""
_CLIPPED_SHARE = 2e-4
"""Share of pixels at the bright end from which on clipping inside the image is worth a warning."""


class Intensity(NamedTuple):
    """Signal, valid pixels, whether the scale needed no assumption, and what to know about it."""

    signal: FloatArray
    valid: BoolArray
    scale_known: bool
    notices: tuple[Notice, ...]


def padding_mask(stored: IntArray, header: Header) -> BoolArray:
    """Find the pixels that a header declares to be padding.

    Parameters
    ----------
    stored : numpy.ndarray
        int32, (rows, columns), stored values.
    header : Header
        Header of the image.

    Returns
    -------
    numpy.ndarray
        bool, (rows, columns), True on padding.
    """
    value = _padding(header, "PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=np.bool_)
    limit = _padding(header, "PixelPaddingRangeLimit")
    low, high = sorted((value, value if limit is None else limit))
    return np.asarray((stored >= low) & (stored <= high))


def log_exposure(stored: IntArray, padding: BoolArray, header: Header) -> Intensity:
    """Give minus the logarithm of the exposure of a FOR PROCESSING image.

    For a LIN relationship the values are taken proportional to exposure: an offset of the detector, which no
    attribute states, is not subtracted. For LOG, `LOG_DECADES` over the full range are assumed.

    Parameters
    ----------
    stored : numpy.ndarray
        int32, (rows, columns), stored values.
    padding : numpy.ndarray
        bool, (rows, columns), True on padding.
    header : Header
        Header of the image.

    Returns
    -------
    Intensity
        float32 signal in natural logarithm units up to a constant; pixels without exposure are invalid.

    Raises
    ------
    RefusedError
        ``BAC-PIXELS-CONSTANT``.
    """
    values, falls = apply_modality_lut(stored, header)
    relationship = header.text("PixelIntensityRelationship")
    sign = header.number("PixelIntensityRelationshipSign")
    notices: list[Notice] = []
    # The sign is that of the stored values, which the modality LUT may turn round.
    rises = (sign == 1) != falls
    if sign not in (1, -1):
        # High values of MONOCHROME1, after the modality LUT, are dark, which is where the exposure is high.
        rises = header.text("PhotometricInterpretation") == "MONOCHROME1"
        relationship = ""
    if not rises:
        values = _full_scale(header) - values
    if relationship == "LOG":
        notices.append(Notice.of("BAC-W-LOG-SLOPE-ASSUMED"))
        scale = np.float32(LOG_DECADES * np.log(10.0) / (_full_scale(header) + 1.0))
        signal, lit = values * -scale, np.ones(values.shape, dtype=np.bool_)
    else:
        if relationship != "LIN" or not rises:
            notices.append(Notice.of("BAC-W-INTENSITY-ASSUMED"))
        lit = values > 0
        signal = -np.log(np.where(lit, values, np.float32(1.0)))
    return _finish(signal, ~padding & lit, not notices, notices)


def display(stored: IntArray, padding: BoolArray, header: Header) -> Intensity:
    """Give the brightness of an image made to be looked at, without clipping it.

    Parameters
    ----------
    stored : numpy.ndarray
        int32, (rows, columns), stored values.
    padding : numpy.ndarray
        bool, (rows, columns), True on padding.
    header : Header
        Header of the image.

    Returns
    -------
    Intensity
        float32 signal, 0 to 1 over the range that the header's window or VOI LUT shows.

    Raises
    ------
    RefusedError
        ``BAC-PIXELS-CONSTANT``.
    """
    values, _ = apply_modality_lut(stored, header)
    signal = display_scale(values, ~padding, header)
    notices: list[Notice] = []
    shape = header.text("PresentationLUTShape")
    dark_high = header.text("PhotometricInterpretation") == "MONOCHROME1"
    # The two attributes say the same thing (PS3.3 C.8.11.3.1.2). Where they differ, air is dark.
    if shape in ("IDENTITY", "INVERSE") and (shape == "INVERSE") != dark_high:
        notices.append(Notice.of("BAC-W-POLARITY-CONFLICT"))
        dark_high = _border(signal) > float(np.median(signal))
    if dark_high:
        signal = 1 - signal
    return with_clipping(_finish(signal, ~padding, False, notices))


def with_clipping(intensity: Intensity) -> Intensity:
    """Add a warning where the bright end of a display signal is cut off inside the image.

    Bright areas that touch the border are frames of scans and labels, and do not count.

    Parameters
    ----------
    intensity : Intensity
        Display signal.

    Returns
    -------
    Intensity
        The same, possibly with ``BAC-W-CLIPPED``.
    """
    signal, valid, scale_known, notices = intensity
    brightest = valid & (signal >= signal[valid].max())
    enough = _CLIPPED_SHARE * signal.size
    if brightest.sum() > enough:
        parts, count = ndimage.label(brightest)
        border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
        inside = np.bincount(parts.ravel(), minlength=count + 1)
        inside[border] = 0
        inside[0] = 0
        if inside.sum() > enough:
            notices = (*notices, Notice.of("BAC-W-CLIPPED"))
    return Intensity(signal, valid, scale_known, notices)


def _finish(
    signal: npt.NDArray[np.floating[Any]], valid: BoolArray, scale_known: bool, notices: list[Notice]
) -> Intensity:
    seen = signal[valid]
    if seen.size == 0 or seen.min() == seen.max():
        raise RefusedError("BAC-PIXELS-CONSTANT")
    # Padding takes the value of air, so that nothing bright or infinite leaks from it when resampled.
    return Intensity(
        np.where(valid, signal, seen.min()).astype(np.float32), valid, scale_known, tuple(notices)
    )


def _border(signal: FloatArray) -> float:
    return float(np.median(np.concatenate([signal[0], signal[-1], signal[:, 0], signal[:, -1]])))


def _full_scale(header: Header) -> np.float32:
    bits = header.number("BitsStored") or header.number("BitsAllocated") or 16
    return np.float32(2.0**bits - 1.0)


def _padding(header: Header, keyword: str) -> float | None:
    value = header.number(keyword)
    if value is None or not np.isfinite(value):
        return None
    # The tag's VR is ambiguous, and signed images are met with unsigned padding.
    is_signed = header.number("PixelRepresentation") == 1
    return value - 65536.0 if is_signed and value > 32767 else value
