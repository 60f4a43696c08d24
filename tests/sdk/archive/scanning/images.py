"""Small mammograms with the headers of large ones."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalMammographyXRayImageStorageForProcessing, ExplicitVRLittleEndian

SIDE = 64
UNIT = {
    "Manufacturer": "ACME",
    "ManufacturerModelName": "Mammo 1",
    "SoftwareVersions": ["1.2", "3"],
    "DeviceSerialNumber": "SN-7",
    "DetectorID": "D1",
}


def coded(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodeMeaning, item.CodingSchemeDesignator = value, meaning, scheme
    return item


def mammogram(syntax: str = ExplicitVRLittleEndian, **header: Any) -> bytes:
    """Write an image of 64 x 64 pixels; header elements may be given by keyword, None takes one away."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.SOPClassUID = DigitalMammographyXRayImageStorageForProcessing
    image.SOPInstanceUID, image.SeriesInstanceUID, image.StudyInstanceUID = (
        "1.2.3.4.5",
        "1.2.3.4",
        "1.2.3.400",
    )
    image.Modality, image.PresentationIntentType = "MG", "FOR PROCESSING"
    image.ImageLaterality, image.ViewPosition = "L", "CC"
    image.PatientID, image.PatientName, image.PatientBirthDate = "0815", "Doe^Anna", "19610203"
    image.PatientSex, image.PatientAge = "F", "062Y"
    image.StudyDate = image.AcquisitionDate = image.ContentDate = "20240315"
    image.AcquisitionTime, image.InstanceNumber = "101112.345", 3
    image.Rows = image.Columns = SIDE
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 14, 13, 0
    image.ImagerPixelSpacing = [0.2, 0.2]
    image.KVP, image.BodyPartThickness, image.DistanceSourceToDetector = "28", "50", "660"
    view = coded("399162004", "cranio-caudal")
    view.ViewModifierCodeSequence = Sequence([])
    image.ViewCodeSequence = Sequence([view])
    for name, value in {**UNIT, **header}.items():
        if value is None and name in image:
            delattr(image, name)
        elif value is not None:
            setattr(image, name, value)
    image.PixelData = bytes(2 * SIDE * SIDE)
    image["PixelData"].VR = "OW"
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def undefined_lengths(data: bytes) -> bytes:
    """Write a file anew with sequences and items that end where they say they end."""
    image = pydicom.dcmread(io.BytesIO(data))
    for element in image.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def exam(folder: Path, number: int, **header: Any) -> list[Path]:
    """Write the four views of an exam, of a study and a patient of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    study = f"1.2.840.99.{number}"
    paths = []
    for place, name in enumerate(("LCC", "LMLO", "RCC", "RMLO"), 1):
        path = folder / f"{name}.dcm"
        told = {
            "StudyInstanceUID": study,
            "SeriesInstanceUID": f"{study}.1",
            "SOPInstanceUID": f"{study}.1.{place}",
            "PatientID": f"P{number}",
            "PatientName": f"Name{number}^Anna",
            "ImageLaterality": name[0],
            "ViewPosition": name[1:],
            "ViewCodeSequence": None,
            **header,
        }
        path.write_bytes(mammogram(**told))
        paths.append(path)
    return paths
