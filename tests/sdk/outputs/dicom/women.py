"""Small exams made by hand: headers as units write them, and results whose every value is known."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from bac_terms.notices import Notice
from bacctl import AreaEstimate, ExamResult, ImageResult, Vessel
from bacctl.exam.build import build_exam

ROWS, COLUMNS = 240, 160
STUDY = "1.2.826.0.1.7.1"
WEIGHTS = "cd" * 32
FOR_PROCESSING, FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2.1", "1.2.840.10008.5.1.4.1.1.1.2"


def mammogram(side: str = "L", view: str = "CC", *, without: tuple[str, ...] = (), **header: object) -> bytes:
    """Write a half-disc breast at the chest wall of its side, with two bright lines in it."""
    row, column = np.mgrid[:ROWS, :COLUMNS]
    from_wall = column if side == "L" else COLUMNS - 1 - column
    radius = np.hypot((row - ROWS / 2) / 110.0, from_wall / 130.0)
    thickness = 4.0 * np.sqrt(np.clip(1.0 - radius**4, 0.0, 1.0))
    attenuation = 0.5 * thickness + 0.3 * vessels(side).astype(bool)
    image = pydicom.Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SpecificCharacterSet = "ISO_IR 100"
    image.SOPClassUID = FOR_PROCESSING
    image.SOPInstanceUID = generate_uid(entropy_srcs=["image", side, view, str(header)])
    image.StudyInstanceUID, image.SeriesInstanceUID = STUDY, f"{STUDY}.2"
    image.PatientName, image.PatientID = "Müller^Jane", "WOMAN-4711"
    image.PatientBirthDate, image.PatientSex = "19600102", "F"
    image.StudyDate, image.StudyTime, image.StudyID = "20240506", "101112", "S77"
    image.AccessionNumber, image.ReferringPhysicianName = "ACC-99", "House^Gregory"
    image.Modality = "MG"
    image.PresentationIntentType = "FOR PROCESSING"
    image.ImageType = ["ORIGINAL", "PRIMARY", ""]
    image.ImageLaterality, image.ViewPosition = side, view
    image.PatientOrientation = ["A", "R"] if side == "L" else ["P", "FL"]
    image.BurnedInAnnotation = "NO"
    image.Rows, image.Columns = ROWS, COLUMNS
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 14, 13, 0
    image.PixelIntensityRelationship, image.PixelIntensityRelationshipSign = "LOG", -1
    image.ImagerPixelSpacing = [0.5, 0.5]
    image.DistanceSourceToDetector = 660.0
    image.KVP, image.BodyPartThickness = 28.0, 50.0
    image.AnodeTargetMaterial, image.FilterMaterial = "TUNGSTEN", "RHODIUM"
    for name, value in header.items():
        setattr(image, name, value)
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    for name in without:
        delattr(image, name)
    if image.get("PixelIntensityRelationship") == "LIN":
        values = 12000 * np.exp(-attenuation)
    else:
        values = 3000 * attenuation + 200
    image.PixelData = np.clip(values, 0, 16383).astype("<u2").tobytes()
    stream = io.BytesIO()
    image.preamble = bytes(128)
    # Without its UIDs an object is no file of the standard's, and yet such files are met.
    pydicom.dcmwrite(stream, image, enforce_file_format=not {"SOPClassUID", "SOPInstanceUID"} & {*without})
    return stream.getvalue()


def vessels(side: str) -> np.ndarray:
    """Number the pixels of two vessels; the second is of two pieces, and their boxes overlap."""
    labels = np.zeros((ROWS, COLUMNS), np.uint8)
    labels[100:104, 20:60] = 1
    labels[90:95, 50:56] = 2
    labels[110:130, 50:53] = 2
    return labels if side == "L" else labels[:, ::-1]


def vessel(labels: np.ndarray, number: int, mass: float | None) -> Vessel:
    rows, columns = np.nonzero(labels == number)
    box = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    area = len(rows) * 0.25 / 1.21  # pixels of 0.5 mm, magnified 1.1 times
    return Vessel(20.0 * number, area, area / (20.0 * number), mass, box, 0.9)


def result(path: Path, *, weighed: bool = True, found: bool = True) -> ImageResult:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    side = header.get("ImageLaterality", "L")
    labels = vessels(side) if found else np.zeros((ROWS, COLUMNS), np.uint8)
    listed = tuple(vessel(labels, n, 3.3 * n if weighed else None) for n in (1, 2)) if found else ()
    area = sum(one.area_mm2 for one in listed)
    mass = sum(one.calcium_mass_mg or 0.0 for one in listed)
    density = np.where(labels > 0, np.float32(0.08) * labels, 0).astype(np.float32)
    if found and weighed:
        density *= np.float32(mass / (density.sum() * 0.25 / 1.21))
    return ImageResult(
        "ok",
        sop_instance_uid=str(header.SOPInstanceUID) if "SOPInstanceUID" in header else None,
        study_instance_uid=str(header.StudyInstanceUID) if "StudyInstanceUID" in header else None,
        laterality=side,
        view=str(header.ViewPosition),
        rows=ROWS,
        columns=COLUMNS,
        warnings=() if weighed else (Notice.of("BAC-W-MASS-NONE-PROCESSED"),),
        bac_detected=found,
        bac_probability=0.75,
        min_probability=0.5,
        calcium_mass_mg=mass if weighed else None,
        calcium_mass_interval_mg=(mass * 0.7, mass * 1.4) if weighed else None,
        mass_basis="calibrated" if weighed else "none",
        area_mm2=area,
        length_mm=60.0 if found else 0.0,
        area_estimate=None if weighed else AreaEstimate(4.5, (0.5, 11.0), "area", "fit-1"),
        vessels=listed,
        pixel_spacing_mm=(0.5, 0.5),
        magnification=1.1,
        path=path,
        mask=labels > 0,
        density=density if weighed else None,
        weights_sha256=WEIGHTS,
    )


def exam(folder: Path, *images: bytes, weighed: bool = True, found: bool = True) -> ExamResult:
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for number, data in enumerate(images):
        path = folder / f"{number}.dcm"
        path.write_bytes(data)
        results.append(result(path, weighed=weighed, found=found))
    made = build_exam(results, results[0].study_instance_uid)
    return replace(made, software={"bacctl": "0.1.0", "model": WEIGHTS})


def woman(folder: Path, *, weighed: bool = True, found: bool = True, **header: object) -> ExamResult:
    views = [(side, view) for side in "LR" for view in ("CC", "MLO")]
    return exam(
        folder,
        *(mammogram(side, view, **header) for side, view in views),
        weighed=weighed,
        found=found,
    )
