"""The structured report of an exam: TID 1500 Measurement Report in a Comprehensive 3D SR."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence

from highdicom.sr import (
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from bacctl.outputs.dicom.amounts import leave_out_placeholders
from bacctl.outputs.dicom.codes import MAMMOGRAPHY, scheme_item
from bacctl.outputs.dicom.groups import Groups
from bacctl.outputs.dicom.run import MANUFACTURER, MODEL, RESEARCH, Run
from bacctl.outputs.dicom.source import Source


def structured_report(run: Run, sources: Sequence[Source], segmentations: Mapping[int, Dataset]) -> Dataset:
    """Make the report of an exam.

    Parameters
    ----------
    run : Run
        Of the exam.
    sources : sequence of Source
        Its measured images.
    segmentations : mapping of int to pydicom.Dataset
        The segmentations that were made of them, by the number of the image; vessels refer to theirs.

    Returns
    -------
    highdicom.sr.Comprehensive3DSR
        One measurement group for the woman, each breast, each image and each vessel.
    """
    header = sources[0].header
    observer = ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=_device_uid(run),
            name=MODEL,
            manufacturer_name=MANUFACTURER,
            model_name=MODEL,
            serial_number=run.weights,
        ),
    )
    groups = Groups(run, sources, segmentations)
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer),
        procedure_reported=MAMMOGRAPHY,
        title=codes.DCM.ImagingMeasurementReport,
        imaging_measurements=groups.all(),
        referenced_images=_library(sources),
    )
    evidence = [source.header for source in sources] + list(segmentations.values())
    report = Comprehensive3DSR(
        evidence=evidence,
        content=content[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        performed_procedure_codes=[MAMMOGRAPHY],
        coding_schemes=[scheme_item()],
        specific_character_set=header.SpecificCharacterSet,
        **run.identity("sr"),
    )
    leave_out_placeholders(report)
    _leave_out_frames(report)
    report.CompletionFlagDescription = RESEARCH
    return report


def _leave_out_frames(content: Dataset) -> None:
    """Let references to segments name no frames, as a segment alone is meant (PS3.3 10.3).

    highdicom's group of a plane asks for both, and one excludes the other.
    """
    for item in content.get("ContentSequence", ()):
        for image in item.get("ReferencedSOPSequence", ()):
            if "ReferencedSegmentNumber" in image and "ReferencedFrameNumber" in image:
                del image.ReferencedFrameNumber
        _leave_out_frames(item)


def _device_uid(run: Run) -> str:
    """Return the UID of the software and its network: the same for all reports that they make."""
    digest = hashlib.sha256(f"bacctl {run.version} {run.weights}".encode()).hexdigest()
    return f"2.25.{int(digest[:32], 16)}"


def _library(sources: Sequence[Source]) -> list[Dataset] | None:
    """Return headers with what an image library says of projections; None where one of them lacks it."""
    described = []
    for source in sources:
        if source.orientation is None or source.image.pixel_spacing_mm is None:
            return None
        image = copy.copy(source.header)
        image.ImagerPixelSpacing = list(source.image.pixel_spacing_mm)
        described.append(image)
    return described
