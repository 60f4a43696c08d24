from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from bac_training.data.check import Checked, check_apart, check_folder
from bac_training.data.folder import Entry

RAW = "1.2.840.10008.5.1.4.1.1.1.2.1"


def write(folder: Path, name: str, **changes: Any) -> Entry:
    """A mammogram's header with black pixels, and its black mask."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, RAW
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    image = pydicom.Dataset()
    image.file_meta = meta
    values = {
        "SOPClassUID": RAW,
        "SOPInstanceUID": f"1.2.{sum(name.encode())}",
        "StudyInstanceUID": "1.2.9",
        "Modality": "MG",
        "PresentationIntentType": "FOR PROCESSING",
        "Rows": 300,
        "Columns": 200,
        "ImagerPixelSpacing": [0.1, 0.1],
        "BitsAllocated": 16,
        "BitsStored": 14,
        "HighBit": 13,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": np.zeros((300, 200), np.uint16).tobytes(),
    }
    for keyword, value in {**values, **changes}.items():
        if value is not None:
            setattr(image, keyword, value)
    image.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    Image.new("L", (200, 300)).save(folder / f"{name}.png")
    return Entry(Path(f"{name}.dcm"), Path(f"{name}.png"), None)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"Rows": 299}, "is 300 x 200 pixels, its image 299 x 200"),
        ({"ImagerPixelSpacing": None}, "BAC-SPACING-MISSING: .*; fill in pixel_spacing_mm in the list"),
        ({"ImagerPixelSpacing": [100, 100]}, "BAC-SPACING-INVALID"),
        ({"Modality": "CT"}, "BAC-MODALITY"),
        ({"NumberOfFrames": 3}, "BAC-MULTIFRAME"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "BAC-COLOUR"),
    ],
)
def test_a_header_tells_faults_before_anything_is_decoded(
    tmp_path: Path, changes: dict[str, Any], fault: str | None
) -> None:
    checked = check_folder(tmp_path, [write(tmp_path, "a", **changes)])
    if fault is None:
        assert not checked.problems
        assert len(checked.usable) == 1
    else:
        (line,) = checked.problems
        assert re.search(fault, line), line


def test_one_image_under_two_names_is_listed_twice(tmp_path: Path) -> None:
    entries = [write(tmp_path, name, SOPInstanceUID="1.2.77") for name in "ab"]
    (line,) = check_folder(tmp_path, entries).problems
    assert "b.dcm: is the same image as" in line


def test_an_exam_is_on_one_side_only(tmp_path: Path) -> None:
    sides: list[dict[Path, Checked]] = []
    for name, study in (("a", "1.2.9"), ("b", "1.2.9"), ("c", "1.2.10")):
        folder = tmp_path / name
        folder.mkdir()
        sides.append({folder: check_folder(folder, [write(folder, name, StudyInstanceUID=study)])})
    (line,) = check_apart(sides[0], sides[1])
    assert "b.dcm: the exam is in the training data too" in line
    assert not check_apart(sides[0], sides[2])
