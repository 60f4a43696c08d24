"""Rows that the product itself makes of results, as a server may have said them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyarrow import parquet

from bacctl.archive.manifest import ManifestRow
from bacctl.archive.parts import PartRow, part_row, part_table
from bacctl.results import ImageResult
from bacctl.testing import make_report

WEIGHTS, SETTINGS = "ab" * 32, "cd" * 32
VIEWS = ("LCC", "LMLO", "RCC", "RMLO")
SCANNED = ("patient_key", "month", "age_band", "manufacturer", "model", "software_versions", "device_key")


class Rows:
    """Rows of images, one after the other."""

    def __init__(self) -> None:
        self.rows: list[PartRow] = []

    def add(self, name: str, study: str | None = None, **values: Any) -> PartRow:
        """Add an image, such as "LCC"; `values` are of the manifest, of the row, or what the server said."""
        number = len(self.rows)
        uid = values.pop("sop_instance_uid", f"1.2.{number}")
        known = {
            "file_sha256": values.pop("file_sha256", f"{number:064x}"),
            "weights_sha256": values.pop("weights_sha256", WEIGHTS),
            "settings_sha256": values.pop("settings_sha256", SETTINGS),
        }
        scanned = {column: values.pop(column) for column in SCANNED if column in values}
        scanned["warnings"] = values.pop("scan_warnings", None)
        view = {"laterality": name[0] if name else None, "view": name[1:] or None}
        row = ManifestRow(
            values.pop("uri", f"/archive/{number}"),
            sop_instance_uid=uid,
            study_instance_uid=study,
            **scanned,
            **view,
        )
        code = values.pop("code", None)
        if code is None:
            told = {
                "sop_instance_uid": uid,
                "study_instance_uid": study,
                "min_probability": 0.0,
                **view,
                **values,
            }
            result = ImageResult.from_report(make_report(**told))
        else:
            status = values.pop("status", "refused")
            result = ImageResult(status, code, "why", sop_instance_uid=uid, study_instance_uid=study)
        self.rows.append(part_row(number, row, result, **known))
        return self.rows[-1]

    def woman(self, study: str, masses: tuple[float, ...] = (0.0,) * 4, **values: Any) -> None:
        """Add four views with these masses; half as many mm2."""
        for name, mass in zip(VIEWS, masses, strict=True):
            self.add(name, study, **{**found(mass), **values})

    def write(self, path: Path) -> Path:
        parquet.write_table(part_table(self.rows), path)
        return path


def found(mass: float, probability: float = 0.9) -> dict[str, Any]:
    """What a server says of an image with so many mg in one find."""
    if not mass:
        return {}
    vessel = {
        "length_mm": 5.0,
        "area_mm2": mass / 2.0,
        "mean_width_mm": 1.0,
        "calcium_mass_mg": mass,
        "bbox_px": [0, 0, 2, 2],
        "probability": probability,
    }
    return {
        "bac_detected": True,
        "bac_probability": max(probability, 0.5),
        "calcium_mass_mg": mass,
        "calcium_mass_interval_mg": [mass / 2.0, mass * 2.0],
        "area_mm2": mass / 2.0,
        "length_mm": 5.0,
        "vessels": [vessel],
    }


def without_mass(area: float) -> dict[str, Any]:
    """What it says of an image that was made for viewing."""
    none = {"calcium_mass_mg": None, "calcium_mass_interval_mg": None, "mass_basis": "none"}
    told = {**found(2.0 * area), **none}
    if area:
        told["vessels"] = [{**told["vessels"][0], "calcium_mass_mg": None}]
    return told
