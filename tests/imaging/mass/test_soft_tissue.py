"""Gland from the image itself, and what a vessel's soft tissue reads like."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest

from bac_imaging.mass.calibration import Calibration
from bac_imaging.mass.soft_tissue import GLAND_IN_FAT, GLANDULARITY, tissue_scale, vessel_soft_tissue

THICKNESS_MM = 50.0
SHAPE = (1200, 900)
# W/Rh 28 kV at 5 cm: k, and log signal a mm of gland makes in place of fat (SpekPy, xraydb; Hammerstein).
K, GLAND_PER_MM = 14.05, 0.0257


def _scale(gland_mm: np.ndarray, breast: np.ndarray | None = None):
    signal = (5.0 + GLAND_PER_MM * gland_mm).astype(np.float32)
    breast = np.ones(SHAPE, dtype=bool) if breast is None else breast
    calibration = Calibration(K, 0.0, 0.0, 0.0, THICKNESS_MM)
    return tissue_scale(signal, breast, calibration, (0.1, 0.1), 1.0), signal.astype(np.float64)


def test_gland_is_read_off_against_the_fattest_part() -> None:
    gland_mm = np.zeros(SHAPE)
    gland_mm[:, 300:600] = 0.3 * 47.0  # 47 mm between the skins
    gland_mm[:, 600:] = 0.6 * 47.0
    scale, signal = _scale(gland_mm)
    found = [float(scale.glandularity(signal[600, column : column + 1])[0]) for column in (100, 450, 800)]
    assert found == pytest.approx([0.0, 0.3, 0.6], abs=0.01)


def test_a_breast_without_differences_has_the_usual_gland() -> None:
    scale, signal = _scale(np.full(SHAPE, 10.0))
    assert scale.glandularity(signal[:1, :1]) == pytest.approx(0.15, abs=0.01)


def test_where_no_part_has_the_full_thickness_the_usual_gland_is_taken() -> None:
    breast = np.zeros(SHAPE, dtype=bool)
    breast[400:800, 100:500] = True  # 4 cm wide: all of it is nearer to the skin than half of 5 cm
    scale, signal = _scale(np.full(SHAPE, 10.0), breast=breast)
    assert scale.fat_signal is None
    assert scale.glandularity(signal[:1, :1]) == pytest.approx(0.15)


def test_the_chest_wall_is_no_skin() -> None:
    breast = np.zeros(SHAPE, dtype=bool)
    breast[200:1000, 20:500] = True  # kept 2 mm off the image's left border
    assert _scale(np.full(SHAPE, 10.0), breast=breast)[0].fat_signal is not None


@pytest.mark.parametrize("energy_kev", [18.0, 20.0, 22.0, 25.0])
def test_equivalents_hold_at_every_mammographic_energy(energy_kev: float) -> None:
    xraydb = pytest.importorskip("xraydb")

    def per_mm(density: float, **fractions: float) -> float:
        mu = sum(f * float(xraydb.mu_elam(e, energy_kev * 1000)) for e, f in fractions.items())
        return mu * density / 10.0

    def ash(share: float) -> dict[str, float]:
        return dict.fromkeys(("P", "S", "K", "Ca"), share / 4)

    fat = per_mm(0.93, H=0.112, C=0.619, N=0.017, O=0.251, **ash(0.001))
    gland = per_mm(1.04, H=0.102, C=0.184, N=0.032, O=0.677, **ash(0.005))
    blood = per_mm(
        1.06, H=0.102, C=0.11, N=0.033, O=0.745, Na=0.001, P=0.001, S=0.002, Cl=0.003, K=0.002, Fe=0.001
    )
    wall = per_mm(1.05, H=0.102, C=0.143, N=0.034, O=0.71, Na=0.001, P=0.002, S=0.003, Cl=0.001, K=0.004)
    vessel = 0.7 * blood + 0.3 * wall
    apatite = per_mm(3.16, Ca=0.3989, P=0.185, O=0.4141, H=0.002)
    # mm of apatite in place of gland, per g/cm2 of calcium.
    k = (apatite - gland) / (3.16 * 0.3989 / 10.0)
    found = vessel_soft_tissue(np.array([0.0, 1.0]))
    assert found == pytest.approx([(vessel - fat) / k, (vessel - gland) / k], rel=0.06)
    assert pytest.approx((gland - fat) / k, rel=0.06) == GLAND_IN_FAT


def test_usual_gland_is_that_of_the_calibration_table() -> None:
    provenance = json.loads((files("bac_imaging") / "data" / "calibration.json").read_text())
    table = provenance["model"]["glandularity_by_thickness_mm"]
    assert dict(zip(*GLANDULARITY, strict=True)) == {float(mm): share for mm, share in table.items()}
