"""A thousand damaged mammograms, made from a seed; the same ones every time.

Nothing here crashes or hangs outside software: what did is told in words in docs/reading.md.
"""

from __future__ import annotations

import io
import random
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

SEED, COUNT = 17, 1000
ROWS, COLUMNS, SPACING_MM = 272, 240, 0.3
PIXEL_DATA = b"\xe0\x7f\x10\0"
_RANDOM_BYTES = 4096


class Case(NamedTuple):
    """One file: what it was, what was done to it, and its bytes."""

    number: int
    base: str
    damage: str
    data: bytes


def exposure() -> np.ndarray:
    """A breast at the left, 272 x 240 pixels of 12 bits FOR PROCESSING, air not saturated."""
    y, x = np.ogrid[:ROWS, :COLUMNS]
    inside = np.maximum(0.0, 1 - ((y - ROWS / 2) / 120.0) ** 2 - (x / 170.0) ** 2)
    signal = 2.0 * inside**0.3 + np.random.default_rng(1).normal(0, 0.02, (ROWS, COLUMNS))
    signal[120:124, 30:110] += 0.2
    return np.rint(3000 * np.exp(-signal)).clip(1, 4095).astype("<u2")


def shown() -> np.ndarray:
    """The same as it is looked at, 8 bits."""
    signal = np.log(4095.0 / exposure())
    return np.clip(signal * 90, 0, 255).astype(np.uint8)


def dicom(pixels: np.ndarray, syntax: UID, *, is_raw: bool) -> bytes:
    """One view as a DICOM file."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2" + (".1" if is_raw else "")
    ds.SOPInstanceUID, ds.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.Modality, ds.ImageType = "MG", ["ORIGINAL", "PRIMARY"]
    ds.PresentationIntentType = "FOR PROCESSING" if is_raw else "FOR PRESENTATION"
    if is_raw:
        ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LIN", 1
    ds.ImageLaterality, ds.ViewPosition = "L", "CC"
    view = Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "399162004", "SCT", "cranio-caudal"
    ds.ViewCodeSequence = [view]
    ds.ImagerPixelSpacing = [SPACING_MM, SPACING_MM]
    ds.FieldOfViewDimensions = [round(ROWS * SPACING_MM), round(COLUMNS * SPACING_MM)]
    ds.DistanceSourceToDetector, ds.DistanceSourceToPatient = 660, 640
    ds.KVP, ds.BodyPartThickness = 28, 50
    ds.AnodeTargetMaterial, ds.FilterMaterial = "TUNGSTEN", "RHODIUM"
    ds.FilterThicknessMinimum = ds.FilterThicknessMaximum = 0.05
    ds.Grid, ds.DetectorType = ["RECIPROCATING", "FOCUSED"], "DIRECT"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape
    bits = 8 * pixels.dtype.itemsize
    ds.BitsAllocated, ds.BitsStored = bits, min(bits, 12)
    ds.HighBit, ds.PixelRepresentation = ds.BitsStored - 1, 0
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"
    if syntax == JPEG2000:
        ds.compress(syntax, j2k_cr=[8], generate_instance_uid=False)
    elif syntax.is_encapsulated:
        ds.compress(syntax, generate_instance_uid=False)
    elif syntax == ExplicitVRBigEndian:
        ds.PixelData = pixels.astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def recoded(data: bytes, name: str) -> bytes:
    """Compress with gdcm, the only encoder at hand for lossless JPEG."""
    import gdcm

    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder, "plain.dcm"), Path(folder, "packed.dcm")
        plain.write_bytes(data)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(plain))
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, name)))
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(packed))
        if not reader.Read():
            raise ValueError("gdcm does not read what was written")
        change.SetInput(reader.GetImage())
        if not change.Change():
            raise ValueError(f"gdcm does not write {name}")
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.Write()
        return packed.read_bytes()


def picture(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    """A plain image."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def bases() -> dict[str, bytes]:
    """The undamaged files."""
    raw, grey = exposure(), shown()
    deep = grey.astype(np.uint16) * 200
    explicit = dicom(raw, ExplicitVRLittleEndian, is_raw=True)
    return {
        "explicit": explicit,
        "implicit": dicom(raw, ImplicitVRLittleEndian, is_raw=True),
        "big-endian": dicom(raw, ExplicitVRBigEndian, is_raw=True),
        "deflated": dicom(raw, DeflatedExplicitVRLittleEndian, is_raw=True),
        "rle": dicom(raw, RLELossless, is_raw=True),
        "jpeg2000": dicom(raw, JPEG2000Lossless, is_raw=True),
        "jpeg2000-lossy": dicom(raw, JPEG2000, is_raw=True),
        "jpeg-ls": dicom(raw, JPEGLSLossless, is_raw=True),
        "jpeg-lossless": recoded(explicit, "JPEGLosslessProcess14_1"),
        "jpeg-baseline": recoded(dicom(grey, ExplicitVRLittleEndian, is_raw=False), "JPEGBaselineProcess1"),
        "presentation": dicom(deep // 16, ExplicitVRLittleEndian, is_raw=False),
        "png": picture(grey, "PNG"),
        "png-deep": picture(deep, "PNG"),
        "tiff": picture(grey, "TIFF"),
        "tiff-deflate": picture(deep, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-lzw": picture(grey, "TIFF", compression="tiff_lzw"),
        "tiff-packbits": picture(grey, "TIFF", compression="packbits"),
        "jpeg": picture(grey, "JPEG", quality=90),
        "jpeg-progressive": picture(grey, "JPEG", quality=90, progressive=True),
    }


def pixels_from(data: bytes) -> int:
    """Where the pixels begin, about."""
    at = data.rfind(PIXEL_DATA)
    if at > 0:
        return at + 12
    return data.find(b"\xff\xda") + 14 if data[:2] == b"\xff\xd8" else min(200, len(data) // 2)


def _flip(data: bytes, rng: random.Random, first: int, end: int, count: int) -> bytes:
    changed = bytearray(data)
    for _ in range(count):
        changed[rng.randrange(first, end)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncated(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(1, len(data) - 2)]


def bit_in_pixels(data: bytes, rng: random.Random) -> bytes:
    return _flip(data, rng, pixels_from(data) + 20, len(data) - 4, 1)


def bits_anywhere(data: bytes, rng: random.Random) -> bytes:
    return _flip(data, rng, 0, len(data), rng.choice([1, 2, 5, 20]))


def bit_in_header(data: bytes, rng: random.Random) -> bytes:
    return _flip(data, rng, 0, pixels_from(data), 1)


def bit_in_codec_header(data: bytes, rng: random.Random) -> bytes:
    first = pixels_from(data) if data[128:132] == b"DICM" else 0
    return _flip(data, rng, first, min(len(data), first + 160), 1)


def zeroed_block(data: bytes, rng: random.Random) -> bytes:
    first = pixels_from(data) + 20
    size = rng.choice([512, 4096, 16384])
    at = rng.randrange(first, max(first + 1, len(data) - size))
    return data[:at] + bytes(min(size, len(data) - at)) + data[at + size :]


def block_of_another(data: bytes, rng: random.Random) -> bytes:
    first = pixels_from(data) + 20
    size = min(2048, (len(data) - first) // 2)
    a, b = (rng.randrange(first, len(data) - size) for _ in range(2))
    return data[:a] + data[b : b + size] + data[a + size :]


def bytes_missing(data: bytes, rng: random.Random) -> bytes:
    first = pixels_from(data) + 20
    at = rng.randrange(first, len(data) - 8)
    return data[:at] + data[at + rng.choice([1, 2, 64, 512]) :]


def bytes_added(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(pixels_from(data) + 20, len(data) - 8)
    return data[:at] + rng.randbytes(rng.choice([1, 2, 64, 512])) + data[at:]


def zeros_behind(data: bytes, rng: random.Random) -> bytes:
    return data + bytes(rng.choice([1, 2, 64, 4096]))


def random_behind(data: bytes, rng: random.Random) -> bytes:
    return data + rng.randbytes(rng.choice([2, 64, 4096]))


def number_changed(data: bytes, rng: random.Random) -> bytes:
    """One of the numbers that say how pixels are laid out."""
    tag, values = rng.choice(
        [
            (0x0010, [ROWS - 1, ROWS + 1, ROWS - 16, ROWS // 2, ROWS * 2, 0, 65535]),
            (0x0011, [COLUMNS - 1, COLUMNS + 1, COLUMNS - 16, COLUMNS // 2, COLUMNS * 2, 0, 65535]),
            (0x0100, [8, 12, 32, 0]),
            (0x0101, [8, 10, 11, 16, 0]),
            (0x0102, [7, 10, 12, 15]),
            (0x0103, [1, 2]),
            (0x0002, [0, 3, 4]),
        ]
    )
    name = struct.pack("<HH", 0x0028, tag)
    at = data.find(name) + 8
    if at < 8:
        return _flip(data, rng, 8, 60, 1)
    return data[:at] + struct.pack("<H", rng.choice(values)) + data[at + 2 :]


def length_changed(data: bytes, rng: random.Random) -> bytes:
    """The length of an element, a fragment, a chunk or a segment."""
    first = pixels_from(data)
    at = rng.choice([first - 4, first + 4, first + 12, first + 16, first + 20, 12, 8, 4])
    old = int.from_bytes(data[at : at + 4], "little")
    new = rng.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFE, old - 2, old + 2, old + 1000, old // 2])
    return data[:at] + struct.pack("<I", new & 0xFFFFFFFF) + data[at + 4 :]


def surplus_pixels(data: bytes, rng: random.Random) -> bytes:
    """More bytes in the pixel element than the image has."""
    ds = pydicom.dcmread(io.BytesIO(data), force=True)
    rest = rng.choice([bytes(64), b"\xff" * 512, rng.randbytes(64), rng.randbytes(COLUMNS * 2), bytes(9000)])
    if ds.file_meta.TransferSyntaxUID.is_encapsulated:
        frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
        ds.PixelData = pydicom.encaps.encapsulate([frame + rest])
    else:
        ds.PixelData = ds.PixelData + rest
    return _saved(ds)


def several_frames(data: bytes, rng: random.Random) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(data), force=True)
    ds.NumberOfFrames = rng.choice([0, 2, 3, 100000, -1])
    if rng.random() < 0.5 and not ds.file_meta.TransferSyntaxUID.is_encapsulated:
        ds.PixelData = ds.PixelData * 2
    return _saved(ds)


def nested(data: bytes, rng: random.Random) -> bytes:
    """Sequences in sequences, of defined length or not, or very many items."""
    at = data.rfind(PIXEL_DATA)
    item, tag = b"\xfe\xff\x00\xe0", struct.pack("<HH2sH", 0x0040, 0x0555, b"SQ", 0)
    kind = rng.randrange(3)
    if kind == 0:
        inner = b""
        for _ in range(rng.choice([5, 50, 500])):
            inner = tag + struct.pack("<I", len(inner) + 8) + item + struct.pack("<I", len(inner)) + inner
    elif kind == 1:
        inner = (tag + b"\xff" * 4 + item + b"\xff" * 4) * rng.choice([5, 50, 500])
    else:
        many = item + bytes(4)
        inner = tag + b"\xff" * 4 + many * rng.choice([5, 5000]) + b"\xfe\xff\xdd\xe0" + bytes(4)
    return data[:at] + inner + data[at:]


def bomb(data: bytes, rng: random.Random) -> bytes:
    """A small file that says, or becomes, something large."""
    if data[:4] == b"\x89PNG":
        size = struct.pack(">II", *rng.choice([(60000, 60000), (30000, 2), (8000, 7900), (2**31 - 1, 1)]))
        header = b"IHDR" + size + data[24:29]
        return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    if data[:2] == b"\xff\xd8":
        at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2")) + 5
        return data[:at] + struct.pack(">HH", *rng.choice([(65000, 65000), (8000, 7900)])) + data[at + 4 :]
    if data[128:132] != b"DICM":
        return _flip(data, rng, len(data) - 300, len(data), 3)  # a TIFF's directory
    meta_end = 144 + int.from_bytes(data[140:144], "little")
    if DeflatedExplicitVRLittleEndian.encode() in data[:meta_end]:
        plain = zlib.decompressobj(-15).decompress(data[meta_end:])
        tiny = struct.pack("<HH2sH", 0x0029, 0x1001, b"LO", 0)
        extra = rng.choice([tiny * 200_000, bytes(50_000_000), rng.randbytes(100_000)])
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        where = rng.choice([0, len(plain)])
        return data[:meta_end] + packer.compress(plain[:where] + extra + plain[where:]) + packer.flush()
    at = data.rfind(PIXEL_DATA)
    return data[:at] + struct.pack("<HH2sHI", 0x0029, 0x1001, b"OB", 0, 0xFFFFFFF0) + data[at:]


def segment_lengths(data: bytes, rng: random.Random) -> bytes:
    """One run of an RLE segment longer or shorter than it was."""
    first = data.rfind(PIXEL_DATA) + 12 + 8 + 8 + 64
    return _flip(data, rng, first, len(data) - 10, 1)


def _saved(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


Damage = Callable[[bytes, random.Random], bytes]
EVERYWHERE: tuple[Damage, ...] = (
    truncated, bit_in_pixels, bits_anywhere, bit_in_header, zeroed_block, block_of_another,
    bytes_missing, bytes_added, zeros_behind, random_behind, length_changed, bomb,
)  # fmt: skip
IN_DICOM: tuple[Damage, ...] = (number_changed, surplus_pixels, several_frames, nested)
COMPRESSED = frozenset(
    {"rle", "jpeg2000", "jpeg2000-lossy", "jpeg-ls", "jpeg-lossless", "jpeg-baseline", "jpeg", "png"}
)
_OTHERWISE = frozenset({"deflated", "big-endian", "implicit"})  # elements are not where the damage looks


def combinations() -> list[tuple[str, Damage]]:
    """All that is done to each file."""
    found: list[tuple[str, Damage]] = []
    for base, data in bases().items():
        found += [(base, damage) for damage in EVERYWHERE if (base, damage) != ("big-endian", bomb)]
        if data[128:132] == b"DICM" and base not in _OTHERWISE:
            found += [(base, damage) for damage in IN_DICOM]
        if base in COMPRESSED:
            found.append((base, bit_in_codec_header))
        if base == "rle":
            found += [(base, segment_lengths)] * 3
    return found


def corpus(count: int = COUNT, seed: int = SEED, every: int = 1) -> Iterator[Case]:
    """Make the files, of `count` every so many."""
    whole, kinds = bases(), combinations()
    for number in range(0, count, every):
        # Large steps, so that a part has all kinds too.
        base, damage = kinds[number * 7 % len(kinds)]
        rng = random.Random(f"{seed} {number}")
        yield Case(number, base, damage.__name__, damage(whole[base], rng))
