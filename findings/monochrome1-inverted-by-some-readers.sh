#!/usr/bin/env bash
# Of four readers two hand out a MONOCHROME1 mammogram inverted, and one of them still calls it MONOCHROME1
#
# Versions:   pydicom 3.0.2, highdicom 0.28.2, SimpleITK 2.5.7, dcm2niix 1.0.20260724, numpy 2.4.6; Python 3.11
# Expected:   every reader gives the stored values, or all of them turn the image and say so.
# Seen:       pydicom and dcm2niix keep the stored values. SimpleITK and highdicom's get_frame turn them
#             (4095 minus the value for 12 bits stored). SimpleITK's metadata go on saying MONOCHROME1, so code
#             that turns such images itself turns this one twice. get_stored_frame does not turn.
# Output:     stored in the file                  air 4000, breast 100
#             pydicom pixel_array                 air 4000, breast 100
#             highdicom get_stored_frame          air 4000, breast 100
#             highdicom get_frame                 air   95, breast 3995
#             SimpleITK, (0028,0004) MONOCHROME1  air   95, breast 3995
#             dcm2niix                            air 4000, breast 100
# Why:        raw mammograms, where a high value is much exposure, may be MONOCHROME1. Turned without a word, air
#             reads as the densest tissue, and a logarithm of the values is nonsense but no error.
# What to do: look once at which of breast and air is higher; never decide from (0028,0004) behind SimpleITK.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check \
  pydicom==3.0.2 highdicom==0.28.2 SimpleITK==2.5.7 dcm2niix==1.0.20260724 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
export PATH="$work/venv/bin:$PATH"
venv/bin/python - <<'PY'
import subprocess
import sys

import highdicom
import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForProcessing, ExplicitVRLittleEndian, generate_uid

ds = Dataset()
ds.file_meta = FileMetaDataset()
ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
ds.SOPClassUID = DigitalMammographyXRayImageStorageForProcessing
ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (generate_uid() for _ in range(3))
ds.Modality, ds.PresentationIntentType = "MG", "FOR PROCESSING"
ds.ImageLaterality, ds.InstanceNumber = "L", 1
ds.PatientName = ds.PatientID = ""
ds.ImagerPixelSpacing = [0.1, 0.1]
ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1"
ds.Rows, ds.Columns = 64, 48
ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
pixels = np.full((64, 48), 4000, np.uint16)
pixels[:, 24:] = 100
ds.PixelData = pixels.tobytes()
ds.save_as("image.dcm", enforce_file_format=True)

read = {"stored in the file": pixels, "pydicom pixel_array": pydicom.dcmread("image.dcm").pixel_array}
image = highdicom.imread("image.dcm")
read["highdicom get_stored_frame"] = image.get_stored_frame(1)
read["highdicom get_frame"] = image.get_frame(1)
itk = SimpleITK.ReadImage("image.dcm")
label = "SimpleITK, (0028,0004) " + itk.GetMetaData("0028|0004").strip()
read[label] = SimpleITK.GetArrayFromImage(itk)[0]
subprocess.run(["dcm2niix", "-f", "nifti", "-o", ".", "image.dcm"], check=True, capture_output=True)
read["dcm2niix"] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage("nifti.nii"))[0]
seen = {}
for name, values in read.items():
    seen[name] = int(values[5, 5]), int(values[5, 40])
    print(f"{name:35} air {seen[name][0]:4}, breast {seen[name][1]}")
as_stored, turned = (4000, 100), (95, 3995)
stated = dict.fromkeys(read, as_stored) | {
    "highdicom get_frame": turned, "SimpleITK, (0028,0004) MONOCHROME1": turned
}
if seen != stated:
    sys.exit("CHANGED: a reader treats MONOCHROME1 otherwise than stated")
print("AS STATED")
PY
