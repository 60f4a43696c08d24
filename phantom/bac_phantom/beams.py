"""Polyenergetic physics of one exposure: from millimetres of tissue to energy absorbed in the detector."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib import resources
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

# Densities in g/cm3: adipose, gland and skin after Hammerstein et al. (1979); hydroxyapatite is crystalline.
DENSITY_ADIPOSE = 0.93
DENSITY_GLAND = 1.04
DENSITY_SKIN = 1.09
DENSITY_PMMA = 1.19
DENSITY_HYDROXYAPATITE = 3.16
# Mass fraction of calcium in Ca10(PO4)6(OH)2 = 400.78 / 1004.62.
CALCIUM_IN_HYDROXYAPATITE = 0.3989
PADDLE_MM = 2.0
SKIN_MM = 1.5

_ABSORBERS = {
    # material, areal density in g/cm2 of the sensitive layer
    "a-Se": ("selenium", 4.3 * 0.020),
    "CsI": ("caesium_iodide", 4.51 * 0.75 * 0.015),
}


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, npt.NDArray[np.float64]]:
    path = resources.files("bac_phantom") / "data" / "spectra.npz"
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files if key != "provenance"}


@dataclass(frozen=True)
class Beam:
    """One X-ray technique: what a mammography header calls anode, filter and KVP."""

    anode: str
    filter_material: str
    filter_thickness_mm: float
    kvp: int
    detector: Literal["a-Se", "CsI"] = "a-Se"

    @property
    def key(self) -> str:
        """Name of the spectrum in the data file."""
        return f"{self.anode}/{self.filter_material}/{self.filter_thickness_mm * 1000:.0f}/{self.kvp}"

    def weights(self) -> npt.NDArray[np.float64]:
        """Energy absorbed in the detector per energy bin with only the paddle in the way (sums to 1)."""
        tables = _tables()
        index = np.flatnonzero(tables["names"] == self.key)
        if index.size != 1:
            raise ValueError(f"no spectrum for {self.key}")
        energy = tables["energy_kev"]
        material, areal_g_cm2 = _ABSORBERS[self.detector]
        absorbed = 1.0 - np.exp(-tables[material] * areal_g_cm2)
        paddle = np.exp(-tables["pmma"] * DENSITY_PMMA * PADDLE_MM / 10.0)
        weight = tables["fluence"][index[0]] * energy * absorbed * paddle
        return np.asarray(weight / weight.sum(), dtype=np.float64)


def techniques() -> list[tuple[str, str, float, int]]:
    """All (anode, filter material, filter thickness in mm, kVp) that the data file holds."""
    out = []
    for name in _tables()["names"]:
        anode, material, thickness_um, kvp = str(name).split("/")
        out.append((anode, material, int(thickness_um) / 1000.0, int(kvp)))
    return out


def transmitted(
    beam: Beam, adipose_mm: FloatArray, gland_mm: FloatArray, skin_mm: float = 2 * SKIN_MM
) -> FloatArray:
    """Primary energy absorbed behind soft tissue, relative to the beam through the paddle alone.

    Parameters
    ----------
    beam
        The technique.
    adipose_mm, gland_mm
        Thickness along the ray, any shape, mm.
    skin_mm
        Skin along the ray (both sides), mm; applied where there is any tissue.

    Returns
    -------
    float32 array of the same shape, in (0, 1]. Read from a table on a 0.5 mm grid of both thicknesses whose
    logarithm is interpolated bilinearly (error under 1e-4, see the tests).
    """
    tables = _tables()
    step_mm = 0.5
    t_adipose = np.arange(0.0, float(adipose_mm.max()) + 2 * step_mm, step_mm)
    t_gland = np.arange(0.0, float(gland_mm.max()) + 2 * step_mm, step_mm)
    weight = beam.weights() * np.exp(-tables["skin"] * DENSITY_SKIN * skin_mm / 10.0)
    mu_a = tables["adipose"] * DENSITY_ADIPOSE / 10.0
    mu_g = tables["gland"] * DENSITY_GLAND / 10.0
    table = np.log((np.exp(-np.outer(t_adipose, mu_a)) * weight) @ np.exp(-np.outer(t_gland, mu_g)).T)
    table32 = table.astype(np.float32)
    tissue = (adipose_mm + gland_mm) > 0
    row = adipose_mm[tissue] / np.float32(step_mm)
    column = gland_mm[tissue] / np.float32(step_mm)
    i, j = row.astype(np.int32), column.astype(np.int32)
    u, v = row - i, column - j
    flat, width = table32.ravel(), table32.shape[1]
    k = i * width + j
    top = flat[k] * (1 - v) + flat[k + 1] * v
    bottom = flat[k + width] * (1 - v) + flat[k + width + 1] * v
    out = np.ones(adipose_mm.shape, dtype=np.float32)
    out[tissue] = np.exp(top * (1 - u) + bottom * u)
    return out


def calcium_factor(
    beam: Beam, adipose_mm: FloatArray, gland_mm: FloatArray, calcium_mg_mm2: FloatArray
) -> FloatArray:
    """Further transmission of calcium (as hydroxyapatite in place of gland) behind the given tissue.

    All arrays one-dimensional, same length; ``calcium_mg_mm2`` is mg of calcium per mm2 of ray cross-section.
    Integrated over the whole spectrum for each pixel, hardening by tissue and by the calcium itself included.
    """
    tables = _tables()
    # mg/mm2 = 0.1 g/cm2; hydroxyapatite displaces its own volume of glandular tissue.
    mu = (
        tables["hydroxyapatite"] - tables["gland"] * DENSITY_GLAND / DENSITY_HYDROXYAPATITE
    ) / CALCIUM_IN_HYDROXYAPATITE
    weight = beam.weights() * np.exp(-tables["skin"] * DENSITY_SKIN * 2 * SKIN_MM / 10.0)
    keep = weight > weight.max() * 1e-6
    mu_a = (tables["adipose"] * DENSITY_ADIPOSE / 10.0)[keep].astype(np.float32)
    mu_g = (tables["gland"] * DENSITY_GLAND / 10.0)[keep].astype(np.float32)
    mu_c = (mu * 0.1)[keep].astype(np.float32)
    w = weight[keep].astype(np.float32)
    out = np.empty(calcium_mg_mm2.shape, dtype=np.float32)
    for start in range(0, out.size, 200_000):
        part = slice(start, start + 200_000)
        behind = np.exp(-np.outer(adipose_mm[part], mu_a) - np.outer(gland_mm[part], mu_g)) * w
        with_calcium = behind * np.exp(-np.outer(calcium_mg_mm2[part], mu_c))
        out[part] = with_calcium.sum(axis=1) / behind.sum(axis=1)
    return out
