#!/usr/bin/env bash
# Whether bits above BitsStored reach the pixel value depends on how the same image is compressed
#
# Versions:   pydicom 3.0.2, pylibjpeg 2.1.0, pylibjpeg-openjpeg 2.5.0, python-gdcm 3.2.6, pyjpegls 1.5.1,
#             pillow 13.0.0, SimpleITK 2.5.7, imagecodecs 2026.3.6 (writes the streams), numpy 2.4.6; Python 3.11
# Expected:   16 bits allocated, 12 stored: the four bits on top are no part of a pixel's value (PS3.5 8.1.1),
#             so a pixel of 100 with an old overlay in bit 14 reads 100 whatever the compression.
# Seen:       100 where the image is native, RLE or JPEG Lossless. In JPEG 2000 and JPEG-LS streams of 16 bits
#             every decoder behind pydicom gives 16484, python-gdcm too, though it masks its own JPEG Lossless.
#             SimpleITK, built on GDCM as well, masks JPEG-LS and not JPEG 2000.
# Output:     native         pydicom 100    SimpleITK 100
#             RLE            pydicom 100    SimpleITK 100
#             JPEG Lossless  gdcm 100       SimpleITK 100
#             JPEG 2000      gdcm 16484     pillow 16484    pylibjpeg 16484  SimpleITK 16484
#             JPEG-LS        gdcm 16484     pyjpegls 16484  SimpleITK 100
# Why:        older editions of the standard let overlay planes lie in unused bits, and whoever compresses
#             such an image later takes the whole word. A marker drawn by a reader becomes the brightest thing in the
#             breast, or the darkest.
# What to do: mask with BitsStored yourself after any decoder, and extend the sign after that.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check \
  pydicom==3.0.2 pylibjpeg==2.1.0 pylibjpeg-openjpeg==2.5.0 python-gdcm==3.2.6 pyjpegls==1.5.1 \
  pillow==13.0.0 SimpleITK==2.5.7 imagecodecs==2026.3.6 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import sys

import imagecodecs
import numpy as np
import pydicom
import SimpleITK
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder

image = np.random.default_rng(1).integers(0, 4096, (64, 64)).astype(np.uint16)
image[20, 20] = 100
image[16:24, 16:24] |= 1 << 14


def mammogram(syntax, stream=None):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID = uid.DigitalMammographyXRayImageStorageForPresentation
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = (uid.generate_uid() for _ in range(3))
    ds.Modality, ds.PresentationIntentType, ds.ImageLaterality = "MG", "FOR PRESENTATION", "R"
    ds.PatientName = ds.PatientID = ""
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = image.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    # An overlay plane as old editions have it: in bit 14 of the words of the pixel data.
    overlay = {0x10: ("US", 64), 0x11: ("US", 64), 0x40: ("CS", "G"), 0x50: ("SS", [1, 1]), 0x100: ("US", 16)}
    for element, (vr, value) in (overlay | {0x102: ("US", 14)}).items():
        ds.add_new((0x6000, element), vr, value)
    ds.PixelData = encapsulate([stream]) if stream else image.tobytes()
    return ds


rle = mammogram(uid.ExplicitVRLittleEndian)
rle.compress(uid.RLELossless)
files = {
    "native": mammogram(uid.ExplicitVRLittleEndian),
    "RLE": rle,
    "JPEG Lossless": mammogram(uid.JPEGLosslessSV1, imagecodecs.ljpeg_encode(image, bitspersample=16)),
    "JPEG 2000": mammogram(
        uid.JPEG2000Lossless, imagecodecs.jpeg2k_encode(image, level=0, codecformat="j2k", reversible=True)
    ),
    "JPEG-LS": mammogram(uid.JPEGLSLossless, imagecodecs.jpegls_encode(image)),
}
seen = {}
for name, ds in files.items():
    ds.save_as("image.dcm", enforce_file_format=True)
    plugins = ["pydicom"]
    if name not in ("native", "RLE"):
        plugins = sorted(get_decoder(ds.file_meta.TransferSyntaxUID).available_plugins)
    seen[name] = {}
    for plugin in plugins:
        options = {} if plugin == "pydicom" else {"decoding_plugin": plugin}
        seen[name][plugin] = int(pydicom.pixels.pixel_array("image.dcm", **options)[20, 20])
    seen[name]["SimpleITK"] = int(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage("image.dcm"))[0, 20, 20])
    values = "  ".join(f"{reader + ' ' + str(value):14}" for reader, value in seen[name].items())
    print(f"{name:14} {values}".rstrip())
stated = {
    "native": {"pydicom": 100, "SimpleITK": 100},
    "RLE": {"pydicom": 100, "SimpleITK": 100},
    "JPEG Lossless": {"gdcm": 100, "SimpleITK": 100},
    "JPEG 2000": {"gdcm": 16484, "pillow": 16484, "pylibjpeg": 16484, "SimpleITK": 16484},
    "JPEG-LS": {"gdcm": 16484, "pyjpegls": 16484, "SimpleITK": 100},
}
if seen != stated:
    sys.exit("CHANGED: a decoder treats bits above BitsStored otherwise than stated")
print("AS STATED")
PY
