"""Gaussian random fields and the ridges along which they change sign."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from bac_randfield.physics import FloatArray


def gaussian_field(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    pitch_mm: float,
    beta: float = 3.0,
    longest_mm: float = 60.0,
    shortest_mm: float = 0.0,
    stretch: float = 1.0,
    turn: float = 0.0,
) -> FloatArray:
    """Make a field of mean 0 and standard deviation 1 whose power falls as frequency to the minus beta.

    Parameters
    ----------
    rng, shape, pitch_mm
        Generator; (rows, columns); pixel size.
    beta
        Exponent of the power spectrum.
    longest_mm, shortest_mm
        Wavelengths beyond which the spectrum is flat, and below which it is cut.
    stretch, turn
        By how much structures are drawn out, and along which direction: radians from "right" towards "down".
    """
    rows, columns = (fft.next_fast_len(n + 8, real=True) for n in shape)
    # Noise is drawn for the frequencies that are kept, and for no others: the rest is zero.
    top = np.inf if shortest_mm <= 0 else 3.0 / shortest_mm
    down = fft.fftfreq(rows, pitch_mm)[:, None].astype(np.float32)
    right = fft.rfftfreq(columns, pitch_mm)[None, :].astype(np.float32)
    low = np.flatnonzero(np.abs(down[:, 0]) <= top)
    narrow = int(np.count_nonzero(right[0] <= top))
    down, right = down[low], right[:, :narrow]
    along = np.float32(np.cos(turn)) * right + np.float32(np.sin(turn)) * down
    across = np.float32(np.cos(turn)) * down - np.float32(np.sin(turn)) * right
    squared = np.float32(stretch**2) * along**2 + across**2
    gain = (squared + np.float32(longest_mm**-2)) ** np.float32(-beta / 4)
    if shortest_mm > 0:
        gain *= np.exp(-squared * np.float32(shortest_mm**2 * 0.5))
    gain[0, 0] = 0
    noise = rng.standard_normal((2, *gain.shape), dtype=np.float32)
    spectrum = np.zeros((rows, columns // 2 + 1), dtype=np.complex64)
    spectrum[low, :narrow] = (noise[0] + np.complex64(1j) * noise[1]) * gain
    field = fft.irfft2(spectrum, s=(rows, columns), workers=1)[: shape[0], : shape[1]]
    return np.asarray(field / max(float(field.std()), 1e-9), dtype=np.float32)


def zero_ridges(
    field: FloatArray, pitch_mm: float, width_mm: FloatArray | float, veil: float = 0.0
) -> FloatArray:
    """Return lines along the zero crossings of a smooth field: 1 on them, 0 far away.

    `width_mm` is their half width, `veil` the brightness of what fades on the positive side over some widths:
    a wall that lies aslant.
    """
    down, right = np.gradient(field, np.float32(pitch_mm))
    slope = np.hypot(down, right)
    # Where the field is flat its zero is ill defined; without a floor that would make blots.
    distance = np.abs(field) / (slope + 0.25 * float(slope.mean())) / width_mm
    line = np.exp(-0.5 * distance**2)
    if veil > 0:
        line += np.float32(veil) * np.where(field > 0, np.exp(-distance / np.float32(8)), 0)
    return np.asarray(line, dtype=np.float32)


def bend(field: FloatArray, down_px: FloatArray, right_px: FloatArray) -> FloatArray:
    """Sample a field at places moved by so many pixels down and right."""
    rows = np.arange(field.shape[0], dtype=np.float32)[:, None] + down_px
    columns = np.arange(field.shape[1], dtype=np.float32)[None, :] + right_px
    return np.asarray(ndimage.map_coordinates(field, [rows, columns], order=1, mode="reflect"))


def enlarge(image: FloatArray, shape: tuple[int, ...], factor: int) -> FloatArray:
    """Bring an image of pixels `factor` times as large to `shape`, straight in between.

    The top left corners of both grids coincide.
    """
    out = image
    for axis, length in enumerate(shape):
        at = (np.arange(length, dtype=np.float64) + 0.5) / factor - 0.5
        low = np.clip(np.floor(at).astype(np.intp), 0, image.shape[axis] - 2)
        share = np.clip(at - low, 0, 1).astype(np.float32)
        share = share[:, None] if axis == 0 else share[None, :]
        lower = np.take(out, low, axis=axis)
        upper = np.take(out, low + 1, axis=axis)
        upper -= lower
        upper *= share
        upper += lower
        out = upper
    return np.asarray(out, dtype=np.float32)


def shrink(image: FloatArray, factor: int) -> FloatArray:
    """Average over blocks of `factor` x `factor`; the last rows and columns are repeated to fill a block."""
    rows, columns = (-(-n // factor) * factor for n in image.shape)
    padded = np.pad(image, ((0, rows - image.shape[0]), (0, columns - image.shape[1])), mode="edge")
    blocks = padded.reshape(rows // factor, factor, columns // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)
