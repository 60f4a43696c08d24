"""What the server reports of one image: the record that it writes and the client reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from bac_terms.beam import Beam
from bac_terms.device import Device
from bac_terms.fields import (
    Amount,
    Code,
    Count,
    Identifier,
    Interval,
    Line,
    Name,
    Percent,
    Pixels,
    Share,
    Size,
    Words,
)
from bac_terms.measured import Depth, Laterality, MassBasis, OutlineSource, Side, Status
from bac_terms.notices import Notice
from bac_terms.record import LATER, Condition, Record, as_columns


@dataclass(frozen=True, slots=True)
class Vessel(Record):
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
    probability : float or None
        That it is a calcified artery, as ``bac_probability`` says it of the image. None in results of older
        releases.
    side : {"inner", "outer", "upper", "lower"} or None
        Which side of the nipple two thirds of its area or more lie on: inner or outer on a CC view, upper or
        lower on an MLO. One view tells no quadrant. None where it lies on both, or the view does not tell.
    depth : {"anterior", "middle", "posterior"} or None
        The third of the way from the nipple to the chest wall's edge of the image that holds most of its
        area.
    nipple_distance_mm : float or None
        From the nipple to its nearest point.
    """

    length_mm: Amount
    area_mm2: Amount
    mean_width_mm: Amount | None
    calcium_mass_mg: Amount | None
    bbox_px: tuple[Count, Count, Count, Count] = field(
        metadata=as_columns("first_row_px", "first_column_px", "end_row_px", "end_column_px")
    )
    probability: Share | None = field(default=None, metadata=LATER)
    side: Side | None = field(default=None, metadata=LATER)
    depth: Depth | None = field(default=None, metadata=LATER)
    nipple_distance_mm: Amount | None = field(default=None, metadata=LATER)


@dataclass(frozen=True, slots=True)
class AreaEstimate(Record):
    """What the calcified area alone says of the calcium mass, where nothing can be weighed.

    No measurement: what women of known mass hold for an area, on phantoms. ``docs/mass.md`` tells what it is
    worth.

    Attributes
    ----------
    central_mg : float
        Mass of calcium that is as often too large as too small.
    interval_mg : tuple of float
        (low, high), 95 %.
    basis : {"area"}
        What it rests on.
    fit : str
        Name of the fit, which tells the network and the phantoms that it was made with.
    """

    central_mg: Amount
    interval_mg: Interval
    basis: Literal["area"]
    fit: Words

    def check(self) -> None:
        """Raise ValueError where the middle is no part of the interval."""
        if not self.interval_mg[0] <= self.central_mg <= self.interval_mg[1]:
            raise ValueError("an estimate outside of its interval")


@dataclass(frozen=True, slots=True)
class ImageReport(Record):
    """What was measured on one image.

    Areas, lengths, widths and masses are in the plane of the artery, not of the detector. Masses are of
    calcium, not of hydroxyapatite. Where nothing was measured, values are None, never zero.

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
    mass_reference : {"calcium"}
        Mass of calcium, not of hydroxyapatite.
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
    device : Device or None
        The unit that took the image, where the header tells it.
    nipple_px : tuple of int or None
        (row, column) in the stored matrix of where the outline says that the nipple is: the point farthest
        from the chest wall. None where the outline does not allow it to be said.
    outline_source : {"network", "given"}
        Who drew what was weighed: "given" is an outline that a reader drew or corrected. ``bac_probability``
        is the network's word on the image all the same, and vessels of a given outline have no probability.
    """

    condition: ClassVar[Condition | None] = Condition(
        "status",
        "ok",
        known=("rows", "columns", "bac_detected", "bac_probability"),
        null=("code", "reason"),
        otherwise_known=("code", "reason"),
        otherwise_null=("bac_detected", "calcium_mass_mg"),
    )

    status: Status
    code: Code | None = None
    reason: Line | None = None
    sop_instance_uid: Identifier | None = None
    study_instance_uid: Identifier | None = None
    laterality: Laterality | None = None
    view: Name | None = None
    rows: Pixels | None = None
    columns: Pixels | None = None
    warnings: tuple[Notice, ...] = ()
    bac_detected: bool | None = None
    bac_probability: Share | None = None
    probability_prevalence: Share | None = field(default=None, metadata=LATER)
    min_probability: Share | None = field(default=None, metadata=LATER)
    calcium_mass_mg: Amount | None = None
    calcium_mass_interval_mg: Interval | None = None
    mass_basis: MassBasis = "none"
    mass_reference: Literal["calcium"] = field(default="calcium", init=False, repr=False)
    area_mm2: Amount | None = None
    length_mm: Amount | None = None
    area_estimate: AreaEstimate | None = field(default=None, metadata=LATER)
    breast_area_mm2: Amount | None = field(default=None, metadata=LATER)
    area_percent_of_breast: Percent | None = field(default=None, metadata=LATER)
    length_mm_per_cm2_of_breast: Amount | None = field(default=None, metadata=LATER)
    vessels: tuple[Vessel, ...] = field(default=(), metadata=as_columns("vessel_count"))
    pixel_spacing_mm: tuple[Size, Size] | None = field(
        default=None, metadata=as_columns("row_spacing_mm", "column_spacing_mm")
    )
    spacing_source: Words | None = None
    magnification: Size | None = None
    magnification_source: Words | None = field(default=None, metadata=as_columns())
    beam: Beam | None = None
    timings_ms: Mapping[str, Amount] = field(default_factory=dict)
    device: Device | None = field(
        default=None,
        metadata={
            **LATER,
            **as_columns("device_manufacturer", "device_model", "device_software", "detector_id_hash"),
        },
    )
    nipple_px: tuple[Count, Count] | None = field(default=None, metadata={**LATER, **as_columns()})
    outline_source: OutlineSource = field(default="network", metadata=LATER)

    @property
    def vessel_count(self) -> int | None:
        """Calcified stretches of artery; None where the image was not measured, or they are not listed."""
        return len(self.vessels) if self.vessels or self.bac_detected is False else None
