"""One image, and the exam it belongs to, with their truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bac_randfield.image import looks, storage

Look = str


@dataclass(frozen=True)
class View:
    """One image with its truth; mask and pixels in the stored matrix, (row, column)."""

    # "L" or "R"; "CC" or "MLO"; "raw", "presentation", "copy" (8-bit PNG or JPEG of that) or "film"
    laterality: str
    view: str
    look: Look
    mask: npt.NDArray[np.bool_] = field(repr=False)  # bool (rows, columns): BAC
    # in the object's plane
    calcium_mass_mg: float
    area_mm2: float
    pixels: looks.Pixels = field(repr=False)
    facts: dict[str, Any] = field(repr=False)

    @property
    def sop_instance_uid(self) -> str:
        """UID of the image, also the stem of its file."""
        return str(self.facts["sop_instance_uid"])

    @property
    def suffix(self) -> str:
        """Ending of the file's name."""
        if self.look in ("raw", "presentation"):
            return ".dcm"
        return ".png" if self.facts["quality"] is None else ".jpg"

    @property
    def pixel_spacing_mm(self) -> tuple[float, float] | None:
        """Spacing (between rows, between columns) to pass along for PNG and JPEG; None for DICOM."""
        pitch = float(self.facts["pitch_mm"])
        return None if self.suffix == ".dcm" else (pitch, pitch)

    def encode(self) -> bytes:
        """Return the file's bytes."""
        if self.suffix == ".dcm":
            return storage.write_dicom(self.pixels, self.facts)
        return storage.write_picture(self.pixels, self.facts["quality"])

    def truth(self) -> dict[str, Any]:
        """Return the truth of this view as plain JSON types."""
        facts, spacing = self.facts, self.pixel_spacing_mm
        return {
            "sop_instance_uid": self.sop_instance_uid,
            "laterality": self.laterality,
            "view": self.view,
            "look": self.look,
            "style": facts["style"],
            "system": facts["system"],
            "density": facts["density"],
            "calcium_mass_mg": round(self.calcium_mass_mg, 4),
            "area_mm2": round(self.area_mm2, 3),
            "pixel_spacing_mm": list(spacing) if spacing else None,
            "detector_pitch_mm": facts["pitch_mm"],
            "thickness_mm": facts["thickness_mm"],
            "header_thickness_mm": facts["header_thickness_mm"],
            "beam": {k: facts[k] for k in ("anode", "filter_material", "filter_um", "kvp", "detector")},
            "grid": facts["grid"],
            "scatter_to_primary": round(facts["scatter_to_primary"], 4),
            "hard_negatives": facts["hard_negatives"],
            "arteries": facts["arteries"],
        }


@dataclass(frozen=True)
class Woman:
    """One exam."""

    seed: int  # she follows from it and the configuration
    study_instance_uid: str  # of the exam
    breasts: dict[str, float]  # calcium of either breast, mg: the mean of its views
    views: tuple[View, ...]  # two or four

    @property
    def calcium_mass_mg(self) -> float:
        """Calcium of both breasts, mg."""
        return float(sum(self.breasts.values()))
