"""Detector blur, taken out of an exposure.

A detector averages the exposure, not its logarithm, and the logarithm of an average over a dense plaque and
its surroundings is less than the average of the logarithms: blur hides calcium, the more the denser and finer
it is. The blur of each kind of detector is known from published transfer functions, so the exposure is
sharpened by it before the logarithm is taken. The filter is Wiener's with a constant noise-to-signal ratio,
scaled to leave uniform areas as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]

_NOISE_TO_SIGNAL = 0.03  # holds the gain below 3; at 2 cycles a mm a scintillator is restored to 98 %
_LEAST = (
    0.5  # of the blurred exposure: realistic plaques are hidden by less, and what undershoots stays finite
)
_PAD_PX = 16


@dataclass(frozen=True)
class Blur:
    """Point spread of a detector, pixel included: a Gaussian core, and a tail where a layer spreads light.

    Attributes
    ----------
    core_mm : float
        Standard deviation of the core; 0 where nothing is to be undone.
    tail_mm, tail_share : float
        Standard deviation of the tail, and its share of the whole.
    """

    core_mm: float = 0.0
    tail_mm: float = 0.0
    tail_share: float = 0.0

    def transfer(self, *squared_per_mm2: DoubleArray) -> DoubleArray:
        """Return the transfer function, 1 at frequency 0, at squared frequencies in 1/mm2.

        Those of several axes are given one by one, as they broadcast, and count by their sum: a Gaussian of
        it is the product of theirs, which takes few exponentials.
        """
        core, tail = (
            math.prod(np.exp(-2.0 * np.pi**2 * sigma**2 * squared) for squared in squared_per_mm2)
            for sigma in (self.core_mm, self.tail_mm)
        )
        return np.asarray((1.0 - self.tail_share) * core + self.tail_share * tail)


NO_BLUR = Blur()


def sharpen(exposure: FloatArray, blur: Blur, spacing_mm: tuple[float, float]) -> FloatArray:
    """Undo a detector's blur as far as noise allows.

    Parameters
    ----------
    exposure : ndarray of float32, shape (h, w)
        Exposure of the detector, any unit.
    blur : Blur
        Point spread.
    spacing_mm : tuple of float
        Spacing, (between rows, between columns), in mm.

    Returns
    -------
    ndarray of float32, shape (h, w)
        Sharpened exposure, at least half of the blurred one: where the image is sharper than assumed, what
        is undone in vain swings below zero, and the logarithm of next to nothing would add masses of calcium.
    """
    if blur == NO_BLUR:
        return exposure
    from scipy import fft  # most images have no vessel to weigh, and a server starts sooner

    padded = np.pad(exposure, _PAD_PX, mode="reflect" if min(exposure.shape) > _PAD_PX else "edge")
    shape = tuple(fft.next_fast_len(n, real=True) for n in padded.shape)
    # What the transform wraps round at the far ends meets a copy of the border, not a step.
    grown = np.pad(padded, [(0, n - m) for n, m in zip(shape, padded.shape, strict=True)], mode="edge")
    by_row = np.fft.fftfreq(shape[0], spacing_mm[0])[:, None]
    by_column = np.fft.rfftfreq(shape[1], spacing_mm[1])[None, :]
    transfer = blur.transfer(by_row**2, by_column**2).astype(np.float32)
    gain = (1.0 + _NOISE_TO_SIGNAL) * transfer / (transfer**2 + _NOISE_TO_SIGNAL)
    sharp = fft.irfft2(fft.rfft2(grown) * gain.astype(np.float32), s=shape)
    core = sharp[_PAD_PX : _PAD_PX + exposure.shape[0], _PAD_PX : _PAD_PX + exposure.shape[1]]
    return np.maximum(core.astype(np.float32), np.float32(_LEAST) * exposure)
