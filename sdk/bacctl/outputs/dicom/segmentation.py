"""A Segmentation a view: each vessel a tracked segment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from highdicom.color import CIELabColor
from highdicom.content import AlgorithmIdentificationSequence, PixelMeasuresSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription

from bacctl.outputs.dicom.codes import (
    ABNORMAL_STRUCTURE,
    ARTIFICIAL_INTELLIGENCE,
    BREAST,
    SIDES,
    VASCULAR_CALCIFICATION,
    item_of,
)
from bacctl.outputs.dicom.run import ALGORITHM, RESEARCH, Run, find_name
from bacctl.outputs.dicom.source import Source, place_side
from bacctl.outputs.dicom.vessels import number_vessels, places_of

_COLOURS = tuple(
    CIELabColor.from_rgb(*rgb)
    for rgb in (
        (255, 196, 0),
        (0, 200, 255),
        (255, 110, 180),
        (120, 230, 90),
        (255, 130, 60),
        (180, 150, 255),
    )
)


def segmentation(run: Run, source: Source, *, labelmap: bool) -> Segmentation | None:
    """Make the segmentation of one image.

    Parameters
    ----------
    run : Run
        Of the exam.
    source : Source
        The image.
    labelmap : bool
        One map of numbers in place of a binary frame a vessel.

    Returns
    -------
    highdicom.seg.Segmentation or None
        Segment N is the Nth vessel of the result, in the matrix of the image. None where nothing was found.
    """
    if not source.mask.any():
        return None
    labels = number_vessels(source.image)
    numbers = list(places_of(labels))
    algorithm = AlgorithmIdentificationSequence(
        name=ALGORITHM,
        family=ARTIFICIAL_INTELLIGENCE,
        version=run.version,
        source=ALGORITHM,
        parameters={"weights_sha256": run.weights_of(source)},
    )
    pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16] = labels
    # Segments are numbered from 1 without a gap (PS3.3 C.8.20.2), as vessels are unless one has no pixel.
    described = [_describe(run, source, place, number, algorithm) for place, number in enumerate(numbers, 1)]
    if numbers != list(range(1, len(numbers) + 1)):
        pixels = np.searchsorted([0, *numbers], labels).astype(np.uint16)
    if len(numbers) < 256:
        pixels = pixels.astype(np.uint8)
    kind = SegmentationTypeValues.LABELMAP if labelmap else SegmentationTypeValues.BINARY
    spacing = source.spacing_mm
    dataset = Segmentation(
        source_images=[source.header],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=described,
        pixel_measures=None if spacing is None else PixelMeasuresSequence(spacing, slice_thickness=None),
        content_label="BAC",
        content_description=f"Arterial calcification. {RESEARCH}",
        **run.identity("seg", source),
    )
    place_side(dataset, source)
    for segment in dataset.SegmentSequence:
        side = SIDES.get(source.image.laterality or "")
        if side is not None and "AnatomicRegionSequence" in segment:  # the background has none
            segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [item_of(side)]
    return dataset


def _describe(
    run: Run, source: Source, place: int, number: int, algorithm: AlgorithmIdentificationSequence
) -> SegmentDescription:
    listed = number <= len(source.image.vessels)
    return SegmentDescription(
        segment_number=place,
        segment_label=f"Vessel {number}" if listed else "Not listed",
        segmented_property_category=ABNORMAL_STRUCTURE,
        segmented_property_type=VASCULAR_CALCIFICATION,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=run.tracking_uid(source.number, number),
        tracking_id=find_name(source, number) if listed else f"{find_name(source)}, not listed",
        anatomic_regions=[BREAST],
        display_color=_COLOURS[(place - 1) % len(_COLOURS)],
    )
