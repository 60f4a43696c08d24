"""Effective calcium coefficient of a beam: how much log signal a g/cm2 of calcium makes.

The table is computed offline by ``imaging/make_calibration_table.py``; its provenance lies beside it in
``data/calibration.json``. Inside its range it is interpolated; outside there is no coefficient.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import product

import numpy as np
import numpy.typing as npt

from bac_imaging.mass.blur import NO_BLUR, Blur
from bac_terms.beam import PHOTON_COUNTING, Beam
from bac_terms.notices import Notice

FloatArray = npt.NDArray[np.float64]

# Where the header leaves the filter's thickness out: what units with this filter mostly have.
_USUAL_FILTER_MM = {"MOLYBDENUM": 0.030, "RHODIUM": 0.050, "SILVER": 0.050, "ALUMINUM": 0.70}
_USUAL_FILTER_OF_ANODE_MM = {
    ("MOLYBDENUM", "RHODIUM"): 0.025,
    ("RHODIUM", "RHODIUM"): 0.025,
    ("RHODIUM", "SILVER"): 0.030,
}
_KVP_SD = 0.029  # tube voltages are accepted when within 5 % of what is set; the standard deviation of that
_FILTER_SLACK = 1.1  # headers round a filter's thickness; this far outside the table its end is taken

# Scatter-to-primary ratio without a grid, by compressed thickness in mm: Boone et al., Med Phys 27 (2000)
# 2408, 1 / (a + b D^-1.5 + c T^-0.5) with T and the diameter D in cm, for the median breast of 146 cm2
# (D = 19.3 cm). It holds from 2 to 8 cm.
_BOONE = (-2.35452817, 22.3960980, 8.85064260, 19.3)
_BOONE_RANGE_CM = (2.0, 8.0)
# With a linear grid: 0.052 behind 20 mm of PMMA to 0.187 behind 80 mm, measured with beam stops (Salvagnini
# et al., Med Phys 39 (2012) 3167). A cellular grid passes a third of it, and no header tells them apart.
# Scatter without a grid varies less, but by more than the fit's agreement with measurements, 20 %: air gap,
# field, paddle and composition are not in the header.
_GRID_SCATTER_MM = (20.0, 80.0)
_GRID_SCATTER = (0.052, 0.187)
_SCATTER_SD = {True: 0.35, False: 0.25, None: 0.35}
# Nor is it known how it rises with thickness: what a grid passes (13 % of scatter, 73 % of primary; Xia et
# al. 2005) of Boone's fit is 0.04 at 2 cm and 0.12 at 6, digital phantoms have 0.08 to 0.09 at 2.5 cm and
# 0.13 to 0.19 at 6. So the level has an error of its own, a share of primary radiation at any thickness.
_SCATTER_LEVEL_SD = 0.025

# A mm of thickness moves the mass by this share, by coefficient, scatter and magnification together.
_THICKNESS_SLOPE = {True: 0.005, False: 0.011, None: 0.011}

# Selenium: transfer above 0.4 at 7.1 cycles a mm (Hoheisel et al., IEEE NSS 2004). Scintillators: 0.73, 0.42
# and 0.28 at 2, 4 and 5 (Vedantham et al., Med Phys 27 (2000) 558). From 4 on the tail is gone, so that the
# last two give the core by their ratio, 0.048 mm, and the share of the tail by their level, 0.14; the first
# gives its width, 0.19 mm. Two later units lie to both sides, 0.76 and 0.59 at 2 (Ghetti et al., Med Phys 35
# (2008) 456).
_BLUR = {"DIRECT": Blur(0.035), "SCINTILLATOR": Blur(0.048, 0.19, 0.14)}
_BLUR_UNKNOWN = Blur(0.042, 0.19, 0.07)

# Share of k from the sensitive layer, whose thickness no header tells: 0.036 or 0.070 g/cm2 of caesium iodide
# move it by 1 % at 26 kV to 2 % at 33 kV either way, 250 um of selenium in place of 200 by half of that.
_LAYER_SD = {"DIRECT": 0.005, "SCINTILLATOR": 0.015}


@dataclass(frozen=True)
class Calibration:
    """How log signal turns into calcium for one exposure.

    Attributes
    ----------
    k_cm2_per_g : float
        Log signal per g/cm2 of calcium, at vanishing density and without scatter.
    hardening_cm2_per_g : float
        Fraction by which it falls per g/cm2 of calcium.
    scatter_to_primary : float
        Scattered over primary signal behind this breast.
    relative_sd : float
        Standard deviation of `k_cm2_per_g` from what the header leaves open (filter, detector, grid, the true
        tube voltage), as a fraction. What no header tells is in `bac_imaging.mass.interval`.
    thickness_mm : float
        Compressed thickness of the breast, in mm.
    blur : Blur
        Point spread of the detector.
    scatter_sd : float
        Standard deviation of `scatter_to_primary`, as a fraction of it.
    thickness_slope : float
        Share by which the mass changes with each mm of thickness.
    """

    k_cm2_per_g: float
    hardening_cm2_per_g: float
    scatter_to_primary: float
    relative_sd: float
    thickness_mm: float
    blur: Blur = NO_BLUR
    scatter_sd: float = 0.0
    thickness_slope: float = 0.005


@dataclass(frozen=True)
class _Grid:
    """Coefficients of one anode and filter on (filter mm, kVp, thickness mm); last axis: table columns."""

    axes: tuple[FloatArray, FloatArray, FloatArray]
    values: FloatArray


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, str], _Grid]:
    text = (files("bac_imaging") / "data" / "calibration.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    names = ("k_direct", "h_direct", "k_scintillator", "h_scintillator")
    table = {}
    for beam in sorted({(row["anode"], row["filter"]) for row in rows}):
        mine = [row for row in rows if (row["anode"], row["filter"]) == beam]
        axes = tuple(
            np.array(sorted({float(row[axis]) for row in mine}))
            for axis in ("filter_mm", "kvp", "thickness_mm")
        )
        mine.sort(key=lambda row: tuple(float(row[axis]) for axis in ("filter_mm", "kvp", "thickness_mm")))
        values = np.array([[float(row[name]) for name in names] for row in mine])
        shape = (axes[0].size, axes[1].size, axes[2].size, len(names))
        table[beam] = _Grid((axes[0], axes[1], axes[2]), values.reshape(shape))
    return table


def _interpolate(grid: _Grid, point: tuple[float, float, float]) -> FloatArray:
    """Interpolate linearly in the logarithm: the coefficients fall about exponentially."""
    below, parts = [], []
    for axis, value in zip(grid.axes, point, strict=True):
        index = int(np.clip(np.searchsorted(axis, value) - 1, 0, axis.size - 2))
        below.append(index)
        parts.append((value - axis[index]) / (axis[index + 1] - axis[index]))
    result = np.zeros(grid.values.shape[-1])
    for corner in product((0, 1), repeat=3):
        weight = np.prod([p if c else 1 - p for p, c in zip(parts, corner, strict=True)])
        i, j, k = (b + c for b, c in zip(below, corner, strict=True))
        result += weight * np.log(grid.values[i, j, k])
    return np.exp(result)


def calibrate(beam: Beam | None) -> Calibration | Notice:
    """Find the coefficient for an exposure.

    Parameters
    ----------
    beam : Beam or None
        What the header tells.

    Returns
    -------
    Calibration or Notice
        The coefficient, or the warning that says why there is none: anode, filter, kVp or thickness are
        missing (``BAC-W-MASS-NONE-BEAM``, ``BAC-W-MASS-NONE-THICKNESS``) or outside the table, or the
        detector counts photons.
    """
    if beam is None or beam.anode is None or beam.filter_material is None or beam.kvp is None:
        return Notice.of("BAC-W-MASS-NONE-BEAM")
    if beam.detector == PHOTON_COUNTING:
        return _outside("no calcium mass: a detector that counts photons or scans a slot is not calibrated")
    if beam.detector == "FILM":
        return _outside("no calcium mass: film is not calibrated")
    if beam.thickness_mm is None:
        return Notice.of("BAC-W-MASS-NONE-THICKNESS")
    grid = _table().get((beam.anode, beam.filter_material))
    if grid is None:
        return _outside(f"no calcium mass: {beam.anode}/{beam.filter_material} is not a calibrated beam")
    filters, kvps, thicknesses = grid.axes
    if not kvps[0] <= beam.kvp <= kvps[-1]:
        return _outside(f"no calcium mass: {beam.kvp:g} kV is outside {kvps[0]:g} to {kvps[-1]:g} kV")
    if not thicknesses[0] <= beam.thickness_mm <= thicknesses[-1]:
        return Notice.of(
            "BAC-W-MASS-NONE-THICKNESS",
            f"no calcium mass: a thickness of {beam.thickness_mm:g} mm is outside "
            f"{thicknesses[0]:g} to {thicknesses[-1]:g} mm",
        )
    filter_mm, filter_sd = _filter(beam)
    if not filters[0] / _FILTER_SLACK <= filter_mm <= filters[-1] * _FILTER_SLACK:
        return _outside(f"no calcium mass: a filter of {filter_mm:g} mm is not a calibrated beam")
    filter_mm = float(np.clip(filter_mm, filters[0], filters[-1]))
    found = _interpolate(grid, (filter_mm, beam.kvp, beam.thickness_mm))
    k, hardening, detector_sd = _detector(found, beam.detector)
    # Units without a grid are rare and say so; an unknown grid is taken as one, with a wide margin.
    grid_sd = 0.0 if beam.grid is not None else 0.10
    scatter = _scatter_without_grid(beam.thickness_mm) if beam.grid is False else _scatter(beam.thickness_mm)
    low, high = (min(max(beam.kvp * f, kvps[0]), kvps[-1]) for f in (1.0 - _KVP_SD, 1.0 + _KVP_SD))
    soft, hard = (
        _detector(_interpolate(grid, (filter_mm, kvp, beam.thickness_mm)), beam.detector)[0]
        for kvp in (low, high)
    )
    # By the slope: at an end of the table only one side is known.
    kvp_sd = abs(math.log(soft / hard)) / (high - low) * _KVP_SD * beam.kvp
    relative_sd = math.hypot(filter_sd, detector_sd, grid_sd, kvp_sd)
    blur = _BLUR.get(beam.detector or "", _BLUR_UNKNOWN)
    return Calibration(
        k,
        hardening,
        scatter,
        relative_sd,
        beam.thickness_mm,
        blur,
        math.hypot(_SCATTER_SD[beam.grid], _SCATTER_LEVEL_SD / scatter),
        _THICKNESS_SLOPE[beam.grid],
    )


def _scatter_without_grid(thickness_mm: float) -> float:
    a, b, c, diameter = _BOONE
    thickness = float(np.clip(thickness_mm / 10.0, *_BOONE_RANGE_CM))
    ratio = 1.0 / float(a + b * diameter**-1.5 + c * thickness**-0.5)
    # Outside its range the fit bends away: go on in proportion to the thickness.
    return ratio * thickness_mm / (10.0 * thickness)


def _scatter(thickness_mm: float) -> float:
    (low, high), (first, last) = _GRID_SCATTER_MM, _GRID_SCATTER
    return first + (last - first) * (thickness_mm - low) / (high - low)


def _outside(found: str) -> Notice:
    return Notice.of("BAC-W-MASS-NONE-BEAM", found)


def _filter(beam: Beam) -> tuple[float, float]:
    """Thickness of the filter in mm, and the share of k that a guess of it leaves open."""
    if beam.filter_thickness_mm is not None:
        return beam.filter_thickness_mm, 0.0
    material = beam.filter_material or ""
    usual = _USUAL_FILTER_OF_ANODE_MM.get((beam.anode or "", material), _USUAL_FILTER_MM.get(material, 0.0))
    return usual, 0.02  # a filter 20 % thicker changes k by about 2 %


def _detector(found: FloatArray, detector: str | None) -> tuple[float, float, float]:
    """Coefficient, hardening and open share of k for a detector; the middle where it is unknown."""
    k_direct, h_direct, k_scintillator, h_scintillator = (float(v) for v in found)
    if detector == "DIRECT":
        return k_direct, h_direct, _LAYER_SD[detector]
    if detector == "SCINTILLATOR":
        return k_scintillator, h_scintillator, _LAYER_SD[detector]
    middle = float(np.sqrt(k_direct * k_scintillator))
    return middle, (h_direct + h_scintillator) / 2, 0.5 * abs(k_scintillator / k_direct - 1.0)
