"""Arteries of this phantom drawn into a display image: real tissue, known mask, nominal mass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bac_backgrounds import Drawn
from bac_phantom.beams import Beam, calcium_factor
from bac_phantom.body.anatomy import Anatomy
from bac_phantom.body.curves import FloatArray
from bac_phantom.calcium.arteries import plan_arteries
from bac_phantom.calcium.courses import Projection, lay_course
from bac_phantom.calcium.under_skin import lay_under_skin
from bac_phantom.calcium.walls import draw_artery

# The technique and breast that the calcium is thought to be imaged with; display pixels do not tell.
NOMINAL_BEAM = Beam("Mo", "Mo", 0.030, 26, "CsI")
NOMINAL_THICKNESS_MM = 50.0
NOMINAL_SID_MM = 650.0
NOMINAL_GAP_MM = 20.0
# Brightness a unit of log attenuation at medium grey: a film gradient of 3 (density a decade of exposure)
# over a density range of 3.5, so 3 / ln(10) / 3.5.
DISPLAY_GAIN = 0.37
# Of the arteries, how many run along the skin: more than in women, since the network has to learn them there.
UNDER_SKIN = 0.35


def draw_arteries(
    brightness: FloatArray,
    breast: npt.NDArray[np.bool_],
    pitch_mm: float,
    mass_mg: float,
    rng: np.random.Generator,
    width_range_mm: tuple[float, float] = (0.8, 3.0),
) -> Drawn | None:
    """Draw calcified arteries: a `bac_backgrounds.Draw`.

    The log attenuation of the calcium (nominal beam) moves the logit of the brightness, as a characteristic
    curve with toe and shoulder would. The mass is what was put in under that beam.

    Parameters
    ----------
    brightness, breast, pitch_mm, mass_mg, rng
        As for `bac_backgrounds.Draw`.
    width_range_mm : tuple of float, optional
        Range of the outer widths.
    """
    depth = ndimage.distance_transform_edt(np.pad(breast, ((0, 0), (1, 0)), mode="edge"))[:, 1:]
    depth = depth.astype(np.float32)
    rows, columns = np.nonzero(breast)
    tip = int(columns.argmax())
    nipple = (float(rows[tip]) * pitch_mm, float(columns[tip]) * pitch_mm)
    tissue = np.full((1, 1), NOMINAL_THICKNESS_MM, dtype=np.float32)
    anatomy = Anatomy(tissue, tissue, breast, depth, nipple)
    shape = (breast.shape[0], breast.shape[1])
    half_height = 0.5 * float(np.ptp(rows)) * pitch_mm
    projection = Projection(
        "CC",
        nipple,
        0.5 * shape[0] * pitch_mm,
        NOMINAL_SID_MM,
        NOMINAL_GAP_MM,
        NOMINAL_THICKNESS_MM,
        max(0.7 * half_height, 1.0),
        1,
    )
    calcium = np.zeros(shape, dtype=np.float32)
    mask = np.zeros(shape, dtype=bool)
    put_in = 0.0
    for artery in plan_arteries(rng, mass_mg, width_range_mm):
        size = (max(nipple[1], 10.0), half_height)
        if rng.random() < UNDER_SKIN:
            wanted_mm = artery.lead_mm + artery.calcified_mm + artery.tail_mm
            course = lay_under_skin(rng, anatomy, projection, pitch_mm, wanted_mm)
        else:
            course = lay_course(rng, artery, [(anatomy, projection)], pitch_mm, size, None)
        drawn = None if course is None else draw_artery(artery, course, projection, pitch_mm, shape)
        if drawn is not None:
            calcium[drawn.box] += drawn.calcium_mg_mm2
            mask[drawn.box] |= drawn.truth
            put_in += artery.mass_mg
    if put_in == 0:
        return None
    # Pixels without calcium keep their value to the bit.
    shown = np.where(calcium > 0, _add(brightness, calcium, pitch_mm), brightness)
    return Drawn(shown, mask, put_in)


def _add(brightness: FloatArray, calcium_mg_mm2: FloatArray, pitch_mm: float) -> FloatArray:
    # Screen and scanner blur what is put in as they blurred the rest.
    calcium = ndimage.gaussian_filter(calcium_mg_mm2, 0.08 / pitch_mm)
    half = np.full(calcium.size, NOMINAL_THICKNESS_MM / 2, dtype=np.float32)
    log_attenuation = -np.log(calcium_factor(NOMINAL_BEAM, half, half, calcium.ravel())).reshape(
        calcium.shape
    )
    odds = np.clip(brightness, 0.004, 0.996)
    # The slope of the logistic curve is a quarter of the logit's at medium grey.
    logit = np.log(odds / (1 - odds)) + np.float32(4 * DISPLAY_GAIN) * log_attenuation
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float32)
