#!/usr/bin/env bash
# imageio.v3 opens every file of the folder tree to read one mammogram
#
# Versions:   imageio 2.38.1, pydicom 3.0.2 (writes the files), numpy 2.4.6; Python 3.11
# Expected:   imread("a.dcm") opens a.dcm, as imageio.v2 does.
# Seen:       imageio.v3 looks for a series: it opens all files below the folder of the one that was asked for,
#             folders within it included, tells its progress on standard output and then, as mammograms have no
#             ImagePositionPatient, gives the one image after all.
# Output:     imageio.v2.imread: (40, 30), files opened: 1
#             imageio.v3.imread: (40, 30), files opened: 61
# Why:        a screening archive has all images of a day, or of all years, below one folder. Reading n of them
#             opens n times n files; what should take seconds runs for hours without an error, and the answer
#             to "is it slow?" in a small test folder is no.
# What to do: read DICOM with pydicom, or with imageio.v2.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check imageio==2.38.1 pydicom==3.0.2 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import contextlib
import io
import os
import sys

import imageio.v2
import imageio.v3
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid


def write(path):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (generate_uid() for _ in range(3))
    ds.Modality, ds.PresentationIntentType, ds.ImageLaterality = "MG", "FOR PRESENTATION", "R"
    ds.PatientName = ds.PatientID = ""
    ds.InstanceNumber = 1
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = 40, 30
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = np.arange(1200, dtype=np.uint16).tobytes()
    ds.save_as(path, enforce_file_format=True)


os.makedirs("archive/older/still_older")
write("archive/asked_for.dcm")
for folder in ("archive/older", "archive/older/still_older"):
    for number in range(30):
        write(f"{folder}/{number}.dcm")
opened = set()
sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == "open" else None)
seen = []
for name, imread in (("v2", imageio.v2.imread), ("v3", imageio.v3.imread)):
    opened.clear()
    with contextlib.redirect_stdout(io.StringIO()):
        shape = imread("archive/asked_for.dcm").shape
    seen.append(sum(path.endswith(".dcm") for path in opened))
    print(f"imageio.{name}.imread: {shape}, files opened: {seen[-1]}")
if seen != [1, 61]:
    sys.exit("CHANGED: other numbers of files are opened than stated")
print("AS STATED")
PY
