"""What was found on one image.

Coordinates are (row, column) in the stored matrix of the source image. Areas, lengths, widths and masses
are in the plane of the artery, not of the detector. Masses are of calcium, not of hydroxyapatite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from bac_terms.beam import Beam
from bac_terms.measured import Laterality, MassBasis
from bac_terms.notices import Notice
from bacctl.results._checked import (
    amount,
    count,
    flag,
    interval,
    items,
    known,
    one_of,
    share,
    size,
    table,
    text,
)
from bacctl.results.parts import AreaEstimate, Vessel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bac_terms.errors import FailedError, RefusedError
    from bacctl._origin import Origin

Status = Literal["ok", "refused", "failed"]

LATER = frozenset(
    {
        "area_estimate",
        "breast_area_mm2",
        "area_percent_of_breast",
        "length_mm_per_cm2_of_breast",
        "probability_prevalence",
        "min_probability",
    }
)
"""What images of older documents do not have."""

_CODE = re.compile(r"BAC-[A-Z0-9-]+")
_ANY = re.compile(r".+", re.DOTALL)


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
    sop_instance_uid, study_instance_uid : str or None
        Identifiers of image and study, where its header has them.
    laterality : {"L", "R"} or None
        Which breast, where it is known.
    view : str or None
        "CC", "MLO" or another view.
    rows, columns : int or None
        Size of the stored matrix.
    warnings : tuple of Notice
        What limits this result.
    bac_detected : bool or None
        Whether any calcified artery was found.
    bac_probability : float or None
        That the image shows BAC, from 0 to 1, whatever the operating point leaves out. A probability where
        ``probability_prevalence`` says at which prevalence; else a score that rises with the evidence.
    probability_prevalence : float or None
        Share of images with BAC at which the probabilities hold; None where they are scores.
    min_probability : float or None
        The operating point: finds of a lower probability are in no mask, area, length or mass. 0 leaves out
        none.
    calcium_mass_mg : float or None
        Mass of calcium.
    calcium_mass_interval_mg : tuple of float or None
        (low, high), 95 %.
    mass_basis : {"calibrated", "estimated", "none"}
        How the mass came about.
    area_mm2, length_mm : float or None
        Totals over the vessels.
    area_estimate : AreaEstimate or None
        What the area says of the mass on an image FOR PRESENTATION; None where the image is not of the kind
        that this is known for.
    breast_area_mm2 : float or None
        Area of the breast as it was searched: from 1.5 mm within the skin line, without 2 mm at the image's
        border, with what is seen of the pectoral muscle.
    area_percent_of_breast : float or None
        The vessels' area as per cent of the breast's.
    length_mm_per_cm2_of_breast : float or None
        The vessels' length in mm for each cm2 of breast.
    vessels : tuple of Vessel
        The calcified stretches of artery.
    pixel_spacing_mm : tuple of float or None
        (between rows, between columns) at the detector.
    spacing_source, magnification_source : str or None
        Where the spacing and the magnification were taken from.
    magnification : float or None
        Lengths at the detector over lengths in the artery's plane.
    beam : Beam or None
        The X-ray beam, where the header tells it.
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
    map_sha256 : str or None
        The map that made its probabilities of scores, likewise.
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
    probability_prevalence: float | None = None
    min_probability: float | None = None
    calcium_mass_mg: float | None = None
    calcium_mass_interval_mg: tuple[float, float] | None = None
    mass_basis: MassBasis = "none"
    area_mm2: float | None = None
    length_mm: float | None = None
    area_estimate: AreaEstimate | None = None
    breast_area_mm2: float | None = None
    area_percent_of_breast: float | None = None
    length_mm_per_cm2_of_breast: float | None = None
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
    map_sha256: str | None = field(default=None, repr=False)
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

        Raises
        ------
        KeyError, ValueError
            A value is not what it should be.
        """
        values = {name: read(report[name]) for name, read in _MEASURED.items() if name in report}
        if values.get("status") == "ok":  # older releases reported every find, and do not say so
            values.setdefault("min_probability", 0.0)
        return cls(**values, path=path, mask=mask, density=density, origin=origin)

    @classmethod
    def from_dict(cls, value: Any) -> ImageResult:
        """Read an image object of ``schema/analysis-1.json``, as `to_dict` wrote it.

        Parameters
        ----------
        value : mapping
            The object.

        Returns
        -------
        ImageResult
            Without mask, density and weights, which are not in the object.

        Raises
        ------
        ValueError
            It does not follow the schema.
        """
        entry = table(value)
        missing = {*_MEASURED, "path", "files"} - {*entry, *LATER, "weights_sha256", "map_sha256"}
        if missing:
            raise ValueError(f"no image of {', '.join(sorted(missing))}")
        files = {kind: text(name, _ANY) for kind, name in table(entry["files"]).items()}
        result = cls.from_report(entry, path=known(entry["path"], lambda path: Path(text(path, _ANY))))
        return replace(result, files=files, weights_sha256=None, map_sha256=None)

    @classmethod
    def from_error(cls, error: RefusedError | FailedError, *, path: Path | None = None) -> ImageResult:
        """Build the result of an image that was refused or failed.

        Parameters
        ----------
        error : RefusedError or FailedError
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
            "probability_prevalence": self.probability_prevalence,
            "min_probability": self.min_probability,
            "calcium_mass_mg": self.calcium_mass_mg,
            "calcium_mass_interval_mg": as_list(self.calcium_mass_interval_mg),
            "mass_basis": self.mass_basis,
            "mass_reference": "calcium",
            "area_mm2": self.area_mm2,
            "length_mm": self.length_mm,
            "area_estimate": None if self.area_estimate is None else self.area_estimate.to_dict(),
            "breast_area_mm2": self.breast_area_mm2,
            "area_percent_of_breast": self.area_percent_of_breast,
            "length_mm_per_cm2_of_breast": self.length_mm_per_cm2_of_breast,
            "vessels": [vessel.to_dict() for vessel in self.vessels],
            "pixel_spacing_mm": as_list(self.pixel_spacing_mm),
            "spacing_source": self.spacing_source,
            "magnification": self.magnification,
            "magnification_source": self.magnification_source,
            "beam": None if self.beam is None else self.beam.to_dict(),
            "timings_ms": dict(self.timings_ms),
            "files": dict(self.files),
        }

    def _repr_html_(self) -> str:
        """Show the overlay and the amounts in a notebook; nothing that names a person or a file."""
        from bacctl.outputs.notebook import image_html

        return image_html(self)


def as_list(pair: tuple[float, float] | None) -> list[float] | None:
    """Return a pair as JSON has it."""
    return None if pair is None else list(pair)


def _pair(value: Any) -> tuple[float, float]:
    first, second = (size(part) for part in items(value))
    return first, second


def _times(value: Any) -> dict[str, float]:
    return {step: amount(spent) for step, spent in table(value).items()}


def _maybe(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: known(value, read)


_words = _maybe(lambda value: text(value, _ANY))
_amount = _maybe(amount)

# How each value of the JSON object is read; whatever it says beyond that is of a newer release.
_MEASURED: Mapping[str, Callable[[Any], Any]] = {
    "status": lambda value: one_of(value, get_args(Status)),
    "code": _maybe(lambda value: text(value, _CODE)),
    "reason": _words,
    "sop_instance_uid": _words,
    "study_instance_uid": _words,
    "laterality": _maybe(lambda value: one_of(value, get_args(Laterality))),
    "view": _words,
    "rows": _maybe(count),
    "columns": _maybe(count),
    "warnings": lambda value: tuple(Notice.from_dict(notice) for notice in items(value)),
    "bac_detected": _maybe(flag),
    "bac_probability": _maybe(share),
    "probability_prevalence": _maybe(share),
    "min_probability": _maybe(share),
    "calcium_mass_mg": _amount,
    "calcium_mass_interval_mg": _maybe(interval),
    "mass_basis": lambda value: one_of(value, get_args(MassBasis)),
    "area_mm2": _amount,
    "length_mm": _amount,
    "area_estimate": _maybe(AreaEstimate.from_dict),
    "breast_area_mm2": _amount,
    "area_percent_of_breast": _amount,
    "length_mm_per_cm2_of_breast": _amount,
    "vessels": lambda value: tuple(Vessel.from_dict(vessel) for vessel in items(value)),
    "pixel_spacing_mm": _maybe(_pair),
    "spacing_source": _words,
    "magnification": _maybe(size),
    "magnification_source": _words,
    "beam": _maybe(Beam.from_dict),
    "timings_ms": _times,
    "weights_sha256": _words,
    "map_sha256": _words,
}
