#!/usr/bin/env bash
# A mammogram's pixels become 1 mm wide, in silence, with the one spacing in SimpleITK and with the other in dcm2niix
#
# Versions:   SimpleITK 2.5.7, dcm2niix 1.0.20260724, pydicom 3.0.2, numpy 2.4.6; Python 3.11
# Expected:   a spacing that the header gives is used, or its lack is told.
# Seen:       SimpleITK reads only ImagerPixelSpacing of a mammogram and gives 1.0 mm for one that carries only
#             PixelSpacing. dcm2niix is the other way round: it reads only PixelSpacing and gives 1.0 mm for an image
#             with ImagerPixelSpacing, a magnification factor beside it or not. Neither warns of it.
# Output:     header                                      SimpleITK  dcm2niix
#             ImagerPixelSpacing 0.1                           0.10      1.00
#             ImagerPixelSpacing 0.1, magnification 1.8        0.10      1.00
#             PixelSpacing 0.09                                1.00      0.09
#             both                                             0.10      0.09
# Why:        a mammogram need only carry ImagerPixelSpacing, and some objects have only PixelSpacing. An area in
#             mm2 comes out a hundred times too large, a length ten times, and what resamples to one spacing sees a
#             breast of several metres.
# What to do: read (0018,1164), (0028,0030) and (0018,1114) with pydicom; refuse a spacing of exactly 1.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check \
  SimpleITK==2.5.7 dcm2niix==1.0.20260724 pydicom==3.0.2 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
export PATH="$work/venv/bin:$PATH"
venv/bin/python - <<'PY'
import os
import subprocess
import sys

import numpy as np
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

IMAGER, DISPLAY = {"ImagerPixelSpacing": ["0.1", "0.1"]}, {"PixelSpacing": ["0.09", "0.09"]}
MAGNIFIED = {"EstimatedRadiographicMagnificationFactor": "1.8"}


def write(name, **spacing):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (generate_uid() for _ in range(3))
    ds.Modality, ds.PresentationIntentType, ds.ImageLaterality = "MG", "FOR PRESENTATION", "R"
    ds.PatientName = ds.PatientID = ""
    ds.InstanceNumber = 1
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = 50, 40
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = np.arange(2000, dtype=np.uint16).tobytes()
    for keyword, value in spacing.items():
        setattr(ds, keyword, value)
    ds.save_as(name, enforce_file_format=True)


cases = {
    "ImagerPixelSpacing 0.1": (IMAGER, (0.1, 1.0)),
    "ImagerPixelSpacing 0.1, magnification 1.8": (IMAGER | MAGNIFIED, (0.1, 1.0)),
    "PixelSpacing 0.09": (DISPLAY, (1.0, 0.09)),
    "both": (IMAGER | DISPLAY, (0.1, 0.09)),
}
print(f"{'header':42}{'SimpleITK':>11}{'dcm2niix':>10}")
as_stated = True
for name, (header, stated) in cases.items():
    write("image.dcm", **header)
    run = subprocess.run(["dcm2niix", "-f", "nifti", "-o", ".", "image.dcm"], check=True, capture_output=True)
    spacings = [SimpleITK.ReadImage(file).GetSpacing()[0] for file in ("image.dcm", "nifti.nii")]
    told = b"pacing" in run.stdout + run.stderr
    print(f"{name:42}{spacings[0]:11.2f}{spacings[1]:10.2f}" + (" and tells of it" if told else ""))
    as_stated &= np.allclose(spacings, stated, atol=1e-4) and not told
    os.remove("nifti.nii")
if not as_stated:
    sys.exit("CHANGED: a spacing is not as stated")
print("AS STATED")
PY
