"""X-ray beam and attenuation: a parametric spectrum, tissues, calcium, and the signal behind them.

The spectrum is Kramers' bremsstrahlung behind a layer of the target itself, with the K lines of molybdenum
and rhodium in proportion to (U - 1)^1.63, U being the tube voltage over the K edge (Green and Cosslett).
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Array64 = npt.NDArray[np.float64]

# Elements by weight; density in g/cm3. Tissues: Hammerstein et al., Radiology 130 (1979); ash as P.
_TISSUES: dict[str, tuple[float, dict[str, float]]] = {
    "fat": (0.93, {"H": 0.112, "C": 0.619, "N": 0.017, "O": 0.251, "P": 0.001}),
    "gland": (1.04, {"H": 0.102, "C": 0.184, "N": 0.032, "O": 0.677, "P": 0.005}),
    "plastic": (1.19, {"H": 0.0805, "C": 0.5998, "O": 0.3196}),
}
# Hydroxyapatite, Ca5(PO4)3OH.
HYDROXYAPATITE = {"Ca": 0.3989, "P": 0.1850, "O": 0.4141, "H": 0.0020}
_HYDROXYAPATITE_DENSITY = 3.16
_DENSITY = {"Mo": 10.22, "Rh": 12.41, "Ag": 10.49, "Al": 2.70, "Be": 1.848, "W": 19.3}
# K edge, then lines with their shares of the K radiation, keV.
_LINES = {
    "Mo": (20.00, ((17.44, 0.84), (19.60, 0.16))),
    "Rh": (23.22, ((20.17, 0.83), (22.72, 0.17))),
}
# Chosen so that half-value layers agree with published ones (see the tests): strength of the K lines, and
# the layer of target, in um, that bremsstrahlung crosses.
_LINE_STRENGTH = {"Mo": 10.0, "Rh": 9.0}
_TARGET_UM = {"Mo": 9.0, "Rh": 9.0, "W": 2.0}


@functools.cache
def _table() -> dict[str, Any]:
    text = files("bac_randfield").joinpath("data/attenuation.json").read_text()
    table: dict[str, Any] = json.loads(text)
    return table


@functools.cache
def energies() -> Array64:
    """Energies of all spectra, keV."""
    return np.array(_table()["grid_kev"], dtype=np.float64)


@functools.cache
def mass_attenuation(element: str) -> Array64:
    """Mass attenuation coefficient of an element at `energies`, cm2/g."""
    table = _table()
    if element in table["metals"]:
        return np.array(table["metals"][element], dtype=np.float64)
    return _log_log(table["light"][element])


def _log_log(values: list[float]) -> Array64:
    """Interpolate between the table's energies, straight in the logarithms; below them, straight on."""
    knots, logs = np.log(_table()["energies_kev"]), np.log(values)
    at = np.log(energies())
    inside = np.interp(at, knots, logs)
    below = logs[0] + (at - knots[0]) * (logs[1] - logs[0]) / (knots[1] - knots[0])
    return np.asarray(np.exp(np.where(at < knots[0], below, inside)))


def _compound(parts: dict[str, float]) -> Array64:
    return np.asarray(sum(share * mass_attenuation(element) for element, share in parts.items()))


@functools.cache
def linear_attenuation(tissue: str) -> Array64:
    """Linear attenuation of fat, gland or plastic at `energies`, 1/mm."""
    density, parts = _TISSUES[tissue]
    return 0.1 * density * _compound(parts)


@functools.cache
def calcium_attenuation() -> Array64:
    """Return what 1 mg/mm2 of calcium adds at `energies`: hydroxyapatite in the place of gland."""
    gland = linear_attenuation("gland") * 10 / _HYDROXYAPATITE_DENSITY
    # 1 mg/mm2 = 0.1 g/cm2.
    return 0.1 * (_compound(HYDROXYAPATITE) - gland) / HYDROXYAPATITE["Ca"]


@dataclass(frozen=True)
class Beam:
    """Anode, filter and tube voltage, and the layer that detects."""

    # "Mo", "Rh" or "W"; "Mo", "Rh", "Ag" or "Al"
    anode: str
    filter_material: str
    # filter thickness in um; tube voltage
    filter_um: float
    kvp: float
    detector: str  # {"a-Se", "CsI"}: 200 um of selenium, or a scintillator

    def photons(self) -> Array64:
        """Photons that reach the breast's upper side, by energy; sums to 1."""
        e = energies()
        target = mass_attenuation(self.anode) * _DENSITY[self.anode] * _TARGET_UM[self.anode] * 1e-4
        number = np.where(e < self.kvp, self.kvp / e - 1, 0.0) * np.exp(-target)
        if self.anode in _LINES and self.kvp > _LINES[self.anode][0]:
            edge, lines = _LINES[self.anode]
            strength = _LINE_STRENGTH[self.anode] * (self.kvp / edge - 1) ** 1.63
            for line, share in lines:
                number[int(np.argmin(np.abs(e - line)))] += strength * share
        filters = mass_attenuation(self.filter_material) * _DENSITY[self.filter_material] * self.filter_um
        filters = filters + mass_attenuation("Be") * _DENSITY["Be"] * 800
        number = number * np.exp(-1e-4 * filters)
        return np.asarray(number / number.sum())

    def weights(self) -> Array64:
        """Signal by energy without a breast: photons behind the paddle, by energy absorbed; sums to 1."""
        e = energies()
        if self.detector == "a-Se":
            absorbed = 1 - np.exp(-mass_attenuation("Se") * 4.28 * 0.02)
        else:
            caesium_iodide = 0.511 * mass_attenuation("Cs") + 0.489 * mass_attenuation("I")
            absorbed = 1 - np.exp(-caesium_iodide * 4.51 * 0.8 * 0.015)
        signal = self.photons() * e * absorbed * np.exp(-2.0 * linear_attenuation("plastic"))
        return np.asarray(signal / signal.sum())

    def half_value_layer_mm(self) -> float:
        """Half-value layer in mm of aluminium, by air kerma."""
        kerma = self.photons() * energies() * _log_log(_table()["air_energy_absorption"])
        aluminium = mass_attenuation("Al") * 0.27
        low, high = 0.0, 2.0
        for _ in range(50):
            middle = 0.5 * (low + high)
            left = float((kerma * np.exp(-aluminium * middle)).sum() / kerma.sum())
            low, high = (middle, high) if left > 0.5 else (low, middle)
        return low


def log_attenuation(
    beam: Beam, fat_mm: npt.ArrayLike, gland_mm: npt.ArrayLike, calcium_mg_mm2: npt.ArrayLike = 0.0
) -> Array64:
    """Natural logarithm of the signal without over the signal behind fat, gland and calcium, exactly."""
    fat, gland, calcium = np.broadcast_arrays(fat_mm, gland_mm, calcium_mg_mm2)
    depth = np.multiply.outer(np.asarray(fat, np.float64), linear_attenuation("fat"))
    depth += np.multiply.outer(np.asarray(gland, np.float64), linear_attenuation("gland"))
    depth += np.multiply.outer(np.asarray(calcium, np.float64), calcium_attenuation())
    return np.asarray(-np.log(np.exp(-depth) @ beam.weights()))


def calcium_coefficient(beam: Beam, fat_mm: float, gland_mm: float) -> float:
    """Log signal per g/cm2 of calcium, for little of it, behind fat and gland: cm2/g."""
    little = 1e-4
    step = log_attenuation(beam, fat_mm, gland_mm, little) - log_attenuation(beam, fat_mm, gland_mm)
    return float(step) / (little * 0.1)


class Attenuator:
    """`log_attenuation` for whole images: a polynomial for tissue, a table for calcium.

    Parameters
    ----------
    beam : Beam
        Spectrum and detector.
    most_mm : float
        The thickest breast it will be asked for.
    """

    _powers = tuple((i, j) for i in range(5) for j in range(5) if 0 < i + j <= 4)
    _glandular = (0.1, 0.6)

    def __init__(self, beam: Beam, most_mm: float) -> None:
        self._most = max(most_mm, 10.0)
        axis = np.linspace(0, 1, 14)
        fat, gland = (a.ravel() for a in np.meshgrid(axis, axis, indexing="ij"))
        inside = fat + gland <= 1.05
        fat, gland = fat[inside], gland[inside]
        exact = log_attenuation(beam, fat * self._most, gland * self._most)
        terms = np.stack([fat**i * gland**j for i, j in self._powers], axis=1)
        self._coefficients = np.linalg.lstsq(terms, exact, rcond=None)[0]
        # Calcium: what it adds, by the logarithm of the tissue in its way and by its own amount, for two
        # glandularities: at one logarithm more gland means less depth, and a softer beam.
        self._calcium_axis = 4.0 * np.linspace(0, 1, 96) ** 2
        thickness = np.linspace(0, 2.5 * self._most, 60)[:, None]
        self._tables = []
        for share in self._glandular:
            fat, gland = (1 - share) * thickness, share * thickness
            clear = log_attenuation(beam, fat, gland)
            self._tables.append((clear[:, 0], log_attenuation(beam, fat, gland, self._calcium_axis) - clear))

    def tissue(self, fat_mm: FloatArray, gland_mm: FloatArray) -> FloatArray:
        """Log attenuation of tissue alone, shape of the arguments."""
        fat, gland = fat_mm / np.float32(self._most), gland_mm / np.float32(self._most)
        total = np.zeros_like(fat)
        by_power = dict(zip(self._powers, self._coefficients.astype(np.float32), strict=True))
        # Horner in fat, the coefficients being polynomials in gland.
        for i in range(4, -1, -1):
            inner = np.zeros_like(fat)
            for j in range(4 - i, -1, -1):
                inner = inner * gland + by_power.get((i, j), np.float32(0))
            total = total * fat + inner
        return total

    def transmission(
        self, tissue: FloatArray, calcium_mg_mm2: FloatArray, glandularity: float = 0.2
    ) -> FloatArray:
        """Share of the signal that calcium lets through.

        Parameters
        ----------
        tissue : ndarray of float32
            Log attenuation of the tissue in its way.
        calcium_mg_mm2 : ndarray of float32
            Calcium along each ray, up to 4.
        glandularity : float, default 0.2
            Share of gland in that tissue.
        """
        calcium = np.clip(calcium_mg_mm2, 0, self._calcium_axis[-1])
        columns = np.sqrt(calcium / self._calcium_axis[-1]) * (len(self._calcium_axis) - 1)
        c = np.minimum(columns.astype(np.intp), len(self._calcium_axis) - 2)
        across = (calcium - self._calcium_axis[c]) / (self._calcium_axis[c + 1] - self._calcium_axis[c])
        by_gland = []
        for clear, added in self._tables:
            rows = np.interp(tissue, clear, np.arange(len(clear)))
            r = np.minimum(rows.astype(np.intp), len(clear) - 2)
            down = rows - r
            upper = (1 - across) * added[r, c] + across * added[r, c + 1]
            lower = (1 - across) * added[r + 1, c] + across * added[r + 1, c + 1]
            by_gland.append((1 - down) * upper + down * lower)
        low, high = self._glandular
        share = (glandularity - low) / (high - low)
        return np.asarray(np.exp(-(1 - share) * by_gland[0] - share * by_gland[1]), dtype=np.float32)
