"""Lookup tables and windows of a DICOM header."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bac_imaging.read.attributes.header import Header

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_SHOWN = (0.1, 0.9)
"""Part of a VOI LUT's output range that is followed; beyond it tables are flat, which is clipping."""
_KNOTS = 33
_LEAST_SLOPE = 0.25
"""Slope beyond the followed part over the mean slope within it: never flat, so that nothing is lost."""


def apply_modality_lut(stored: npt.NDArray[np.int32], header: Header) -> tuple[FloatArray, bool]:
    """Apply the Modality LUT Sequence, or rescale slope and intercept.

    Parameters
    ----------
    stored : numpy.ndarray
        int32, stored values, of any shape.
    header : Header
        Header of the image. Values that cannot be used (a slope of 0, NaN) count as absent.

    Returns
    -------
    numpy.ndarray
        float32, of the same shape.
    bool
        True if the output falls where stored values rise.
    """
    table = _table(header, "ModalityLUTSequence")
    if table is not None:
        inputs, outputs = table
        index = np.clip(stored - int(inputs[0]), 0, len(outputs) - 1)
        return outputs[index], bool(outputs[-1] < outputs[0])
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    slope = 1.0 if slope is None or not math.isfinite(slope) or slope == 0 else slope
    intercept = 0.0 if intercept is None or not math.isfinite(intercept) else intercept
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept), slope < 0


def display_scale(values: FloatArray, valid: BoolArray, header: Header) -> FloatArray:
    """Map the range that the header wants to be shown onto 0 to 1, and continue it without clipping.

    A window becomes its line (a SIGMOID its tangent at the centre), continued beyond 0 and 1. A VOI LUT is
    followed where it rises and continued straight where it goes flat. Without either, the valid values span 0
    to 1. Always strictly monotone: calcium brighter than the window must still stand out.

    Parameters
    ----------
    values : numpy.ndarray
        float32, output of the modality LUT, of any shape.
    valid : numpy.ndarray
        bool, of the same shape, False where no pixel or only padding has the value.
    header : Header
        Header of the image.

    Returns
    -------
    numpy.ndarray
        float32, of the same shape.
    """
    window = _window(header)
    if window is not None:
        centre, width = window
        return (values - np.float32(centre)) / np.float32(width) + np.float32(0.5)
    knots = _voi_knots(header)
    if knots is not None:
        return _interpolate(values, *knots)
    seen = values[valid] if valid.any() else values
    low, high = float(seen.min()), float(seen.max())
    return (values - np.float32(low)) / np.float32(max(high - low, 1e-6))


def _window(header: Header) -> tuple[float, float] | None:
    centre, width = header.number("WindowCenter"), header.number("WindowWidth")
    if centre is None or width is None or not (math.isfinite(centre) and math.isfinite(width)):
        return None
    # PS3.3 C.11.2.1.2: the default LINEAR function counts from pixel centre to pixel centre.
    if header.text("VOILUTFunction") in ("", "LINEAR"):
        centre, width = centre - 0.5, width - 1
    return (centre, width) if width > 0 else None


def _voi_knots(header: Header) -> tuple[FloatArray, FloatArray] | None:
    table = _table(header, "VOILUTSequence")
    if table is None:
        return None
    inputs, outputs = table
    low, high = float(outputs.min()), float(outputs.max())
    if low == high:
        return None
    level = (outputs - low) / np.float32(high - low)
    falls = level[-1] < level[0]
    rising = np.maximum.accumulate(1 - level if falls else level)
    first = int(np.searchsorted(rising, _SHOWN[0]))
    last = int(np.searchsorted(rising, _SHOWN[1], side="right")) - 1
    if last - first < 2:
        first, last = 0, len(inputs) - 1
    # Few knots: the steps of a table with fewer output than input values are smoothed over.
    at = np.unique(np.linspace(first, last, min(_KNOTS, last - first + 1)).round().astype(int))
    heights = rising[at] + np.linspace(0, 1e-4, len(at), dtype=np.float32)
    return inputs[at], (1 - heights if falls else heights)


def _interpolate(values: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Interpolate between knots and continue with the outermost slopes, but never flat."""
    inner = np.interp(values, x, y).astype(np.float32)
    mean = (y[-1] - y[0]) / (x[-1] - x[0])
    least = _LEAST_SLOPE * abs(mean)
    before = np.sign(mean) * max(abs((y[1] - y[0]) / (x[1] - x[0])), least)
    beyond = np.sign(mean) * max(abs((y[-1] - y[-2]) / (x[-1] - x[-2])), least)
    outer = np.minimum(values - x[0], 0) * before + np.maximum(values - x[-1], 0) * beyond
    return np.asarray(inner + outer, dtype=np.float32)


def _table(header: Header, keyword: str) -> tuple[FloatArray, FloatArray] | None:
    """Read the first LUT of a sequence as inputs and outputs, None where there is no usable one."""
    items = header.items(keyword)
    if not items:
        return None
    descriptor = items[0].numbers("LUTDescriptor")
    if len(descriptor) != 3 or not all(math.isfinite(value) for value in descriptor):
        return None
    outputs = np.asarray(items[0].words("LUTData"), dtype=np.float32)
    count = int(descriptor[0]) or 65536
    if count < 2 or len(outputs) < count:
        return None
    first = descriptor[1]
    if header.number("PixelRepresentation") == 1 and first > 32767:
        first -= 65536
    return np.arange(count, dtype=np.float32) + np.float32(first), outputs[:count]
