"""Compute ``bac_phantom/data/spectra.npz``: X-ray spectra and attenuation for the phantom's own physics.

Needs ``spekpy`` and ``xraydb`` (extra ``dev``). Run from the root: ``python phantom/make_spectra.py``.

The phantom ships the full spectra, not effective coefficients: it integrates them itself for every image,
so that a mass measured with the calibration table of ``bac_imaging`` meets a truth that never saw that table.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import spekpy
import xraydb

ENERGY_KEV = np.arange(5.25, 40.0, 0.5)
EDGES_KEV = np.append(ENERGY_KEV - 0.25, ENERGY_KEV[-1] + 0.25)
# A line or an edge of the filter falls into the right bin only when the spectrum is computed finer than the
# bins: at 0.5 keV the coefficient of W/Rh comes out 1.5 % too large.
STEP_KEV = 0.1
# (anode, filter, thickness in um, anode angle in degrees, tube voltages)
TECHNIQUES = [
    ("Mo", "Mo", 30, 16, (24, 26, 28, 30)),
    ("Mo", "Rh", 25, 16, (26, 28, 30, 32)),
    ("Rh", "Rh", 25, 16, (27, 29, 31, 33)),
    ("W", "Rh", 50, 18, (26, 28, 30, 32)),
    ("W", "Ag", 50, 18, (28, 30, 32, 34)),
    ("W", "Al", 700, 18, (27, 29, 31, 33)),
    ("Rh", "Ag", 30, 16, (29, 31, 34)),
]
# Mass fractions: Hammerstein et al., Radiology 130:485 (1979), as tabulated for mammographic dosimetry.
ADIPOSE = {"H": 0.112, "C": 0.619, "N": 0.017, "O": 0.251, "P": 0.001}
GLAND = {"H": 0.102, "C": 0.184, "N": 0.032, "O": 0.677, "P": 0.005}
SKIN = {"H": 0.098, "C": 0.178, "N": 0.050, "O": 0.667, "P": 0.007}
PMMA = {"H": 0.0805, "C": 0.5999, "O": 0.3196}
HYDROXYAPATITE = {"Ca": 0.3989, "P": 0.1850, "O": 0.4141, "H": 0.0020}
SELENIUM = {"Se": 1.0}
CAESIUM_IODIDE = {"Cs": 0.5115, "I": 0.4885}


def mass_attenuation(composition: dict[str, float]) -> np.ndarray:
    """Total mass attenuation coefficient in cm2/g at ``ENERGY_KEV`` (Elam tables)."""
    total = np.zeros_like(ENERGY_KEV)
    for element, fraction in composition.items():
        total += fraction * xraydb.mu_elam(element, ENERGY_KEV * 1000.0, kind="total")
    return total


def main() -> None:
    """Write the data file and its provenance."""
    names, fluences = [], []
    for anode, material, thickness_um, angle, voltages in TECHNIQUES:
        for kvp in voltages:
            spectrum = spekpy.Spek(kvp=kvp, th=angle, dk=STEP_KEV, targ=anode, physics="casim", mas=1, z=65)
            spectrum.filter(material, thickness_um / 1000.0).filter("Be", 0.5)
            energy, fluence = spectrum.get_spectrum()
            fluence, _ = np.histogram(energy, EDGES_KEV, weights=fluence)
            names.append(f"{anode}/{material}/{thickness_um}/{kvp}")
            fluences.append(fluence / fluence.sum())
    out = Path(__file__).parent / "bac_phantom" / "data" / "spectra.npz"
    provenance = {
        "spectra": f"SpekPy {spekpy.__version__}, casim, dk {STEP_KEV} keV, bins of 0.5 keV, 0.5 mm Be, "
        "fluence sums to 1",
        "attenuation": f"xraydb {xraydb.__version__}, Elam tables, total cross section, cm2/g",
        "made_by": "phantom/make_spectra.py",
    }
    np.savez_compressed(
        out,
        energy_kev=ENERGY_KEV,
        names=np.array(names),
        fluence=np.array(fluences, dtype=np.float32),
        adipose=mass_attenuation(ADIPOSE),
        gland=mass_attenuation(GLAND),
        skin=mass_attenuation(SKIN),
        pmma=mass_attenuation(PMMA),
        hydroxyapatite=mass_attenuation(HYDROXYAPATITE),
        selenium=mass_attenuation(SELENIUM),
        caesium_iodide=mass_attenuation(CAESIUM_IODIDE),
        provenance=np.array(json.dumps(provenance)),
    )
    print(f"{out}: {len(names)} spectra, {out.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main()
