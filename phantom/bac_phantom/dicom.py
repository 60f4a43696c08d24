"""Write a view as a Digital Mammography X-Ray Image object (DICOM PS3.3 A.26) or as a TIFF film scan."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from bac_phantom.looks import Stored

FOR_PRESENTATION = UID("1.2.840.10008.5.1.4.1.1.1.2")
FOR_PROCESSING = UID("1.2.840.10008.5.1.4.1.1.1.2.1")
_ANODES = {"Mo": "MOLYBDENUM", "Rh": "RHODIUM", "W": "TUNGSTEN"}
_FILTERS = {"Mo": "MOLYBDENUM", "Rh": "RHODIUM", "Ag": "SILVER", "Al": "ALUMINUM"}
_VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def encode_dicom(stored: Stored, facts: Mapping[str, Any]) -> bytes:
    """Encode one view, Explicit VR Little Endian, with the header facts a measurement needs.

    ``facts`` holds uids, laterality, view, pitch_mm, raw (bool), log (bool), beam, geometry and thickness as
    ``bac_phantom.woman`` collects them. The patient is a phantom: no name, no date of birth.
    """
    raw = bool(facts["raw"])
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = FOR_PROCESSING if raw else FOR_PRESENTATION
    meta.MediaStorageSOPInstanceUID = facts["sop_instance_uid"]
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = facts["sop_instance_uid"]
    ds.StudyInstanceUID = facts["study_instance_uid"]
    ds.SeriesInstanceUID = facts["series_instance_uid"]
    ds.Modality = "MG"
    ds.Manufacturer = "bac_phantom"
    ds.ManufacturerModelName = "digital phantom"
    ds.PatientName = "PHANTOM"
    ds.PatientID = f"PHANTOM-{facts['woman_seed']}"
    ds.PatientSex = "F"
    ds.PatientBirthDate = ""
    ds.StudyDate = ds.StudyTime = ds.StudyID = ds.AccessionNumber = ds.ReferringPhysicianName = ""
    ds.SeriesNumber, ds.InstanceNumber = 1, facts["instance_number"]
    ds.ImageType = ["ORIGINAL" if raw else "DERIVED", "PRIMARY"]
    ds.PresentationIntentType = "FOR PROCESSING" if raw else "FOR PRESENTATION"
    ds.ImageLaterality = facts["laterality"]
    ds.ViewPosition = facts["view"]
    item = _code(*_VIEW_CODES[facts["view"]])
    item.ViewModifierCodeSequence = []
    ds.ViewCodeSequence = [item]
    ds.OrganExposed = "BREAST"
    ds.BurnedInAnnotation = "NO"
    ds.BreastImplantPresent = "NO"
    ds.PartialView = "NO"
    ds.LossyImageCompression = "00"
    across = "P" if facts["flipped"] else "A"
    down = {"CC": {"L": "R", "R": "L"}, "MLO": {"L": "FR", "R": "FL"}}[facts["view"]][facts["laterality"]]
    ds.PatientOrientation = [across, down]

    ds.ImagerPixelSpacing = [round(facts["pitch_mm"], 6)] * 2
    ds.DistanceSourceToDetector = facts["sid_mm"]
    ds.DistanceSourceToPatient = facts["sid_mm"] - facts["gap_mm"]
    ds.EstimatedRadiographicMagnificationFactor = round(
        facts["sid_mm"] / (facts["sid_mm"] - facts["gap_mm"]), 4
    )
    ds.BodyPartThickness = facts["thickness_mm"]
    ds.CompressionForce = 100
    ds.KVP = facts["kvp"]
    ds.AnodeTargetMaterial = _ANODES[facts["anode"]]
    ds.FilterMaterial = _FILTERS[facts["filter_material"]]
    ds.FilterThicknessMinimum = ds.FilterThicknessMaximum = facts["filter_thickness_mm"]
    ds.Grid = ["RECIPROCATING", "FOCUSED"] if facts["grid"] else "NONE"
    ds.DetectorType = "DIRECT" if facts["detector"] == "a-Se" else "SCINTILLATOR"

    ds.Rows, ds.Columns = stored.pixels.shape
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME1" if stored.inverted else "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, stored.bits, stored.bits - 1, 0
    ds.PixelIntensityRelationship = "LOG" if facts["log"] or not raw else "LIN"
    # 1: a lower value means less X-ray intensity.
    ds.PixelIntensityRelationshipSign = 1 if raw and not facts["log"] else -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape = "INVERSE" if stored.inverted else "IDENTITY"
    if stored.padding is not None:
        ds.PixelPaddingValue = stored.padding
    _add_voi(ds, stored)
    ds.PixelData = np.ascontiguousarray(stored.pixels, dtype="<u2").tobytes()
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _add_voi(ds: Dataset, stored: Stored) -> None:
    """Write windows and tables (PS3.3 C.11.2); there are none in images FOR PROCESSING."""
    if stored.windows:
        ds.WindowCenter = [window.centre for window in stored.windows]
        ds.WindowWidth = [window.width for window in stored.windows]
        ds.WindowCenterWidthExplanation = [window.explanation for window in stored.windows]
        ds.VOILUTFunction = stored.voi_function
    items = []
    for table in stored.voi_tables:
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [len(table.entries), table.first, table.bits])
        item.LUTExplanation = table.explanation
        item.add_new("LUTData", "OW", table.entries.astype("<u2").tobytes())
        items.append(item)
    if items:
        ds.VOILUTSequence = items


def encode_film(stored: Stored) -> bytes:
    """Encode a film scan as a TIFF of 8 or 16 bits. It carries no pixel spacing, as in research sets."""
    buffer = io.BytesIO()
    Image.fromarray(stored.pixels).save(buffer, format="TIFF")
    return buffer.getvalue()
