#!/usr/bin/env bash
# pydicom compresses a mammogram with loss and the file goes on saying "never compressed with loss"
#
# Versions:   pydicom 3.0.2, pyjpegls 1.5.1, pylibjpeg 2.1.0, pylibjpeg-openjpeg 2.5.0, numpy 2.4.6; Python 3.11
# Expected:   LossyImageCompression (0028,2110) is type 1 in mammograms and becomes 01 with the first loss, with
#             ratio and method beside it (PS3.3 C.7.6.1.1.5).
# Seen:       Dataset.compress with jls_error or j2k_cr changes the pixels, gives the image a new UID and leaves
#             00, no ratio, no method. The transfer syntax of JPEG 2000 does not tell either: what is written
#             under 1.2.840.10008.1.2.4.91 may be lossless.
# Output:     JPEG-LS, jls_error=3   largest error   3, LossyImageCompression 00, ratio None, method None, new UID True
#             JPEG 2000, j2k_cr=20   largest error  47, LossyImageCompression 00, ratio None, method None, new UID True
# Why:        faint calcium is a few stored values of contrast. Whoever wants to leave out images that lost
#             something, or to widen an error for them, is told that this one lost nothing.
# What to do: set (0028,2110), (0028,2112) and (0028,2114) after compress(); as a reader look into the stream
#             itself (the NEAR parameter of JPEG-LS, the wavelet of JPEG 2000), not at the header.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check \
  pydicom==3.0.2 pyjpegls==1.5.1 pylibjpeg==2.1.0 pylibjpeg-openjpeg==2.5.0 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import sys

import numpy as np
from pydicom import dcmread, uid
from pydicom.dataset import Dataset, FileMetaDataset

rows, columns = np.mgrid[:256, :256]
noise = np.random.default_rng(2).normal(0, 12, (256, 256))
pixels = (1500 + 800 * np.sin(rows / 40) * np.cos(columns / 55) + noise).astype(np.uint16)


def mammogram():
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds.SOPClassUID = uid.DigitalMammographyXRayImageStorageForPresentation
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (uid.generate_uid() for _ in range(3))
    ds.Modality, ds.PresentationIntentType, ds.ImageLaterality = "MG", "FOR PRESENTATION", "L"
    ds.PatientName = ds.PatientID = ""
    ds.LossyImageCompression = "00"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = pixels.tobytes()
    return ds


as_stated = True
for name, syntax, options in (
    ("JPEG-LS, jls_error=3", uid.JPEGLSNearLossless, {"jls_error": 3}),
    ("JPEG 2000, j2k_cr=20", uid.JPEG2000, {"j2k_cr": [20]}),
):
    ds = mammogram()
    before = ds.SOPInstanceUID
    ds.compress(syntax, **options)
    ds.save_as("image.dcm", enforce_file_format=True)
    read = dcmread("image.dcm")
    error = int(np.abs(read.pixel_array.astype(int) - pixels).max())
    flag, ratio = read.LossyImageCompression, read.get("LossyImageCompressionRatio")
    method, is_new = read.get("LossyImageCompressionMethod"), read.SOPInstanceUID != before
    print(f"{name:22} largest error {error:3}, LossyImageCompression {flag}, ", end="")
    print(f"ratio {ratio}, method {method}, new UID {is_new}")
    as_stated &= error > 0 and flag == "00" and ratio is None and method is None and is_new
if not as_stated:
    sys.exit("CHANGED: compress() marks the loss, or loses nothing")
print("AS STATED")
PY
