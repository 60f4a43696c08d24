#!/usr/bin/env bash
# A DICOM file put into a BYTES tensor by numpy.array([data]) reaches Triton without its last black rows
#
# Versions:   tritonclient 2.73.0, pydicom 3.0.2, numpy 2.4.6; Python 3.11
# Expected:   a tensor of one element holds the file that was put into it, or is refused.
# Seen:       numpy.array([data]) has the dtype S, which takes zero bytes at the end for padding. tritonclient
#             accepts the array as BYTES and sends what is left, without a warning. Native pixels end in zeros
#             wherever the image ends in black.
# Output:     file: 60534 bytes, of them 31201 zeros at the end
#             numpy.array([data]): dtype S, 29333 bytes sent
#             numpy.array([data], dtype=object): 60534 bytes sent
#             server's side of the first: ValueError from pydicom
# Why:        a mammogram is mostly air beside and below the breast, and air of a processed image is 0. Images whose
#             last pixel is not black work, so a test image may never show it.
# What to do: numpy.array([data], dtype=numpy.object_).

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check \
  "tritonclient[grpc]==2.73.0" pydicom==3.0.2 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import io
import sys

import numpy as np
import tritonclient.grpc as triton
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian
from tritonclient.utils import deserialize_bytes_tensor

pixels = np.zeros((200, 150), np.uint16)
pixels[:96, :100] = 1200  # the breast; below it and beside it there is air
pixels[95, 149] = 1
ds = Dataset()
ds.file_meta = FileMetaDataset()
ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
ds.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (f"2.25.{n}" for n in (1, 2, 3))
ds.Modality, ds.PresentationIntentType, ds.ImageLaterality = "MG", "FOR PRESENTATION", "L"
ds.PatientName = ds.PatientID = ""
ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
ds.Rows, ds.Columns = pixels.shape
ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
ds.PixelData = pixels.tobytes()
buffer = io.BytesIO()
ds.save_as(buffer, enforce_file_format=True)
data = buffer.getvalue()


def send(array):
    tensor = triton.InferInput("IMAGE", [1], "BYTES")
    tensor.set_data_from_numpy(array)
    (received,) = deserialize_bytes_tensor(tensor._get_content())
    return received


zeros = len(data) - len(data.rstrip(b"\0"))
print(f"file: {len(data)} bytes, of them {zeros} zeros at the end")
array = np.array([data])
short = send(array)
print(f"numpy.array([data]): dtype {array.dtype.kind}, {len(short)} bytes sent")
whole = send(np.array([data], dtype=np.object_))
print(f"numpy.array([data], dtype=object): {len(whole)} bytes sent")
try:
    refused = f"{dcmread(io.BytesIO(short)).pixel_array.size} pixels"
except (EOFError, ValueError) as error:
    refused = type(error).__name__
print(f"server's side of the first: {refused} from pydicom")
if len(short) != len(data) - zeros or zeros < 30_000 or whole != data:
    sys.exit("CHANGED: the bytes sent are others than stated")
print("AS STATED")
PY
