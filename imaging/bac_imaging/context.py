"""What the steps after the network must know of an image; it travels between two processes as JSON."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from bac_imaging.grid.working_grid import working_spacing
from bac_imaging.mask_bits import pack_mask, unpack_mask
from bac_terms.beam import Beam
from bac_terms.device import Device
from bac_terms.fields import Count, Pixels, Share, Size
from bac_terms.measured import Laterality
from bac_terms.notices import Notice
from bac_terms.record import LATER, Record

if TYPE_CHECKING:  # the step that only reads a context loads no DICOM parser
    from bac_imaging.read.mammogram import Mammogram

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Context(Record):
    """One image, beside its signal: what `bac_imaging.pipeline.prepare` hands on past the network.

    The attributes from `pixel_spacing_mm` to `warnings` are those of `bac_imaging.read.mammogram.Mammogram`
    and of its `geometry`, where they are explained.

    Attributes
    ----------
    rows, columns : int
        Size of the stored matrix.
    grid : tuple of int
        Rows and columns of the working grid.
    origins : tuple of (int, int)
        First row and column of each tile on the working grid.
    breast : str
        Breast mask on the working grid as text; `breast_mask` unpacks it.
    pixel_spacing_mm : (float, float)
        Of the stored matrix at the detector, (between rows, between columns).
    spacing_source : str
        Where it comes from.
    magnification : float
        Size at the detector over size at mid-breast.
    magnification_source : str
        What it rests on.
    beam : Beam or None
        Beam and compression; None for film and plain images.
    signal_kind : {"log_exposure", "display"}
        What the signal is.
    exposure_scale_known, mass_in_doubt, size_known : bool
        How far a mass may be trusted.
    presentation_intent : {"FOR PROCESSING", "FOR PRESENTATION"} or None
        None for film and plain images.
    sop_instance_uid, study_instance_uid : str or None
        Identifiers from the header.
    laterality : {"L", "R"} or None
        Side of the breast.
    view : str or None
        Projection.
    warnings : tuple of Notice
        What reading the image gave.
    min_probability : float
        Operating point, 0 to 1: vessels of a lower probability are not reported.
    device : Device or None
        The unit that took the image.
    orientation : (str, str) or None
        Where rows and columns lead in the patient.
    given_outline : str or None
        Mask of the stored matrix that shall be weighed in place of what the network finds, as
        `bac_imaging.given` packs it.
    """

    rows: Pixels
    columns: Pixels
    grid: tuple[Pixels, Pixels]
    origins: tuple[tuple[Count, Count], ...]
    breast: str
    pixel_spacing_mm: tuple[Size, Size]
    spacing_source: str
    magnification: Size
    magnification_source: str
    beam: Beam | None
    signal_kind: Literal["log_exposure", "display"]
    exposure_scale_known: bool
    mass_in_doubt: bool
    size_known: bool
    presentation_intent: Literal["FOR PROCESSING", "FOR PRESENTATION"] | None
    sop_instance_uid: str | None
    study_instance_uid: str | None
    laterality: Laterality | None
    view: str | None
    warnings: tuple[Notice, ...]
    min_probability: Share
    device: Device | None = field(default=None, metadata=LATER)
    orientation: tuple[str, str] | None = field(default=None, metadata=LATER)
    given_outline: str | None = field(default=None, metadata=LATER)

    @classmethod
    def of(
        cls,
        mammogram: Mammogram,
        breast: BoolArray,
        origins: IntArray,
        min_probability: float = 0.0,
        given_outline: str | None = None,
    ) -> Context:
        """Collect it from the image as read, the breast mask, the tiles and what was asked for."""
        geometry = mammogram.geometry
        return cls(
            rows=mammogram.signal.shape[0],
            columns=mammogram.signal.shape[1],
            grid=(breast.shape[0], breast.shape[1]),
            origins=tuple((row, column) for row, column in origins.tolist()),
            breast=base64.b64encode(zlib.compress(pack_mask(breast).tobytes(), 6)).decode("ascii"),
            pixel_spacing_mm=geometry.pixel_spacing_mm,
            spacing_source=geometry.spacing_source,
            magnification=geometry.magnification,
            magnification_source=geometry.magnification_source,
            beam=mammogram.beam,
            signal_kind=mammogram.signal_kind,
            exposure_scale_known=mammogram.exposure_scale_known,
            mass_in_doubt=mammogram.mass_in_doubt,
            size_known=mammogram.size_known,
            presentation_intent=mammogram.presentation_intent,
            sop_instance_uid=mammogram.sop_instance_uid,
            study_instance_uid=mammogram.study_instance_uid,
            laterality=mammogram.laterality,
            view=mammogram.view,
            warnings=mammogram.warnings,
            min_probability=min_probability,
            device=mammogram.device,
            orientation=mammogram.orientation,
            given_outline=given_outline,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the stored matrix."""
        return self.rows, self.columns

    @cached_property
    def breast_mask(self) -> BoolArray:
        """Breast mask, bool, shape `grid`."""
        return unpack_mask(zlib.decompress(base64.b64decode(self.breast)), self.grid)

    @property
    def working_spacing_mm(self) -> tuple[float, float]:
        """Spacing of the working grid at the detector, (between rows, between columns)."""
        return working_spacing(self.shape, self.pixel_spacing_mm, self.grid)

    @property
    def pixel_area_mm2(self) -> float:
        """Area of a stored pixel in the object's plane."""
        return self.pixel_spacing_mm[0] * self.pixel_spacing_mm[1] / self.magnification**2

    def check(self) -> None:
        """Raise ValueError where the breast mask is none of the grid's size."""
        try:
            _ = self.breast_mask
        except zlib.error as error:
            raise ValueError("the breast mask is damaged") from error
