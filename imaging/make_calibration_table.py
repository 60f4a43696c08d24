"""Compute the calibration table that bac_imaging ships: log signal per area density of calcium.

Run offline, with spekpy and xraydb installed (the ``dev`` extra)::

    python imaging/make_calibration_table.py

For each beam the spectrum (SpekPy, casim model) passes the beryllium window, the filter, the paddle, skin
and a breast of a thickness-dependent composition, and falls on an energy-integrating detector. Scatter is
left out: it is corrected apart, because it depends on the grid. The table holds two columns per detector:
``k``, the log signal per g/cm2 of calcium (as hydroxyapatite that displaces glandular tissue) at vanishing
density, and ``h``, the fraction by which that falls per g/cm2 of calcium as the calcium hardens the beam.
"""

from __future__ import annotations

import csv
import json
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import spekpy
import xraydb

FloatArray = npt.NDArray[np.float64]

OUT = Path(__file__).parent / "bac_imaging" / "data"

# Elemental mass fractions and densities in g/cm3: Hammerstein et al., Radiology 130 (1979) 485. The ash of
# the tissues, which they give as a sum, is shared out equally over P, S, K and Ca.
ASH = ("P", "S", "K", "Ca")


def _tissue(hydrogen: float, carbon: float, nitrogen: float, oxygen: float, ash: float) -> dict[str, float]:
    return {"H": hydrogen, "C": carbon, "N": nitrogen, "O": oxygen, **dict.fromkeys(ASH, ash / len(ASH))}


GLAND = (_tissue(0.102, 0.184, 0.032, 0.677, 0.005), 1.04)
ADIPOSE = (_tissue(0.112, 0.619, 0.017, 0.251, 0.001), 0.93)
SKIN = (_tissue(0.098, 0.178, 0.05, 0.667, 0.007), 1.09)
PADDLE = ({"H": 0.0806, "C": 0.5998, "O": 0.3196}, 1.19)  # PMMA
HYDROXYAPATITE_DENSITY = 3.16  # g/cm3
CALCIUM_IN_HYDROXYAPATITE = 0.3989  # mass fraction in Ca10(PO4)6(OH)2
HYDROXYAPATITE = {"Ca": 0.3989, "P": 0.1850, "O": 0.4141, "H": 0.0020}

SKIN_CM = 0.3  # both sides together
PADDLE_CM = 0.2
# Share of glandular tissue by compressed thickness in mm: thick breasts are fatty.
GLANDULARITY = ((15.0, 30.0, 50.0, 70.0, 110.0), (0.40, 0.30, 0.15, 0.10, 0.07))

ANODE_ANGLE_DEG = 12.0
BERYLLIUM_MM = 0.5
# With 0.5 keV the K edge of rhodium falls badly between the energies and k of W/Rh comes out 1.4 % too large;
# from 0.1 keV on nothing changes by more than 0.1 %.
ENERGY_STEP_KEV = 0.1
KVP = range(22, 41, 2)
THICKNESS_MM = (15.0, 25.0, 40.0, 55.0, 70.0, 90.0, 110.0)
# Anode, filter, filter thicknesses in mm: the combinations of full-field digital units.
BEAMS = (
    ("MOLYBDENUM", "MOLYBDENUM", (0.025, 0.030, 0.035)),
    ("MOLYBDENUM", "RHODIUM", (0.020, 0.025, 0.030)),
    ("RHODIUM", "RHODIUM", (0.020, 0.025, 0.030)),
    ("RHODIUM", "SILVER", (0.025, 0.030, 0.035)),
    ("TUNGSTEN", "RHODIUM", (0.045, 0.050, 0.060)),
    ("TUNGSTEN", "SILVER", (0.045, 0.050, 0.060, 0.075)),
    ("TUNGSTEN", "ALUMINUM", (0.45, 0.50, 0.70, 0.80)),
)
SYMBOL = {"MOLYBDENUM": "Mo", "RHODIUM": "Rh", "SILVER": "Ag", "TUNGSTEN": "W", "ALUMINUM": "Al"}
# Mass loading in g/cm2: 200 um amorphous selenium at 4.3 g/cm3; 100 um caesium iodide at 3.6 g/cm3, packed.
DETECTORS = {"direct": ({"Se": 1.0}, 0.0860), "scintillator": ({"Cs": 0.5115, "I": 0.4885}, 0.0360)}
HARDENING_G_CM2 = 0.05


def mass_attenuation(fractions: dict[str, float], energy_ev: FloatArray) -> FloatArray:
    """Mass attenuation coefficient in cm2/g (xraydb, Elam tables, coherent scatter included)."""
    total = sum(fractions.values())
    mu = np.zeros_like(energy_ev)
    for element, fraction in fractions.items():
        mu += fraction / total * _element(element, energy_ev.tobytes())
    return mu


@lru_cache(maxsize=1024)
def _element(symbol: str, energy_ev: bytes) -> FloatArray:
    return np.asarray(xraydb.mu_elam(symbol, np.frombuffer(energy_ev)), dtype=np.float64)


def coefficients(
    spectrum: FloatArray, energy_kev: FloatArray, thickness_mm: float
) -> dict[str, tuple[float, float]]:
    """Return ``k`` in cm2/g and ``h`` in cm2/g for each detector behind a breast of this thickness."""
    energy = energy_kev * 1000.0
    glandular = float(np.interp(thickness_mm, *GLANDULARITY))
    inner_cm = thickness_mm / 10.0 - SKIN_CM
    density = 1.0 / (glandular / GLAND[1] + (1.0 - glandular) / ADIPOSE[1])
    gland = mass_attenuation(GLAND[0], energy)
    breast = glandular * gland + (1.0 - glandular) * mass_attenuation(ADIPOSE[0], energy)
    path = (
        mass_attenuation(PADDLE[0], energy) * PADDLE[1] * PADDLE_CM
        + mass_attenuation(SKIN[0], energy) * SKIN[1] * SKIN_CM
        + breast * density * inner_cm
    )
    k_energy = (
        mass_attenuation(HYDROXYAPATITE, energy) - gland * GLAND[1] / HYDROXYAPATITE_DENSITY
    ) / CALCIUM_IN_HYDROXYAPATITE
    result = {}
    for name, (material, loading) in DETECTORS.items():
        absorbed = 1.0 - np.exp(-mass_attenuation(material, energy) * loading)
        weight = spectrum * np.exp(-path) * absorbed * energy_kev
        weight /= weight.sum()
        k = float((weight * k_energy).sum())
        dense = -np.log(float((weight * np.exp(-k_energy * HARDENING_G_CM2)).sum())) / HARDENING_G_CM2
        result[name] = (k, (1.0 - dense / k) / HARDENING_G_CM2)
    return result


def main() -> None:
    """Write the table and its provenance."""
    rows = []
    for anode, material, filters in BEAMS:
        for kvp in KVP:
            tube = spekpy.Spek(
                kvp=kvp, th=ANODE_ANGLE_DEG, targ=SYMBOL[anode], physics="casim", dk=ENERGY_STEP_KEV
            )
            tube.filter("Be", BERYLLIUM_MM)
            for filter_mm in filters:
                spek = spekpy.Spek.clone(tube)
                spek.filter(SYMBOL[material], filter_mm)
                energy, fluence = spek.get_spectrum(diff=False)
                for thickness in THICKNESS_MM:
                    found = coefficients(fluence, energy, thickness)
                    values = [f"{v:.4g}" for name in DETECTORS for v in found[name]]
                    rows.append([anode, material, f"{filter_mm:g}", kvp, f"{thickness:g}", *values])
    OUT.mkdir(exist_ok=True)
    with (OUT / "calibration.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        header = ["anode", "filter", "filter_mm", "kvp", "thickness_mm"]
        writer.writerow(header + [f"{c}_{name}" for name in DETECTORS for c in ("k", "h")])
        writer.writerows(rows)
    provenance = {
        "made_by": "imaging/make_calibration_table.py",
        "spekpy": version("spekpy"),
        "xraydb": version("xraydb"),
        "unit": "k and h in cm2 per g of calcium",
        "model": {
            "spectrum": f"SpekPy casim, anode angle {ANODE_ANGLE_DEG:g} degrees, {BERYLLIUM_MM:g} mm Be, "
            f"{ENERGY_STEP_KEV:g} keV",
            "paddle_cm_pmma": PADDLE_CM,
            "skin_cm": SKIN_CM,
            "glandularity_by_thickness_mm": dict(zip(*GLANDULARITY, strict=True)),
            "calcium": "hydroxyapatite displacing glandular tissue",
            "detectors": {
                "direct": "200 um a-Se, energy integrating",
                "scintillator": "100 um CsI, energy integrating",
            },
            "scatter": "none",
        },
    }
    (OUT / "calibration.json").write_text(json.dumps(provenance, indent=2) + "\n")


if __name__ == "__main__":
    main()
