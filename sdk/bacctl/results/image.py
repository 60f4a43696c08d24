"""What was found on one image.

Coordinates are (row, column) in the stored matrix of the source image. Areas, lengths, widths and masses
are in the plane of the artery, not of the detector. Masses are of calcium, not of hydroxyapatite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bac_terms.fields import Words
from bac_terms.record import REPORTED, UNWRITTEN, read
from bac_terms.report import ImageReport

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bac_terms.errors import FailedError, RefusedError
    from bacctl._origin import Origin

    Mask = npt.NDArray[np.bool_]
    Density = npt.NDArray[np.float32]
else:  # named in annotations, which are read at run time
    Mask = Density = Origin = Any


@dataclass(frozen=True, slots=True)
class ImageResult(ImageReport):
    """What was found on one image.

    An image that was refused or failed has ``status``, ``code`` and ``reason``; its measurements are None
    (not assessed), never zero. It has all that the server reports (`bac_terms.report.ImageReport`), and:

    Attributes
    ----------
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

    files: Mapping[str, Words] = field(default_factory=dict)
    path: Path | None = None
    mask: Mask | None = field(default=None, compare=False, repr=False, metadata=UNWRITTEN)
    density: Density | None = field(default=None, compare=False, repr=False, metadata=UNWRITTEN)
    weights_sha256: Words | None = field(default=None, repr=False, metadata=REPORTED)
    map_sha256: Words | None = field(default=None, repr=False, metadata=REPORTED)
    origin: Origin | None = field(default=None, compare=False, repr=False, metadata=UNWRITTEN)

    @classmethod
    def from_report(
        cls,
        report: Mapping[str, Any],
        *,
        path: Path | None = None,
        mask: Mask | None = None,
        density: Density | None = None,
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
        ValueError
            A value is not what it should be.
        """
        own: dict[str, Any] = {"path": path, "files": {}, "mask": mask, "density": density, "origin": origin}
        return read(cls, _with_point(report), partial=True, **own)

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
        return read(cls, _with_point(value))

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
        return {"path": None, **ImageReport.to_dict(self)}  # the path comes first, for who reads it

    def _repr_html_(self) -> str:
        """Show the overlay and the amounts in a notebook; nothing that names a person or a file."""
        from bacctl.drawing.notebook import image_html

        return image_html(self, self.mask, self.path)


def _with_point(value: Any) -> Any:
    """Add the operating point of older releases, which reported every find and do not say so."""
    if isinstance(value, Mapping) and value.get("status") == "ok":
        return {"min_probability": 0.0, **value}
    return value
