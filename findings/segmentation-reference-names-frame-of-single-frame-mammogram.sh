#!/usr/bin/env bash
# A measurement that points at a mammogram's second vessel says "frame 2" of an image that has one frame
#
# Versions:   highdicom 0.28.2, pydicom 3.0.2, numpy 2.4.6; Python 3.11
# Expected:   ReferencedSegmentationFrame.from_segmentation(seg, segment_number=n) references frame n of the
#             segmentation and the mammogram as a whole: Referenced Frame Number (0008,1160) belongs to multi-frame
#             images only (PS3.3 table 10-3).
# Seen:       the segmentation's frame number is written onto the mammogram too. With a segmentation of one segment
#             the same call is an AttributeError. ReferencedSegment, meant for volumes, has neither fault with
#             several segments.
# Output:     segment 1: segmentation frame 1, mammogram (one frame) frame 1
#             segment 2: segmentation frame 2, mammogram (one frame) frame 2
#             ReferencedSegment, segment 2: mammogram frame None
#             one segment only: AttributeError: 'Dataset' object has no attribute 'SegmentIdentificationSequence'
# Why:        a viewer that follows the reference of the second vessel asks for a frame that does not exist, and a
#             validator counts an error for each vessel of the report.
# What to do: delete ReferencedFrameNumber from references to single-frame images, or use ReferencedSegment; build
#             the reference by hand for a single vessel.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check highdicom==0.28.2 pydicom==3.0.2 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import sys

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

mammogram = Dataset()
mammogram.file_meta = FileMetaDataset()
mammogram.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
mammogram.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
mammogram.SOPInstanceUID, mammogram.StudyInstanceUID, mammogram.SeriesInstanceUID = (hd.UID() for _ in range(3))
mammogram.Modality, mammogram.ImageLaterality, mammogram.Manufacturer = "MG", "L", ""
for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime"):
    setattr(mammogram, keyword, "")
mammogram.AccessionNumber = mammogram.ReferringPhysicianName = ""
mammogram.SeriesNumber = mammogram.InstanceNumber = 1
mammogram.Rows, mammogram.Columns = 80, 60
mammogram.SamplesPerPixel, mammogram.PhotometricInterpretation = 1, "MONOCHROME2"
mammogram.BitsAllocated, mammogram.BitsStored, mammogram.HighBit, mammogram.PixelRepresentation = 16, 12, 11, 0
mammogram.PixelData = bytes(80 * 60 * 2)
masks = np.zeros((1, 80, 60, 2), np.uint8)
masks[0, 10:14, 5:50, 0] = 1
masks[0, 40:44, 5:50, 1] = 1


def segmentation(masks):
    algorithm = hd.AlgorithmIdentificationSequence(
        name="example", version="1", family=codes.DCM.ArtificialIntelligence
    )
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"vessel {number}",
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Artery,
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
        for number in range(1, masks.shape[-1] + 1)
    ]
    return hd.seg.Segmentation(
        source_images=[mammogram],
        pixel_array=masks,
        segmentation_type="BINARY",
        segment_descriptions=segments,
        series_instance_uid=hd.UID(),
        series_number=2,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="example",
        manufacturer_model_name="example",
        software_versions="1",
        device_serial_number="1",
    )


seen = []
several = segmentation(masks)
for number in (1, 2):
    of_segmentation, of_image = hd.sr.ReferencedSegmentationFrame.from_segmentation(several, segment_number=number)
    frames = [
        item.ReferencedSOPSequence[0].get("ReferencedFrameNumber") for item in (of_segmentation, of_image)
    ]
    print(f"segment {number}: segmentation frame {frames[0]}, mammogram (one frame) frame {frames[1]}")
    seen += frames
*_, of_image = hd.sr.ReferencedSegment.from_segmentation(several, segment_number=2)
seen.append(of_image.ReferencedSOPSequence[0].get("ReferencedFrameNumber"))
print(f"ReferencedSegment, segment 2: mammogram frame {seen[-1]}")
try:
    hd.sr.ReferencedSegmentationFrame.from_segmentation(segmentation(masks[..., :1]), segment_number=1)
    seen.append("no error")
except AttributeError as error:
    print(f"one segment only: AttributeError: {error}")
    seen.append("AttributeError")
if seen != [1, 1, 2, 2, None, "AttributeError"]:
    sys.exit("CHANGED: the references are not as stated")
print("AS STATED")
PY
