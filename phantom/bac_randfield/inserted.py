"""Arteries of this generator drawn into a display image: real tissue, known mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_backgrounds import Drawn
from bac_randfield.body.outline import Outline
from bac_randfield.calcium.arteries import Setting, lay_arteries
from bac_randfield.calcium.drawn import Canvas, draw_artery
from bac_randfield.physics import Attenuator, Beam, FloatArray, log_attenuation

_COARSE_MM = 1.0
_THICKNESS_MM, _SOURCE_MM, _GAP_MM = 55.0, 660.0, 20.0
_GLANDULARITY = 0.25
_BEAM = Beam("W", "Rh", 50.0, 29.0, "a-Se")
_GAIN = (
    1.0  # brightness a unit of log attenuation: the tissue of a breast spans half a unit of the shown range
)
_BLUR_MM = (0.04, 0.12)
# In real images arteries come close to the skin, closer than in this generator's own women.
_MARGIN_MM = (1.0, 6.0)


def draw_arteries(
    brightness: FloatArray,
    breast: npt.NDArray[np.bool_],
    pitch_mm: float,
    mass_mg: float,
    rng: np.random.Generator,
) -> Drawn | None:
    """Draw calcified arteries: a `bac_backgrounds.Draw`.

    The calcium's log attenuation in a typical beam is blurred and added to the brightness; near white less is
    added, as a display's shoulder does.
    """
    setting = _setting(breast, pitch_mm, float(rng.uniform(*_MARGIN_MM)))
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
    return Drawn(shown, canvas.mask & breast, put_in)


def _setting(breast: npt.NDArray[np.bool_], pitch_mm: float, margin_mm: float) -> Setting | None:
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
    return Setting("CC", outline, grid_mm, _SOURCE_MM, _GAP_MM, _THICKNESS_MM, margin_mm)
