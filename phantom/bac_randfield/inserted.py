"""Arteries of this generator put into a display image: real tissue, known mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_randfield.body.outline import Outline
from bac_randfield.calcium.arteries import Setting, lay_arteries
from bac_randfield.calcium.drawn import Canvas, draw_artery
from bac_randfield.physics import Attenuator, Beam, FloatArray, log_attenuation

if TYPE_CHECKING:
    import bac_phantom.inserted

__all__ = ["Inserted", "insert_arteries", "insert_into"]

_COARSE_MM = 1.0
_THICKNESS_MM, _SOURCE_MM, _GAP_MM = 55.0, 660.0, 20.0
_GLANDULARITY = 0.25
_BEAM = Beam("W", "Rh", 50.0, 29.0, "a-Se")
_GAIN = (
    1.0  # brightness a unit of log attenuation: the tissue of a breast spans half a unit of the shown range
)
_BLUR_MM = (0.04, 0.12)


@dataclass(frozen=True)
class Inserted:
    """An image with arteries put in, in the matrix of its background.

    Attributes
    ----------
    brightness : ndarray of float32, shape (rows, columns)
        0 to 1, white attenuates.
    mask : ndarray of bool, shape (rows, columns)
        BAC.
    calcium_mass_mg : float
        Calcium put in.
    """

    brightness: FloatArray
    mask: npt.NDArray[np.bool_]
    calcium_mass_mg: float


def insert_arteries(
    brightness: FloatArray,
    breast: npt.NDArray[np.bool_],
    pitch_mm: float,
    mass_mg: float,
    rng: np.random.Generator,
) -> Inserted | None:
    """Put calcified arteries into a display image.

    Parameters
    ----------
    brightness : ndarray of float32, shape (rows, columns)
        0 to 1, white attenuates.
    breast : ndarray of bool, shape (rows, columns)
        Where the breast is, at the left or right border.
    pitch_mm : float
        Pixel spacing.
    mass_mg : float
        Calcium to put in, about.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    Inserted or None
        None where no artery finds room. The calcium's log attenuation in a typical beam is blurred and added
        to the brightness; near white less is added, as a display's shoulder does. Nothing in the pixels lets
        the mass be measured back.
    """
    middle = breast.shape[1] // 2
    flipped = bool(breast[:, middle:].sum() > breast[:, :middle].sum())
    if flipped:
        brightness, breast = brightness[:, ::-1], breast[:, ::-1]
    setting = _setting(breast, pitch_mm)
    arteries = lay_arteries(rng, [setting], mass_mg) if setting is not None else []
    if setting is None or not arteries:
        return None
    fat, gland = _THICKNESS_MM * (1 - _GLANDULARITY), _THICKNESS_MM * _GLANDULARITY
    tissue = np.full(breast.shape, float(log_attenuation(_BEAM, fat, gland)), dtype=np.float32)
    canvas = Canvas(
        pitch_mm,
        tissue,
        _GLANDULARITY,
        np.ones(breast.shape, dtype=np.float32),
        np.zeros(breast.shape, dtype=np.bool_),
    )
    attenuator = Attenuator(_BEAM, 1.1 * _THICKNESS_MM)
    put_in = sum(draw_artery(rng, canvas, attenuator, artery, setting, 0).mass_mg for artery in arteries)
    through = ndimage.gaussian_filter(canvas.through, rng.uniform(*_BLUR_MM) / pitch_mm)
    room = np.clip(1 - brightness, 1e-3, None)
    added = room * -np.expm1(np.float32(_GAIN) * np.log(np.clip(through, 1e-4, 1)) / room)
    shown = brightness + np.where(breast, added, 0).astype(np.float32)
    mask = canvas.mask & breast
    if flipped:
        shown, mask = shown[:, ::-1], mask[:, ::-1]
    return Inserted(np.ascontiguousarray(shown), np.ascontiguousarray(mask), put_in)


def insert_into(
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    pitch_mm: float,
    mass_mg: float,
    rng: np.random.Generator,
) -> bac_phantom.inserted.Inserted:
    """Put calcified arteries into the pixels of a display image.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (rows, columns)
        White attenuates; breast at the left or right border.
    pitch_mm : float
        Pixel spacing.
    mass_mg : float
        Calcium to put in, about.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    bac_phantom.inserted.Inserted
        The image, as `bac_phantom.inserted.insert_arteries` gives it.

    Raises
    ------
    bac_phantom.inserted.BackgroundError
        When no breast is found, or no artery finds room in it.
    """
    # Where the breast lies in a real picture is no part of either phantom's model.
    from bac_phantom.inserted import BackgroundError, find_breast
    from bac_phantom.inserted import Inserted as Image

    top = np.float32(np.iinfo(pixels.dtype).max)
    brightness = pixels.astype(np.float32) / top
    made = insert_arteries(brightness, find_breast(brightness, pitch_mm), pitch_mm, mass_mg, rng)
    if made is None:
        raise BackgroundError("no artery fits into the breast; check that the pixel spacing is right")
    shown = np.rint(np.clip(made.brightness, 0, 1) * top)
    stored = shown.astype(np.uint8) if pixels.dtype == np.uint8 else shown.astype(np.uint16)
    return Image(stored, made.mask, made.calcium_mass_mg)


def _setting(breast: npt.NDArray[np.bool_], pitch_mm: float) -> Setting | None:
    step = max(round(_COARSE_MM / pitch_mm), 1)
    coarse = breast[step // 2 :: step, step // 2 :: step]
    if not coarse.any():
        return None
    grid_mm = step * pitch_mm
    # The chest wall is no skin: the breast goes on behind the image's border.
    depth = ndimage.distance_transform_edt(np.pad(coarse, ((0, 0), (1, 0)), mode="edge"))[:, 1:]
    edge = (depth * grid_mm).astype(np.float32)
    reach = np.where(coarse.any(axis=1), coarse.shape[1] - np.argmax(coarse[:, ::-1], axis=1), 0) * grid_mm
    tip = int(np.argmax(reach))
    outline = Outline(reach, ((tip + 0.5) * grid_mm, float(reach[tip])), edge, np.zeros_like(edge))
    return Setting("CC", outline, grid_mm, _SOURCE_MM, _GAP_MM, _THICKNESS_MM)
