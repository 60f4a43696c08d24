"""Whatever the bytes are: an image or one of our errors, in one line, without a name in it."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import zipfile

import numpy as np
import pydicom
import pytest
from pydicom import uid

from bac_imaging.read.reader import read_mammogram
from bac_terms.errors import BacctlError, RefusedError


def outcome(data, spacing=(0.1, 0.1)):
    """Read and give the code, or "" for an image; anything but an BacctlError fails the test."""
    try:
        image = read_mammogram(data, spacing)
    except BacctlError as error:
        text = str(error)
        assert text.isprintable()
        assert "SECRET" not in text
        assert "1960" not in text
        code = error.code
    else:
        assert np.isfinite(image.signal).all()
        assert image.signal.shape == image.valid.shape
        code = ""
    return code


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("image.dcm", bytes(1000))
    return buffer.getvalue()


NO_IMAGES = {
    "text": b"Patient: SECRET\n" * 20,
    "html": b"<!DOCTYPE html><html><body>SECRET</body></html>",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n",
    "zip": zipped(),
    "gif": b"GIF89a" + bytes(200),
    "zeros": bytes(5000),
    "ones": b"\xff" * 5000,
    "random": random.Random(1).randbytes(5000),
    "one byte": b"\x00",
    "120 bytes": random.Random(2).randbytes(120),
    "json": b'{"rows": 100}',
}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_no_image(name):
    assert outcome(NO_IMAGES[name]) == "BAC-FILE-NOT-IMAGE"


def test_empty():
    assert outcome(b"") == "BAC-FILE-EMPTY"


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0*", b"II+\0"])
def test_only_the_start_of_an_image(start):
    for rest in (b"", bytes(120), b"\xff" * 120, random.Random(3).randbytes(120)):
        assert outcome(start + rest) in ("BAC-FILE-TRUNCATED", "BAC-DIMENSIONS", "BAC-DECODE-FAILED")


@pytest.mark.parametrize("start", [bytes(128) + b"DICM", b"\x08\0\x05\0", b"\x02\0\0\0", b"\0\x08\0\x05"])
def test_only_the_start_of_a_dicom_file(start):
    for rest in (b"", bytes(120), b"\xff" * 120, *(random.Random(i).randbytes(300) for i in range(40))):
        assert outcome(start + rest) != ""


def test_larger_than_any_mammogram(monkeypatch):
    monkeypatch.setattr("bac_imaging.read.reader.MAX_FILE_BYTES", 1000)
    assert outcome(bytes(1001)) == "BAC-FILE-TOO-LARGE"


@pytest.fixture(scope="module")
def files(dataset, to_bytes, with_gdcm):
    """One small file of each encoding: 70 x 64 pixels of 0.2 mm."""
    pixels = (np.random.default_rng(3).integers(0, 60, (70, 64)) + np.arange(64) * 50).astype(np.uint16)

    def make():
        return dataset(
            pixels,
            ImagerPixelSpacing=[0.2, 0.2],
            PixelPaddingValue=0,
            WindowCenter=[2000, 100],
            WindowWidth=[1000, 50],
            EstimatedRadiographicMagnificationFactor=1.03,
            AnodeTargetMaterial="TUNGSTEN",
            FilterThicknessMinimum=0.05,
        )

    found = {
        "explicit": to_bytes(make(), uid.ExplicitVRLittleEndian),
        "implicit": to_bytes(make(), uid.ImplicitVRLittleEndian),
        "bare": to_bytes(make(), uid.ImplicitVRLittleEndian, preamble=False),
        "deflated": to_bytes(make(), uid.DeflatedExplicitVRLittleEndian),
        "jpeg-lossless": with_gdcm(make(), "JPEGLosslessProcess14_1"),
    }
    for name in ("JPEG2000Lossless", "JPEGLSLossless", "RLELossless"):
        ds = make()
        ds.compress(getattr(uid, name), generate_instance_uid=False)
        found[name] = to_bytes(ds)
    for data in found.values():
        assert read_mammogram(data).signal.shape == (70, 64)
    return found


KINDS = [
    "explicit",
    "implicit",
    "bare",
    "deflated",
    "jpeg-lossless",
    "JPEG2000Lossless",
    "JPEGLSLossless",
    "RLELossless",
]


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_anywhere(kind, files):
    data = files[kind]
    header = data.rfind(b"\xe0\x7f\x10\x00") if kind != "deflated" else len(data) // 2
    lengths = {*range(0, header, 7), *range(header, header + 40), *range(header, len(data), len(data) // 50)}
    codes = {length: outcome(data[:length], None) for length in lengths}
    assert "" not in codes.values()
    # Once the pixel data have begun it is known what is wrong.
    if kind != "deflated":
        late = {code for length, code in codes.items() if length > header + 40}
        assert late <= {"BAC-FILE-TRUNCATED", "BAC-DICOM-NO-PIXELS"}


# The lossless JPEG decoder is C++ that ends the process where it is not kept from damaged streams: run apart,
# so that a regression is a failing test and not a dead test run.
APART = """
import random, sys
from bac_terms.errors import BacctlError
from bac_imaging.read.reader import read_mammogram
data = open(sys.argv[1], "rb").read()
rng = random.Random(5)
for trial in range(120):
    first = (0, int(sys.argv[2]))[trial % 2]
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        end = len(data) if rng.random() < 0.6 else min(len(data), first + 140)
        changed[rng.randrange(first, end)] = rng.randrange(256)
    if rng.random() < 0.1:
        del changed[rng.randrange(first, len(changed)):]
    try:
        read_mammogram(bytes(changed), (0.2, 0.2))
    except BacctlError as error:
        assert str(error).isprintable() and "SECRET" not in str(error)
# Not getrusage: its peak is handed down by the process that forked this one, a whole test run.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_fuzzed(kind, files, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(files[kind])
    pixels = max(0, files[kind].rfind(b"\xe0\x7f\x10\x00"))
    done = subprocess.run(
        [sys.executable, "-c", APART, str(path), str(pixels)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # Megabytes; the libraries alone take about 120.
    assert int(done.stdout) < 600


def test_values_of_the_wrong_kind(files):
    """Every element of the header in turn is replaced by bytes that its kind does not allow."""
    data = files["explicit"]
    for element in pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True):
        if element.VR in ("SQ", "OW") or not element.value:
            continue
        start = data.find(element.tag.group.to_bytes(2, "little") + element.tag.element.to_bytes(2, "little"))
        length = int.from_bytes(data[start + 6 : start + 8], "little")
        for junk in (b"\xff", b"\0", b"\\", b"-", b"9"):
            changed = data[: start + 8] + junk * length + data[start + 8 + length :]
            outcome(changed, None)


def test_endless_nesting():
    item = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    assert outcome(bytes(128) + b"DICM" + item * 20_000) != ""


def test_lengths_beyond_the_file(dataset, to_bytes):
    data = bytearray(to_bytes(dataset())[:-100])
    at = data.rfind(b"\xe0\x7f\x10\x00")
    data[at + 8 : at + 12] = (0xFFFFFFF0).to_bytes(4, "little")
    assert outcome(bytes(data), None) == "BAC-FILE-TRUNCATED"


def test_no_names_in_warnings(dataset, to_bytes):
    image = read_mammogram(to_bytes(dataset(ViewPosition="SECRET", ImageLaterality="SECRET")))
    assert image.warnings
    assert not any("SECRET" in notice.text for notice in image.warnings)
    with pytest.raises(RefusedError) as caught:
        read_mammogram(to_bytes(dataset(Modality="SECRET^X")))
    assert "SECRET" not in str(caught.value)
