"""The report of one image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from bac_imaging.context import Context
from bac_imaging.mass.area import estimate_of
from bac_imaging.mass.weigh import VesselMass
from bac_imaging.vessels.position import Nipple, find_nipple, locate
from bac_imaging.vessels.probability import Probabilities
from bac_imaging.vessels.stored import StoredVessels
from bac_terms.measured import MassBasis
from bac_terms.notices import Notice
from bac_terms.report import ImageReport, Vessel


@dataclass(frozen=True)
class MassResult:
    """What is said about an image's calcium mass.

    Attributes
    ----------
    basis : {"calibrated", "estimated", "none"}
        How far the mass can be trusted.
    vessels : tuple of VesselMass
        One per vessel; empty without a mass.
    interval_mg : tuple of float or None
        Interval of the sum; None without a mass.
    notices : tuple of Notice
        Why there is no mass, that it is an estimate, what was not weighed.
    """

    basis: MassBasis
    vessels: tuple[VesselMass, ...]
    interval_mg: tuple[float, float] | None
    notices: tuple[Notice, ...] = ()


def make_report(
    context: Context,
    stored: StoredVessels,
    lengths_mm: Sequence[float],
    probability: Probabilities,
    mass: MassResult,
    weights_sha256: str | None = None,
) -> ImageReport:
    """Write the report of one image.

    Parameters
    ----------
    context : Context
        Of the image.
    stored : StoredVessels
        The vessels on the stored matrix.
    lengths_mm : sequence of float
        Length of each vessel in the detector's plane, in mm.
    probability : Probabilities
        Of the image and of its vessels.
    mass : MassResult
        Calcium mass.
    weights_sha256 : str, optional
        Digest of the network, where an estimate from the area is wanted.

    Returns
    -------
    ImageReport
        Lengths, areas and masses in the plane of the artery.
    """
    magnification = context.magnification
    counts = np.bincount(stored.labels.ravel(), minlength=len(lengths_mm) + 1)[1:]
    boxes = ndimage.find_objects(stored.labels, max_label=len(lengths_mm)) if lengths_mm else []
    first_row, first_column = (part.start for part in stored.window)
    nipple = find_nipple(context)
    vessels = []
    for index, (length, count, box) in enumerate(zip(lengths_mm, counts, boxes, strict=True)):
        if box is None:
            continue
        in_object = length / magnification
        area = float(count) * context.pixel_area_mm2
        first = first_row + box[0].start, first_column + box[1].start
        rows, columns = np.nonzero(stored.labels[box] == index + 1)
        position = locate((rows + first[0], columns + first[1]), nipple, context)
        vessels.append(
            Vessel(
                length_mm=round(in_object, 3),
                area_mm2=round(area, 4),
                mean_width_mm=round(area / in_object, 3),
                calcium_mass_mg=round(mass.vessels[index].mass_mg, 5) if mass.vessels else None,
                bbox_px=(*first, first_row + box[0].stop, first_column + box[1].stop),
                probability=probability.vessels[index],
                side=position.side,
                depth=position.depth,
                nipple_distance_mm=position.nipple_distance_mm,
            )
        )
    area, length = math.fsum(v.area_mm2 for v in vessels), math.fsum(v.length_mm for v in vessels)
    row_mm, column_mm = context.working_spacing_mm
    breast = float(np.count_nonzero(context.breast_mask)) * row_mm * column_mm / magnification**2
    return ImageReport(
        "ok",
        sop_instance_uid=context.sop_instance_uid,
        study_instance_uid=context.study_instance_uid,
        laterality=context.laterality,
        view=context.view,
        rows=context.rows,
        columns=context.columns,
        warnings=(*context.warnings, *mass.notices),
        bac_detected=bool(vessels),
        bac_probability=probability.image,
        probability_prevalence=probability.prevalence,
        min_probability=probability.point,
        calcium_mass_mg=None if mass.interval_mg is None else math.fsum(v.mass_mg for v in mass.vessels),
        calcium_mass_interval_mg=mass.interval_mg,
        mass_basis=mass.basis,
        area_mm2=area,
        length_mm=length,
        area_estimate=estimate_of(context, weights_sha256, area),
        breast_area_mm2=round(breast, 1),
        area_percent_of_breast=round(100.0 * area / breast, 5),
        length_mm_per_cm2_of_breast=round(100.0 * length / breast, 5),
        vessels=tuple(vessels),
        pixel_spacing_mm=context.pixel_spacing_mm,
        spacing_source=context.spacing_source,
        magnification=magnification,
        magnification_source=context.magnification_source,
        beam=context.beam,
        device=context.device,
        nipple_px=None if nipple is None else _pixel(nipple, context),
    )


def _pixel(nipple: Nipple, context: Context) -> tuple[int, int]:
    """Return the stored pixel, (row, column), that the nipple lies in."""
    row, column = (
        min(max(int(place / spacing), 0), size - 1)
        for place, spacing, size in zip(
            (nipple.row_mm, nipple.column_mm), context.pixel_spacing_mm, context.shape, strict=True
        )
    )
    return row, column
