#!/usr/bin/env bash
# A presentation state made by highdicom shows a MONOCHROME1 mammogram as its negative
#
# Versions:   highdicom 0.28.2, pydicom 3.0.2, numpy 2.4.6; Python 3.11
# Expected:   without being told otherwise, the state keeps the look of the image that it annotates.
# Seen:       PresentationLUTShape is IDENTITY for MONOCHROME1 and MONOCHROME2 alike. A presentation state overrides
#             the image's photometric interpretation (PS3.4 N.2.1.4), so that IDENTITY shows the lowest value black,
#             where MONOCHROME1 asks for white. No warning. An explicit INVERSE is written as given.
# Output:     MONOCHROME2: IDENTITY
#             MONOCHROME1: IDENTITY
#             MONOCHROME1 with presentation_lut_transformation=INVERSE: INVERSE
# Why:        the outlines are right and the breast is a negative, with calcifications as dark lines; in a busy
#             reading room the marks are blamed, or the state is switched off.
# What to do: give presentation_lut_transformation=PresentationLUTTransformation(presentation_lut_shape="INVERSE")
#             for MONOCHROME1.

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
from highdicom.pr import GrayscaleSoftcopyPresentationState
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian


def state(photometric, **options):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    image.SOPInstanceUID, image.StudyInstanceUID, image.SeriesInstanceUID = (hd.UID() for _ in range(3))
    image.Modality, image.ImageLaterality = "MG", "R"
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate"):
        setattr(image, keyword, "")
    image.StudyTime = image.AccessionNumber = image.ReferringPhysicianName = image.Manufacturer = ""
    image.SeriesNumber = image.InstanceNumber = 1
    image.Rows, image.Columns = 80, 60
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, photometric
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.WindowCenter, image.WindowWidth = 2048, 4096
    image.PixelData = bytes(80 * 60 * 2)
    return GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        series_instance_uid=hd.UID(),
        series_number=3,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="example",
        manufacturer_model_name="example",
        software_versions="1",
        device_serial_number="1",
        content_label="OUTLINES",
        **options,
    )


seen = []
for photometric in ("MONOCHROME2", "MONOCHROME1"):
    seen.append(state(photometric).PresentationLUTShape)
    print(f"{photometric}: {seen[-1]}")
inverse = hd.PresentationLUTTransformation(presentation_lut_shape="INVERSE")
seen.append(state("MONOCHROME1", presentation_lut_transformation=inverse).PresentationLUTShape)
print(f"MONOCHROME1 with presentation_lut_transformation=INVERSE: {seen[-1]}")
if seen != ["IDENTITY", "IDENTITY", "INVERSE"]:
    sys.exit("CHANGED: the presentation LUT shape is another than stated")
print("AS STATED")
PY
