#!/usr/bin/env bash
# An outline of 8192 points or more is read back as bytes instead of numbers, in explicit VR
#
# Versions:   pydicom 3.0.2, highdicom 0.28.2 (makes the SR item), numpy 2.4.6; Python 3.11
# Expected:   GraphicData (0070,0022) is FL and comes back as the list of numbers that was written.
# Seen:       a value of 64 KiB does not fit the short form of FL, so pydicom writes UN, as the standard lets it,
#             with a UserWarning. Reading is silent: it turns short UN values into the VR of the dictionary, but not
#             those of 64 KiB and more. The same attribute is a list up to 8191 points and bytes from 8192 on.
#             Implicit VR is not concerned.
# Output:     8191 points, Explicit VR Little Endian: FL, 16382 numbers
#             8192 points, Explicit VR Little Endian: UN, 65536 bytes
#             8192 points, Implicit VR Little Endian: FL, 16384 numbers
# Why:        the outline of a tortuous artery on 4000 x 3000 pixels has this many points when each border pixel
#             counts. Viewers that trust the VR draw nothing; code that takes len() of it finds four times the points.
# What to do: thin outlines below 8192 points a polyline, or split them; on reading take numpy.frombuffer(value,
#             "<f4") where the VR is UN.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check pydicom==3.0.2 highdicom==0.28.2 numpy==2.4.6 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import io
import sys

import numpy as np
from highdicom.sr import CodedConcept, ScoordContentItem
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import Comprehensive3DSRStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

seen = []
for points, syntax in (
    (8191, ExplicitVRLittleEndian),
    (8192, ExplicitVRLittleEndian),
    (8192, ImplicitVRLittleEndian),
):
    turn = np.linspace(0, 2 * np.pi, points)
    outline = np.stack([1500 + 900 * np.cos(turn), 2000 + 1200 * np.sin(turn)], axis=1)
    outline[-1] = outline[0]
    item = ScoordContentItem(
        name=CodedConcept("111030", "DCM", "Image Region"),
        graphic_type="POLYLINE",
        graphic_data=outline,
        relationship_type="CONTAINS",
    )
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.SOPClassUID, ds.SOPInstanceUID = Comprehensive3DSRStorage, generate_uid()
    ds.Modality, ds.ContentSequence = "SR", [item]
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    file.seek(0)
    element = dcmread(file).ContentSequence[0]["GraphicData"]
    kind = "bytes" if isinstance(element.value, bytes) else "numbers"
    seen.append((element.VR, len(element.value), kind))
    print(f"{points} points, {syntax.name}: {element.VR}, {len(element.value)} {kind}")
if seen != [("FL", 16382, "numbers"), ("UN", 65536, "bytes"), ("FL", 16384, "numbers")]:
    sys.exit("CHANGED: GraphicData come back otherwise than stated")
print("AS STATED")
PY
