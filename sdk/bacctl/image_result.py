"""What was found on one image, and the small records that it is made of.

Coordinates are (row, column) in the stored matrix of the source image. Areas, lengths, widths and masses
are in the plane of the artery, not of the detector. Masses are of calcium, not of hydroxyapatite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bacctl._origin import Origin
    from bacctl.errors import BacctlError

Status = Literal["ok", "refused", "failed"]
Laterality = Literal["L", "R"]
MassBasis = Literal["calibrated", "estimated", "none"]


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning: something that the reader of a result ought to know.

    Attributes
    ----------
    code : str
        Stable code, ``"BAC-W-..."``.
    text : str
        One line.
    """

    code: str
    text: str

    def to_dict(self) -> dict[str, str]:
        """Return the JSON object."""
        return {"code": self.code, "text": self.text}


@dataclass(frozen=True, slots=True)
class Vessel:
    """One connected calcified stretch of artery.

    Attributes
    ----------
    length_mm : float
        Length of its centre line.
    area_mm2 : float
        Area between its outer walls.
    mean_width_mm : float or None
        Area over length.
    calcium_mass_mg : float or None
        None where the image gives no mass.
    bbox_px : tuple of int
        (first row, first column, row after the last, column after the last) in the stored matrix.
    """

    length_mm: float
    area_mm2: float
    mean_width_mm: float | None
    calcium_mass_mg: float | None
    bbox_px: tuple[int, int, int, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "length_mm": self.length_mm,
            "area_mm2": self.area_mm2,
            "mean_width_mm": self.mean_width_mm,
            "calcium_mass_mg": self.calcium_mass_mg,
            "bbox_px": list(self.bbox_px),
        }


@dataclass(frozen=True, slots=True)
class Beam:
    """The X-ray beam as the header tells it; None for what it does not tell.

    Attributes
    ----------
    anode, filter_material : str or None
        Chemical symbols or the header's words.
    filter_thickness_mm, kvp, thickness_mm : float or None
        Filter thickness, tube voltage in kV, thickness of the compressed breast.
    grid : bool or None
        Whether an anti-scatter grid was in the beam.
    detector : str or None
        Kind of detector.
    """

    anode: str | None = None
    filter_material: str | None = None
    filter_thickness_mm: float | None = None
    kvp: float | None = None
    thickness_mm: float | None = None
    grid: bool | None = None
    detector: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What was found on one image.

    An image that was refused or failed has ``status``, ``code`` and ``reason``; its measurements are None
    (not assessed), never zero.

    Attributes
    ----------
    status : {"ok", "refused", "failed"}
        Refused: can never be measured as it is. Failed: could not be measured now.
    code, reason : str or None
        Why, where the status is not "ok".
    rows, columns : int or None
        Size of the stored matrix.
    warnings : tuple of Notice
        What limits this result.
    bac_detected : bool or None
        Whether any calcified artery was found.
    bac_probability : float or None
        From 0 to 1.
    calcium_mass_mg : float or None
        Mass of calcium.
    calcium_mass_interval_mg : tuple of float or None
        (low, high), 95 %.
    mass_basis : {"calibrated", "estimated", "none"}
        How the mass came about.
    area_mm2, length_mm : float or None
        Totals over the vessels.
    pixel_spacing_mm : tuple of float or None
        (between rows, between columns) at the detector.
    spacing_source, magnification_source : str or None
        Where the spacing and the magnification were taken from.
    magnification : float or None
        Lengths at the detector over lengths in the artery's plane.
    timings_ms : mapping of str to float
        Time spent by each step of the server.
    files : mapping of str to str
        Files written, by kind.
    path : Path or None
        The file that was analysed, where it was one.
    mask : numpy.ndarray of bool or None
        (rows, columns); True where there is calcified artery. Not in the JSON.
    density : numpy.ndarray of float32 or None
        (rows, columns), mg/mm2 in the artery's plane. None where there is no mass. Not in the JSON.
    weights_sha256 : str or None
        The weights that measured it. Not in the image's JSON, where the document names them.
    origin : object or None
        Of whom and when the image was taken, to order and to tell apart; never in an output.
    """

    status: Status
    code: str | None = None
    reason: str | None = None
    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None
    laterality: Laterality | None = None
    view: str | None = None
    rows: int | None = None
    columns: int | None = None
    warnings: tuple[Notice, ...] = ()
    bac_detected: bool | None = None
    bac_probability: float | None = None
    calcium_mass_mg: float | None = None
    calcium_mass_interval_mg: tuple[float, float] | None = None
    mass_basis: MassBasis = "none"
    area_mm2: float | None = None
    length_mm: float | None = None
    vessels: tuple[Vessel, ...] = ()
    pixel_spacing_mm: tuple[float, float] | None = None
    spacing_source: str | None = None
    magnification: float | None = None
    magnification_source: str | None = None
    beam: Beam | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None
    mask: npt.NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)
    density: npt.NDArray[np.float32] | None = field(default=None, compare=False, repr=False)
    weights_sha256: str | None = field(default=None, repr=False)
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_report(
        cls,
        report: Mapping[str, Any],
        *,
        path: Path | None = None,
        mask: npt.NDArray[np.bool_] | None = None,
        density: npt.NDArray[np.float32] | None = None,
        origin: Origin | None = None,
    ) -> ImageResult:
        """Build a result from the server's REPORT.

        Parameters
        ----------
        report : mapping
            The image object of the JSON. Keys that this version does not know are left out, so that an
            older client goes on working with a newer server.
        path : Path, optional
            The file that was analysed.
        mask : numpy.ndarray of bool, optional
            (rows, columns).
        density : numpy.ndarray of float32, optional
            (rows, columns), mg/mm2.
        origin : Origin, optional
            Of whom and when it was taken.

        Returns
        -------
        ImageResult
        """
        plain = {entry.name for entry in fields(cls)} - {"path", "files", "mask", "density", "origin"}
        values = {name: value for name, value in report.items() if name in plain}
        values["warnings"] = tuple(
            Notice(str(w["code"]), str(w["text"])) for w in report.get("warnings") or ()
        )
        values["vessels"] = tuple(
            Vessel(
                v["length_mm"],
                v["area_mm2"],
                v["mean_width_mm"],
                v["calcium_mass_mg"],
                cast("tuple[int, int, int, int]", tuple(v["bbox_px"])),
            )
            for v in report.get("vessels") or ()
        )
        for name in ("calcium_mass_interval_mg", "pixel_spacing_mm"):
            values[name] = None if report.get(name) is None else tuple(report[name])
        beam = report.get("beam")
        known = {entry.name for entry in fields(Beam)}
        values["beam"] = None if beam is None else Beam(**{k: v for k, v in beam.items() if k in known})
        values["timings_ms"] = dict(report.get("timings_ms") or {})
        return cls(**values, path=path, mask=mask, density=density, origin=origin)

    @classmethod
    def from_error(cls, error: BacctlError, *, path: Path | None = None) -> ImageResult:
        """Build the result of an image that was refused or failed.

        Parameters
        ----------
        error : BacctlError
            Why.
        path : Path, optional
            The file concerned.

        Returns
        -------
        ImageResult
            Its ``status`` is the error's.
        """
        return cls(
            error.status,
            error.code,
            error.reason,
            sop_instance_uid=error.sop_instance_uid,
            study_instance_uid=error.study_instance_uid,
            path=path,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the image object of ``schema/analysis-1.json``."""
        return {
            "path": None if self.path is None else str(self.path),
            "sop_instance_uid": self.sop_instance_uid,
            "study_instance_uid": self.study_instance_uid,
            "laterality": self.laterality,
            "view": self.view,
            "rows": self.rows,
            "columns": self.columns,
            "status": self.status,
            "code": self.code,
            "reason": self.reason,
            "warnings": [notice.to_dict() for notice in self.warnings],
            "bac_detected": self.bac_detected,
            "bac_probability": self.bac_probability,
            "calcium_mass_mg": self.calcium_mass_mg,
            "calcium_mass_interval_mg": as_list(self.calcium_mass_interval_mg),
            "mass_basis": self.mass_basis,
            "mass_reference": "calcium",
            "area_mm2": self.area_mm2,
            "length_mm": self.length_mm,
            "vessels": [vessel.to_dict() for vessel in self.vessels],
            "pixel_spacing_mm": as_list(self.pixel_spacing_mm),
            "spacing_source": self.spacing_source,
            "magnification": self.magnification,
            "magnification_source": self.magnification_source,
            "beam": None if self.beam is None else self.beam.to_dict(),
            "timings_ms": dict(self.timings_ms),
            "files": dict(self.files),
        }


def as_list(pair: tuple[float, float] | None) -> list[float] | None:
    """Return a pair as JSON has it."""
    return None if pair is None else list(pair)
