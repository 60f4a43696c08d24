"""What a scan of an archive costs: processor seconds and memory over many headers.

    python benchmarks/archive_scan.py make FOLDER --images 20000   # sparse files of 33 KB each on the disk
    python benchmarks/archive_scan.py scan FOLDER                  # twice: the first warms the disk's cache

Headers are as long as those of mammographs: 170 elements, sequences, private elements, 33 KB. Exams, women,
days, exposures and thicknesses differ as they do there. Processor seconds, since those alone are comparable
on a machine that does other things.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

ROWS, COLUMNS = 3062, 2394
PRIVATE_ELEMENTS, PRIVATE_BYTES = 120, 220
VIEWS = (
    *(("L", "CC", "399162004"), ("L", "MLO", "399368009")),
    *(("R", "CC", "399162004"), ("R", "MLO", "399368009")),
)
SEQUENCES = ("SourceImageSequence", "ReferencedPerformedProcedureStepSequence", "RequestAttributesSequence")
# What differs stands in the templates as texts of the same length.
STUDY, PATIENT, DAY, AGE = b"1.2.840.99.1000000", b"P00000000", b"20010203", b"041Y"
KVP, THICKNESS, EXPOSURE = b"11.11111", b"22.22222", b"33333333"


def template() -> Dataset:
    """Make a header without what differs from image to image."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    image.ImageType, image.Modality = ["ORIGINAL", "PRIMARY", ""], "MG"
    image.PresentationIntentType = "FOR PRESENTATION"
    image.Manufacturer, image.ManufacturerModelName = "ACME", "Mammo 1"
    image.SoftwareVersions, image.DeviceSerialNumber, image.DetectorID = ["1.2", "3"], "SN-7", "D1"
    image.InstitutionName, image.StationName, image.BodyPartExamined = "Institution", "MG1", "BREAST"
    image.PatientSex, image.DistanceSourceToDetector, image.DistanceSourceToPatient = "F", "660", "640"
    image.AnodeTargetMaterial, image.FilterMaterial, image.Grid = "RHODIUM", "SILVER", "RECIPROCATING"
    image.ImagerPixelSpacing = image.DetectorElementSpacing = [0.1, 0.1]
    image.EstimatedRadiographicMagnificationFactor, image.DetectorType = "1.0", "SCINTILLATOR"
    image.Rows, image.Columns, image.SamplesPerPixel = ROWS, COLUMNS, 1
    image.PhotometricInterpretation, image.PixelRepresentation = "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.WindowCenter, image.WindowWidth, image.VOILUTFunction = [2000, 1800], [800, 700], "SIGMOID"
    block = image.private_block(0x0045, "ACME 1", create=True)
    for number in range(PRIVATE_ELEMENTS):
        block.add_new(number, "UT", "x" * PRIVATE_BYTES)
    for keyword in SEQUENCES:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, "1.2.3.4.5.6.7.8.9"
        setattr(image, keyword, Sequence([item]))
        image[keyword].is_undefined_length = item.is_undefined_length_sequence_item = True
    return image


def view_of(image: Dataset, place: int) -> bytes:
    """Write one of the four views, to the length of its pixels."""
    side, view, code = VIEWS[place]
    study = STUDY.decode()
    image.StudyInstanceUID, image.SeriesInstanceUID = study, f"{study}.1"
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{study}.1.{place}"
    image.PatientID, image.PatientName, image.PatientAge = (
        PATIENT.decode(),
        f"{PATIENT.decode()}^A",
        AGE.decode(),
    )
    image.StudyDate = image.AcquisitionDate = image.ContentDate = DAY.decode()
    image.AcquisitionTime, image.InstanceNumber = f"12{place:02}00", place + 1
    image.ImageLaterality, image.ViewPosition = side, view
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", view
    image.ViewCodeSequence = Sequence([item])
    image.KVP, image.BodyPartThickness, image.ExposureInuAs = (
        KVP.decode(),
        THICKNESS.decode(),
        EXPOSURE.decode(),
    )
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue() + b"\xe0\x7f\x10\0OW\0\0" + (ROWS * COLUMNS * 2).to_bytes(4, "little")


def make(folder: Path, images: int) -> None:
    """Write exams of four views into a folder each."""
    chance, image = random.Random(4711), template()  # noqa: S311  # no secret
    views = [view_of(image, place) for place in range(len(VIEWS))]
    for exam in range(images // len(VIEWS)):
        where = folder / f"{exam % 100:02}" / f"{exam:07}"
        where.mkdir(parents=True, exist_ok=True)
        day = f"20{chance.randrange(10, 26):02}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
        visit = {
            STUDY: f"1.2.840.99.{10**6 + exam}",
            PATIENT: f"P{chance.randrange(10**8):08}",
            DAY: day,
            AGE: f"{chance.randrange(40, 80):03}Y",
        }
        for place, data in enumerate(views):
            exposure = {
                KVP: f"{chance.randrange(26, 33)}.00000",
                THICKNESS: f"{chance.randrange(25, 90)}.00000",
                EXPOSURE: f"{chance.randrange(20_000, 150_000):08}",
            }
            for mark, text in {**visit, **exposure}.items():
                data = data.replace(mark, text.encode())
            with (where / f"{place}.dcm").open("wb") as file:
                file.write(data)
                file.truncate(len(data) + ROWS * COLUMNS * 2)  # a hole: no pixel is read


def scan_once(folder: Path) -> dict[str, float]:
    """Scan a folder; images a second and core, and the most memory that the process had, in MB."""
    from bacctl.archive.scanning.scan import scan

    with tempfile.TemporaryDirectory() as out:
        before = time.process_time()
        summary = scan(str(folder), f"{out}/manifest.parquet")
        spent = time.process_time() - before
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if summary.measurable != summary.images:
        sys.exit(f"not all are to be measured: {summary.codes}")
    return {"images": summary.images, "core s": spent, "images/core s": summary.images / spent, "MB": most}


def main() -> None:
    """Make or scan."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("make", "scan"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=20_000)
    given = parser.parse_args()
    if given.what == "make":
        make(given.folder, given.images)
    else:
        print(", ".join(f"{name} {value:.6g}" for name, value in scan_once(given.folder).items()))


if __name__ == "__main__":
    main()
