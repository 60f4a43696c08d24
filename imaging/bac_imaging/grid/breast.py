"""Find the breast: no labels, lettering, markers, paddles, film edges or white frames."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_imaging.grid.axis import LINEAR
from bac_imaging.grid.film_edges import film_edges, trim_frame
from bac_imaging.grid.levels import air_and_tissue, hull_area
from bac_imaging.grid.working_grid import (
    WORKING_SPACING_MM,
    linear_strips,
    resample_part,
    resample_valid,
    window_of,
)
from bac_terms.errors import RefusedError

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

SKIN_MARGIN_MM = 1.5
"""Taken off inside the skin line: skin calcifications and the line itself look like vessel walls."""
EDGE_MARGIN_MM = 2.0
"""Taken off at the border of the image or film, where the film's edge makes bright lines."""

_COARSE_MM = 0.8
_EDGE_FRACTION = 0.12  # of the step from air to tissue: where the breast starts
_STRIP_FRACTION = 0.5  # of the same step: film edges are as bright as tissue, the haze beside them is not
_LABEL_RADIUS_MM = 2.5  # anything narrower than twice this is lettering, a marker or a paddle's edge
_SMOOTH_RADIUS_MM = 5.0
_RIBBON_RADIUS_MM = 5.0
_MIN_AREA_MM2 = 600.0
_MIN_SOLIDITY = 0.75
_MAX_HOLES = 0.05  # of the breast, at the level of air
_MAX_FAR_CONTACT = 0.3  # of the side opposite the chest wall
_PADDED_FRACTION = 0.05  # of the field: more padding than this has replaced air
_NOISE_FACTOR = 3.0  # the coarse image of pure noise varies by its fine SD over the cell's edge in pixels


def find_breast(signal: FloatArray, valid: BoolArray, *, is_digital: bool = False) -> BoolArray:
    """Find the breast on the working grid. The pectoral muscle may stay in it: it holds arteries too.

    Parameters
    ----------
    signal : ndarray of float32, shape (h, w)
        Signal on the working grid (0.1 mm), larger = more attenuation.
    valid : ndarray of bool, shape (h, w)
        False where the signal means nothing.
    is_digital : bool
        True when the header says that a mammography detector took the image. There is then no film edge
        to look for, and a breast that leaves no air in the field is accepted; without such a header it
        could be a picture of anything.

    Returns
    -------
    ndarray of bool, shape (h, w)
        The breast, drawn in by `SKIN_MARGIN_MM` at the skin and `EDGE_MARGIN_MM` at the image's border.

    Raises
    ------
    RefusedError
        ``BAC-BREAST-NOT-FOUND`` when nothing looks like a breast.
    """
    scale = _COARSE_MM / WORKING_SPACING_MM
    shape = (max(1, round(signal.shape[0] / scale)), max(1, round(signal.shape[1] / scale)))
    coarse, usable = resample_valid(signal, valid, shape)
    if min(shape) < 8 or not _has_structure(signal, coarse, valid, usable, scale):
        raise _not_found()
    # Many systems write padding where there was air, so what is invalid counts as the darkest there is;
    # were it left out, the levels below would be looked for in tissue alone.
    field = trim_frame(coarse, usable)
    if not (usable & field).any():
        raise _not_found()
    darkest = _darkest(coarse[usable & field])
    if (field & ~usable).sum() > _PADDED_FRACTION * field.sum():
        coarse = np.maximum(coarse, darkest)
    coarse, usable = np.where(usable, coarse, darkest), field
    smooth = _smooth(coarse, usable)
    levels = air_and_tissue(np.sort(smooth[usable]))
    if levels is None:
        if not is_digital:
            raise _not_found()
        breast = usable
    else:
        air, tissue, noise = levels
        threshold = max(air + _EDGE_FRACTION * (tissue - air), air + 5.0 * noise)
        above = (smooth > threshold) & usable
        if not is_digital:
            usable = usable & ~film_edges(smooth > air + _STRIP_FRACTION * (tissue - air), usable, _COARSE_MM)
        breast = _largest(_open(above & usable, usable, _LABEL_RADIUS_MM))
        breast = ndimage.binary_fill_holes(breast) & usable
        breast = _open(_close(breast, usable, _SMOOTH_RADIUS_MM), usable, _SMOOTH_RADIUS_MM)
        breast = _cut_ribbons(_largest(breast))
        _check(breast, usable, is_digital=is_digital)
        # Well below the threshold: beside a very bright pectoral muscle, noisy fat is darker than that.
        _check_filled(signal, _draw_in(breast, usable), (air + threshold) / 2)
    inner = _draw_in(breast, usable)
    if inner.sum() * _COARSE_MM**2 < _MIN_AREA_MM2 / 2:
        raise _not_found()
    breast = _at_full_resolution(inner, signal.shape)
    breast &= valid
    return breast


def _not_found() -> RefusedError:
    return RefusedError("BAC-BREAST-NOT-FOUND")


def _has_structure(
    signal: FloatArray, coarse: FloatArray, valid: BoolArray, usable: BoolArray, scale: float
) -> bool:
    """Tell an image from a constant and from noise alone."""
    if usable.sum() < 64:
        return False
    both = valid[1::4, ::4] & valid[:-1:4, ::4]
    steps = (signal[1::4, ::4] - signal[:-1:4, ::4])[both]
    fine_sd = 1.4826 * float(np.median(np.abs(steps))) / np.sqrt(2.0) if steps.size else 0.0
    coarse_sd = float(coarse[usable].std())
    return coarse_sd > max(_NOISE_FACTOR * fine_sd / scale, 1e-6)


def _darkest(values: FloatArray) -> np.float32:
    """Level that stands for air where padding replaced it.

    The first percentile, but no further below the tissue than three of its spreads: processed images fall
    off steeply towards the skin, and that rim is no breast to look for vessels in.
    """
    first, quarter, middle, upper = np.percentile(values, [1.0, 25.0, 50.0, 75.0])
    return np.float32(max(first, middle - 3.0 * (upper - quarter) / 1.349))


def _smooth(coarse: FloatArray, usable: BoolArray) -> FloatArray:
    """Smooth over one coarse pixel without letting unusable pixels in."""
    weight = ndimage.gaussian_filter(usable.astype(np.float32), 1.0)
    total = ndimage.gaussian_filter(np.where(usable, coarse, np.float32(0)), 1.0)
    smooth: FloatArray = np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-3)
    return smooth


def _near(mask: BoolArray, radius: float) -> BoolArray:
    """Mark what is nearer than `radius` pixels to a mask: whole rows, shifted over the rows of a disc."""
    near, wide, width = np.zeros_like(mask), mask.copy(), 0
    for down in range(min(math.ceil(radius), len(mask)) - 1, -1, -1):
        while (width + 1) ** 2 + down**2 < radius**2:
            width += 1
            wide[:, width:] |= mask[:, :-width]
            wide[:, :-width] |= mask[:, width:]
        near[down:] |= wide[: len(wide) - down]
        near[: len(near) - down] |= wide[down:]
    return near


def _disc(mask: BoolArray, radius_mm: float, *, grow: bool) -> BoolArray:
    """Grow or shrink a mask by a disc; the image's border neither adds nor takes away."""
    radius = radius_mm / _COARSE_MM
    pad = math.ceil(radius)
    padded = np.pad(mask, pad, mode="edge")
    result = _near(padded, radius) if grow else ~_near(~padded, radius)
    return result[pad:-pad, pad:-pad]


def _open(mask: BoolArray, usable: BoolArray, radius_mm: float) -> BoolArray:
    # Outside the usable field nothing is known: counting it as breast keeps the outline from being
    # rounded off where the breast meets the film's edge.
    shrunk = _disc(mask | ~usable, radius_mm, grow=False) & usable
    return _disc(shrunk, radius_mm, grow=True) & mask


def _close(mask: BoolArray, usable: BoolArray, radius_mm: float) -> BoolArray:
    return _disc(_disc(mask, radius_mm, grow=True), radius_mm, grow=False) & usable | mask


def _largest(mask: BoolArray) -> BoolArray:
    labels, count = ndimage.label(mask)
    if count == 0:
        raise _not_found()
    sizes = np.bincount(labels.ravel())[1:]
    return np.asarray(labels == 1 + int(sizes.argmax()))


def _cut_ribbons(breast: BoolArray) -> BoolArray:
    """Cut off narrow ribbons along the border: haze of a film's edge, the belly below the breast."""
    radius = _RIBBON_RADIUS_MM / _COARSE_MM
    core = _largest(~_near(np.pad(~breast, 1, constant_values=True), radius)[1:-1, 1:-1])
    # Far enough to get back into the corners between skin and border, where the disc did not fit.
    return _largest(breast & _near(core, 1.5 * radius))


def _check(breast: BoolArray, usable: BoolArray, *, is_digital: bool) -> None:
    """Refuse what cannot be a breast: too small, ragged, or not hanging from a border of the field."""
    if breast.sum() * _COARSE_MM**2 < _MIN_AREA_MM2:
        raise _not_found()
    inside = ndimage.binary_erosion(usable, iterations=2, border_value=0)
    if not (breast & usable & ~inside).any():
        raise _not_found()
    rows, columns = np.flatnonzero(usable.any(axis=1)), np.flatnonzero(usable.any(axis=0))
    field = breast[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    far_contact = min(side.mean() for side in (field[0], field[-1], field[:, 0], field[:, -1]))
    if not is_digital and far_contact > _MAX_FAR_CONTACT:
        raise _not_found()
    if breast.sum() / hull_area(breast) < _MIN_SOLIDITY:
        raise _not_found()


def _check_filled(signal: FloatArray, inner: BoolArray, air: float) -> None:
    """Refuse what is full of holes at full resolution, such as a page of text."""
    window = window_of(inner, 0, signal.shape)
    if window is None:
        return
    rows, columns = (slice(part.start // 2 * 2, part.stop) for part in window)
    inside = resample_part(LINEAR, inner, inner.shape, signal.shape, (rows, columns))[::2, ::2] > 0.99
    if inside.any() and (signal[rows, columns][::2, ::2][inside] <= air).mean() > _MAX_HOLES:
        raise _not_found()


def _draw_in(breast: BoolArray, usable: BoolArray) -> BoolArray:
    """Draw the mask in at the skin and at the border of the field."""
    # A pixel's centre lies half a pixel inside its border.
    skin, edge = (margin / _COARSE_MM + 0.5 for margin in (SKIN_MARGIN_MM, EDGE_MARGIN_MM))
    beyond_edge = _near(np.pad(~usable, 1, constant_values=True), edge)[1:-1, 1:-1]
    return breast & ~_near(~breast & usable, skin) & ~beyond_edge


def _at_full_resolution(inner: BoolArray, shape: tuple[int, ...]) -> BoolArray:
    """Carry the mask to the working grid with a smooth outline, only where it is and strip by strip."""
    breast = np.zeros(shape, dtype=bool)
    reach = 2  # pixels of the coarse mask: more than the Gaussian adds to it
    box, given = window_of(inner, reach, shape), window_of(inner, reach + 1)
    if box is None or given is None:
        return breast
    smooth = ndimage.gaussian_filter(inner.astype(np.float32), 1.0)
    for rows, strip in linear_strips(smooth[given], inner.shape, shape, box, given):
        np.greater(strip, 0.5, out=breast[box][rows])
    return breast
