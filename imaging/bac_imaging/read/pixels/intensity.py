"""Stored values turned into a signal that rises with X-ray attenuation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.working_grid import window_of
from bac_imaging.read.attributes.acceptance import MAMMOGRAPHY_RAW
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.pixels.lut import apply_modality_lut, display_scale
from bac_imaging.read.pixels.polarity import find_polarity, is_inverted
from bac_imaging.read.pixels.requantised import is_requantised
from bac_imaging.read.pixels.stored_levels import StoredLevels
from bac_terms.errors import RefusedError
from bac_terms.notices import Notice

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]

LOG_DECADES = 4.0
"""Decades of exposure that the full range of stored values is taken to cover where they follow its logarithm.

Storage phosphor readers record four decades; DICOM has no attribute for it.
"""
_BRIGHT_AIR, _EVEN = 0.6, 0.1
"""Place between the 1st and 99th percentile from which on an even side is bright, and how even it is."""
_EVERY = 7  # pixels looked at
_TURNED = "the header makes air bright and tissue dark; the image was turned round"
_REQUANTISED = (
    "pixel values have gaps or few levels, as if they had been stretched; proportionality is assumed"
)
_RAW_INVERTED = "by the header the breast lets more radiation through than what surrounds it"
_INVERTED = "the breast is darker than what surrounds it; the image was turned round"
_OPEN = "whether the breast is darker than what surrounds it is not clear; the image was left as it is"

_DISPLAY_BITS = 8
_IDLE_BITS = 2  # more than a dim exposure leaves unused
_CLIPPED_FRACTION = 2e-4
"""Share of pixels at the bright end from which on clipping inside the image is worth a warning."""


class Intensity(NamedTuple):
    """Signal, valid pixels, whether the scale needed no assumption, and what to know about it."""

    signal: FloatArray
    valid: BoolArray
    scale_known: bool
    notices: tuple[Notice, ...]


def log_exposure(stored: IntArray, padding: BoolArray, header: Header) -> Intensity:
    """Give minus the logarithm of the exposure of a FOR PROCESSING image.

    For a LIN relationship the values are taken proportional to exposure: an offset of the detector, which no
    attribute states, is not subtracted. For LOG, `LOG_DECADES` over the full range are assumed. What is told
    is told of the stored values (PS3.3 C.8.11.3), whatever a modality LUT makes of them; it is followed only
    where it turns values round that fall with exposure.

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
    levels = StoredLevels.of(stored, padding)
    values, falls = apply_modality_lut(levels.values, header)
    relationship = header.text("PixelIntensityRelationship")
    sign = header.number("PixelIntensityRelationshipSign")
    is_told = relationship in ("LIN", "LOG")
    is_stored = is_told and not (sign == -1 and _is_turned_round(values, header))
    if is_stored:
        values = levels.values.astype(np.float32)
    notices: list[Notice] = []
    # The sign is that of the stored values, which the modality LUT may turn round.
    rises = (sign == 1) != (falls and not is_stored)
    if sign not in (1, -1):
        # High values of MONOCHROME1, after the modality LUT, are dark, which is where the exposure is high.
        rises = (header.text("PhotometricInterpretation") == "MONOCHROME1") != (falls and is_stored)
    full_scale = _full_scale(int(levels.values[-1]), header)
    if not rises:
        values = full_scale - values
    is_sure = is_told and sign in (1, -1) and _is_raw(header)
    if is_sure and relationship == "LIN" and is_requantised(levels.counts):
        notices.append(Notice.of("BAC-W-INTENSITY-ASSUMED", _REQUANTISED))
    if relationship == "LOG":
        notices.append(Notice.of("BAC-W-LOG-SLOPE-ASSUMED"))
        if not is_sure:
            notices.append(Notice.of("BAC-W-INTENSITY-ASSUMED"))
        scale = np.float32(LOG_DECADES * np.log(10.0) / (full_scale + 1.0))
        signal, lit = values * -scale, np.ones(values.shape, dtype=np.bool_)
    else:
        if not is_sure or not rises:
            notices.append(Notice.of("BAC-W-INTENSITY-ASSUMED"))
        lit = values > 0
        signal = -np.log(np.where(lit, values, np.float32(1.0)))
    image = levels.image(signal.astype(np.float32), stored)
    valid = ~padding if lit[levels.seen].all() else ~padding & levels.image(lit, stored)
    if is_inverted(image, valid):
        notices.append(Notice.of("BAC-W-POLARITY-CONFLICT", _RAW_INVERTED))
    return _finish(image, valid, not notices, notices)


def display(stored: IntArray, padding: BoolArray, header: Header, *, is_film: bool) -> Intensity:
    """Give the brightness of an image made to be looked at, without clipping it.

    Parameters
    ----------
    stored : numpy.ndarray
        int32, (rows, columns), stored values.
    padding : numpy.ndarray
        bool, (rows, columns), True on padding.
    header : Header
        Header of the image.
    is_film : bool
        Films have white frames, so that a bright border alone tells nothing.

    Returns
    -------
    Intensity
        float32 signal, 0 to 1 over the range that the header's window or VOI LUT shows.

    Raises
    ------
    RefusedError
        ``BAC-PIXELS-CONSTANT``.
    """
    levels = StoredLevels.of(stored, padding)
    values, _ = apply_modality_lut(levels.values, header)
    signal = levels.image(display_scale(values, levels.seen, header), stored)
    notices: list[Notice] = []
    shape = header.text("PresentationLUTShape")
    dark_high = header.text("PhotometricInterpretation") == "MONOCHROME1"
    # The two attributes say the same thing (PS3.3 C.8.11.3.1.2). Where they differ, air is dark.
    if shape in ("IDENTITY", "INVERSE") and (shape == "INVERSE") != dark_high:
        notices.append(Notice.of("BAC-W-POLARITY-CONFLICT"))
        dark_high = _border(signal) > float(np.median(signal))
    elif not is_film and _has_bright_air(1 - signal if dark_high else signal, padding):
        notices.append(Notice.of("BAC-W-POLARITY-CONFLICT", _TURNED))
        dark_high = not dark_high
    if dark_high:
        signal = 1 - signal
    if not notices:
        signal, turned = upright(signal, ~padding)
        notices += turned
    return with_clipping(_finish(signal, ~padding, False, notices))


def upright(signal: FloatArray, valid: BoolArray) -> tuple[FloatArray, tuple[Notice, ...]]:
    """Turn an image round whose breast is darker than its surround, by `bac_imaging.read.pixels.polarity`.

    With it comes ``BAC-W-POLARITY-CONFLICT`` where it was turned, or where it is open whether it should be.
    """
    polarity = find_polarity(signal, valid)
    if polarity == "inverted":
        return 1 - signal, (Notice.of("BAC-W-POLARITY-CONFLICT", _INVERTED),)
    return signal, (Notice.of("BAC-W-POLARITY-CONFLICT", _OPEN),) if polarity == "open" else ()


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
    brightest = valid & (signal >= (signal.max() if valid.all() else signal[valid].max()))
    enough = _CLIPPED_FRACTION * signal.size
    window = window_of(brightest, 0) if np.count_nonzero(brightest) > enough else None
    if window is not None:
        # Only what is bright is labelled and counted: it is a small part of most images.
        rows, columns = window
        near = brightest[window]
        parts, count = ndimage.label(near)
        inside = np.bincount(parts[near], minlength=count + 1)
        height, width = brightest.shape
        for is_border, line in (
            (rows.start == 0, parts[0]),
            (rows.stop == height, parts[-1]),
            (columns.start == 0, parts[:, 0]),
            (columns.stop == width, parts[:, -1]),
        ):
            if is_border:
                inside[line] = 0
        if inside.sum() > enough:
            notices = (*notices, Notice.of("BAC-W-CLIPPED"))
    return Intensity(signal, valid, scale_known, notices)


def _finish(signal: FloatArray, valid: BoolArray, scale_known: bool, notices: list[Notice]) -> Intensity:
    is_whole = bool(valid.all())
    seen = signal if is_whole else signal[valid]
    if seen.size == 0 or seen.min() == seen.max():
        raise RefusedError("BAC-PIXELS-CONSTANT")
    # Padding takes the value of air, so that nothing bright or infinite leaks from it when resampled.
    filled = signal if is_whole else np.where(valid, signal, seen.min())
    return Intensity(filled, valid, scale_known, tuple(notices))


def _has_bright_air(signal: FloatArray, padding: BoolArray) -> bool:
    """Tell whether the side away from the chest, which is even, is bright: there is air, and air is dark.

    A breast may fill more than half of the border, but not evenly.
    """
    if padding.any():
        return False  # it takes the place of air
    low, high = np.percentile(signal.reshape(-1)[::_EVERY], [1, 99])
    span = high - low
    ends = [np.percentile(side, [10, 90]) for side in (signal[:, 0], signal[:, -1])]
    even = [dark for dark, bright in ends if bright - dark < _EVEN * span]
    return bool(even) and min(even) > low + _BRIGHT_AIR * span


def _border(signal: FloatArray) -> float:
    return float(np.median(np.concatenate([signal[0], signal[-1], signal[:, 0], signal[:, -1]])))


def _is_turned_round(values: FloatArray, header: Header) -> bool:
    """Tell whether rescaled values are the stored ones counted down from their top."""
    is_table = bool(header.items("ModalityLUTSequence"))
    return not is_table and header.number("RescaleSlope") == -1 and float(values.min()) >= 0


def _is_raw(header: Header) -> bool:
    """Tell whether an image that says FOR PROCESSING is one that a detector gives.

    No detector stores 8 bits or negative exposures, and the class of images for processing is one of its own.
    Pixels that were derived from another image's (PS3.3 C.7.6.1.1.2) need not follow the exposure any more.
    """
    origin, capture = (*header.texts("ImageType"), "", "")[:2]
    stored_bits = header.number("BitsStored")
    return (
        (stored_bits is None or stored_bits > _DISPLAY_BITS)
        and header.number("PixelRepresentation") != 1
        and header.uid("SOPClassUID") in (None, MAMMOGRAPHY_RAW)
        and header.text("PresentationIntentType") in ("", "FOR PROCESSING")
        and (origin or "ORIGINAL", capture or "PRIMARY") == ("ORIGINAL", "PRIMARY")
    )


def _full_scale(highest: int, header: Header) -> np.float32:
    """Give the largest value that can be stored; of the bits in use where most of the range never is."""
    bits = int(header.number("BitsStored") or header.number("BitsAllocated") or 16)
    used = highest.bit_length()
    return np.float32(2.0 ** (used if 0 < used <= bits - _IDLE_BITS else bits) - 1.0)
