"""Files: DICOM Digital Mammography X-Ray Images (PS3.3 A.26), PNG and JPEG."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from bac_randfield.image.looks import Pixels

_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
_WORDS = {"Mo": "MOLYBDENUM", "Rh": "RHODIUM", "W": "TUNGSTEN", "Ag": "SILVER", "Al": "ALUMINUM"}
_VIEWS = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}


def write_dicom(pixels: Pixels, facts: Mapping[str, Any]) -> bytes:
    """Encode a view; `facts` are those of `bac_randfield.woman`. There is no patient: a phantom's name."""
    raw = facts["look"] == "raw"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_PRESENTATION + ".1" if raw else _PRESENTATION)
    meta.MediaStorageSOPInstanceUID = UID(facts["sop_instance_uid"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    _identify(ds, meta, facts, raw)
    _describe_exposure(ds, facts)
    ds.Rows, ds.Columns = pixels.stored.shape
    ds.SamplesPerPixel, ds.PixelRepresentation = 1, 0
    ds.PhotometricInterpretation = "MONOCHROME1" if pixels.inverted else "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, pixels.bits, pixels.bits - 1
    ds.PixelIntensityRelationship = "LIN" if raw else "LOG"
    # 1: lower values for less X-ray intensity.
    ds.PixelIntensityRelationshipSign = 1 if raw else -1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape = "INVERSE" if pixels.inverted else "IDENTITY"
    if pixels.window is not None:
        ds.WindowCenter, ds.WindowWidth = (round(v, 1) for v in pixels.window)
    ds.PixelData = np.ascontiguousarray(pixels.stored, dtype="<u2").tobytes()
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _identify(ds: Dataset, meta: FileMetaDataset, facts: Mapping[str, Any], raw: bool) -> None:
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = facts["study_instance_uid"], facts["series_instance_uid"]
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "MG", "bac_randfield", facts["system"]
    ds.PatientName, ds.PatientID, ds.PatientSex = "PHANTOM", f"RANDFIELD-{facts['woman_seed']}", "F"
    ds.PatientBirthDate = ds.StudyDate = ds.StudyTime = ds.StudyID = ds.AccessionNumber = ""
    ds.ReferringPhysicianName = ""
    ds.SeriesNumber, ds.InstanceNumber = 1, facts["instance_number"]
    ds.ImageType = ["ORIGINAL" if raw else "DERIVED", "PRIMARY"]
    ds.PresentationIntentType = "FOR PROCESSING" if raw else "FOR PRESENTATION"
    side, view = facts["laterality"], facts["view"]
    ds.ImageLaterality, ds.ViewPosition, ds.OrganExposed = side, view, "BREAST"
    item = Dataset()
    item.CodeValue, item.CodeMeaning = _VIEWS[view]
    item.CodingSchemeDesignator, item.ViewModifierCodeSequence = "SCT", []
    ds.ViewCodeSequence = [item]
    ds.BurnedInAnnotation = ds.BreastImplantPresent = ds.PartialView = "NO"
    ds.LossyImageCompression = "00"
    away = "A" if side == "L" else "P"
    other = "R" if side == "L" else "L"
    ds.PatientOrientation = [away, other if view == "CC" else "F" + other]


def _describe_exposure(ds: Dataset, facts: Mapping[str, Any]) -> None:
    ds.ImagerPixelSpacing = [facts["pitch_mm"]] * 2
    source, gap = facts["source_mm"], facts["gap_mm"]
    ds.DistanceSourceToDetector, ds.DistanceSourceToPatient = source, source - gap
    ds.EstimatedRadiographicMagnificationFactor = round(source / (source - gap), 4)
    ds.BodyPartThickness, ds.CompressionForce = facts["header_thickness_mm"], 90
    ds.KVP, ds.AnodeTargetMaterial = facts["kvp"], _WORDS[facts["anode"]]
    ds.FilterMaterial = _WORDS[facts["filter_material"]]
    ds.FilterThicknessMinimum = ds.FilterThicknessMaximum = facts["filter_um"] / 1000
    ds.Grid = ["RECIPROCATING", "FOCUSED"] if facts["grid"] else "NONE"
    ds.DetectorType = "DIRECT" if facts["detector"] == "a-Se" else "SCINTILLATOR"


def write_picture(pixels: Pixels, quality: int | None) -> bytes:
    """Encode 8-bit grey as PNG, or as JPEG of a quality. Neither says how large a pixel is."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels.stored)
    if quality is None:
        image.save(buffer, format="PNG", compress_level=1)
    else:
        image.save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()
