#!/usr/bin/env bash
# A damaged film, as PNG or JPEG, is read by Pillow as another image, without an error or a warning
#
# Versions:   Pillow 13.0.0, numpy 1.26.4, simplejpeg 1.9.0; Python 3.11
# Expected:   a PNG has check sums and says how many rows it has, and libjpeg warns of damaged data: a reader of
#             films says that the file is damaged.
# Seen:       Pillow skips the sums of the pixels, leaves rows that the stream lacks black, and passes no warning of
#             libjpeg on, as many tools that read research sets do. simplejpeg (libjpeg-turbo) raises on the same JPEG.
# Output:     PNG of 64 rows whose stream has 40: no error, 24 rows are 0
#             PNG with a wrong check sum: no error
#             JPEG with a stray marker: no error, pixels differ: True
#             simplejpeg: ValueError
# Why:        a calcified artery in the rows that are black or grey is not found, and nobody is told: the area is 0.
# What to do: walk the chunks of a PNG and count what its stream gives; decode a JPEG strictly before it is measured.

set -euo pipefail
sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check pillow==13.0.0 numpy==1.26.4 simplejpeg==1.9.0 ||
  { echo "CANNOT RUN: the packages were not installed" >&2; exit 2; }
venv/bin/python - <<'PY'
import io
import struct
import sys
import zlib

import numpy as np
import simplejpeg
from PIL import Image

grey = (np.random.default_rng(1).integers(0, 30, (64, 64)) + 100).astype(np.uint8)


def chunk(name, body, wrong=0):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body) ^ wrong)


def png(rows, wrong=0):
    stream = zlib.compress(b"".join(b"\0" + row.tobytes() for row in grey[:rows]))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", stream, wrong) + chunk(b"IEND", b"")


short = np.asarray(Image.open(io.BytesIO(png(40))))
black = int((short == 0).all(axis=1).sum())
print(f"PNG of 64 rows whose stream has 40: no error, {black} rows are 0")
same = np.array_equal(np.asarray(Image.open(io.BytesIO(png(64, wrong=1)))), grey)
print("PNG with a wrong check sum: no error")
buffer = io.BytesIO()
Image.fromarray(grey).save(buffer, "JPEG", quality=90)
whole = buffer.getvalue()
at = whole.index(b"\xff\xda") + 800
damaged = whole[:at] + b"\xff\xd3" + whole[at + 2 :]
differ = not np.array_equal(np.asarray(Image.open(io.BytesIO(damaged))), np.asarray(Image.open(buffer)))
print(f"JPEG with a stray marker: no error, pixels differ: {differ}")
try:
    simplejpeg.decode_jpeg(damaged, "GRAY")
    strict = "no error"
except ValueError:
    strict = "ValueError"
print(f"simplejpeg: {strict}")
if (black, same, differ, strict) != (24, True, True, "ValueError"):
    sys.exit("CHANGED: damaged films are read otherwise than stated")
print("AS STATED")
PY
