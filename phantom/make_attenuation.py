"""Write ``bac_randfield/data/attenuation.json`` and check it: needs xraydb.

Light elements: Hubbell and Seltzer, "Tables of X-Ray Mass Attenuation Coefficients and Mass Energy-Absorption
Coefficients", NISTIR 5632 (NIST Standard Reference Database 126), table 3, as written down here. Metals and
detector layers, whose edges lie inside mammography's energies: Chantler, NIST Standard Reference Database 66
(FFAST), on a grid of 0.5 keV. Elam's tables in xraydb are the cross-check of the first.
"""

import json
from pathlib import Path

import numpy as np
import xraydb

# cm2/g at 10, 15, 20, 30 and 40 keV.
ENERGIES_KEV = [10.0, 15.0, 20.0, 30.0, 40.0]
LIGHT = {
    "H": [0.3854, 0.3764, 0.3695, 0.3570, 0.3458],
    "Be": [0.6466, 0.3070, 0.2251, 0.1792, 0.1640],
    "C": [2.373, 0.8071, 0.4420, 0.2562, 0.2076],
    "N": [3.879, 1.236, 0.6178, 0.3066, 0.2288],
    "O": [5.952, 1.836, 0.8651, 0.3779, 0.2585],
    "Al": [26.23, 7.955, 3.441, 1.128, 0.5685],
    "P": [40.35, 12.39, 5.352, 1.700, 0.8096],
    "Ca": [93.41, 29.79, 13.06, 4.080, 1.830],
}
# Mass energy-absorption of dry air, table 4 of the same.
AIR_ENERGY_ABSORPTION = [4.742, 1.334, 0.5389, 0.1537, 0.06833]
METALS = ("Mo", "Rh", "Ag", "W", "Se", "Cs", "I")
GRID_KEV = np.arange(5.0, 40.01, 0.5)


def main() -> None:
    """Check the light elements, then write the file."""
    for element, values in LIGHT.items():
        elam = xraydb.mu_elam(element, np.array(ENERGIES_KEV) * 1e3)
        off = float(np.abs(np.array(values) / elam - 1).max())
        if off > 0.005:
            raise SystemExit(f"{element}: {off:.1%} from Elam's table")
    metals = {m: [round(float(v), 4) for v in xraydb.mu_chantler(m, GRID_KEV * 1e3)] for m in METALS}
    table = {
        "source": "NISTIR 5632 (light elements, air); NIST SRD 66 (metals, detector layers); cm2/g",
        "energies_kev": ENERGIES_KEV,
        "light": LIGHT,
        "air_energy_absorption": AIR_ENERGY_ABSORPTION,
        "grid_kev": [float(v) for v in GRID_KEV],
        "metals": metals,
    }
    path = Path(__file__).parent / "bac_randfield" / "data" / "attenuation.json"
    path.write_text(json.dumps(table, separators=(",", ":")).replace('],"', '],\n"') + "\n")


if __name__ == "__main__":
    main()
