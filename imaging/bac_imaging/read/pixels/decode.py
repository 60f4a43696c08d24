"""Pixel data of a DICOM object, decoded to stored values."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from bac_imaging.read.attributes.acceptance import Layout
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.pixels.native_stderr import native_stderr
from bac_imaging.read.pixels.pixel_element import is_filling
from bac_imaging.read.pixels.streams.codestream import Family, check_codestream, loses
from bac_imaging.read.pixels.streams.jpeg import check_jpeg
from bac_imaging.read.pixels.streams.lossless_jpeg import decode_lossless_jpeg
from bac_imaging.read.pixels.streams.rle import check_segments
from bac_terms.errors import FailedError, RefusedError

_JPEG_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
_JPEG_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
_JPEG_LS = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
_JPEG_2000 = frozenset({f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203)})
_RLE = frozenset({"1.2.840.10008.1.2.5"})
_LOSSY = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81"})

# One decoder for each compression, and why: Pillow and pyjpegls survive damaged streams, openjpeg also reads
# HTJ2K, gdcm reads every lossless JPEG. The usual ones are taken from it where imagecodecs is installed.
_DECODERS: tuple[tuple[frozenset[str], Family | None, str], ...] = (
    (_JPEG_LOSSY, "jpeg", "pillow"),
    (_JPEG_LOSSLESS, "jpeg-lossless", "gdcm"),
    (_JPEG_LS, "jpeg-ls", "pyjpegls"),
    (_JPEG_2000, "jpeg2000", "pylibjpeg"),
    (_RLE, None, "pydicom"),
)

# pydicom's own correction overlooks HighBit, and BitsStored is not always what the stream holds.
_DECODE_OPTIONS: dict[str, Any] = {"correct_unused_bits": False}
_LAYOUT = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PlanarConfiguration",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "PixelData",
)

_END_OF_STREAM = b"\xff\xd9"  # of JPEG, JPEG-LS and JPEG 2000
_SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"  # PS3.5 A.4
_ROUGHER = 4.0
"""How much more neighbours differ in words with swapped bytes than in those they were, at least."""
_ROWS_SEEN = 256
"""Most rows that this is looked for in: so many tell it of any image."""
_METHOD = "LossyImageCompressionMethod"


class Decoded(NamedTuple):
    """Stored values, and in words what looks like damage though it can be decoded."""

    stored: npt.NDArray[np.int32]
    doubts: tuple[str, ...]


def decode(dataset: Dataset, header: Header, expected: Layout) -> Decoded:
    """Decode the stored values of a single-frame image.

    Parameters
    ----------
    dataset : pydicom.Dataset
        The object, with file meta information.
    header : Header
        Its header.
    expected : Layout
        Layout, from `bac_imaging.read.attributes.acceptance.check_layout`.

    Returns
    -------
    Decoded
        int32, (rows, columns): stored values before any LUT, unused bits removed, sign extended. For
        three samples a pixel, their common value. And what leaves them in doubt.

    Raises
    ------
    RefusedError
        ``BAC-FILE-TRUNCATED``, ``BAC-DICOM-NO-PIXELS``, ``BAC-DIMENSIONS``, ``BAC-MULTIFRAME`` or
        ``BAC-COLOUR``.
    FailedError
        ``BAC-CODEC-MISSING`` or ``BAC-DECODE-FAILED``.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    check_syntax(syntax if isinstance(syntax, str) else "")
    try:
        data = dataset.PixelData
    except Exception:  # a deferred element is parsed only here, and fails in many ways
        raise RefusedError("BAC-FILE-TRUNCATED") from None
    if not isinstance(data, bytes) or not data:
        raise RefusedError("BAC-DICOM-NO-PIXELS", "the pixel data are empty")
    doubts: tuple[str, ...] = ()
    if syntax.is_encapsulated:
        array, doubts = _decode_compressed(dataset, syntax, data, expected)
    else:
        needed = expected.rows * expected.columns * expected.samples * expected.bits_allocated // 8
        if len(data) < needed:
            raise RefusedError("BAC-FILE-TRUNCATED", "the file holds fewer pixels than its header says")
        if len(data) >= 2 * needed:
            raise RefusedError("BAC-MULTIFRAME", "the file holds more pixels than its header says")
        if len(data) > needed + 1:  # one byte makes the length even (PS3.5 8.1.1)
            if not is_filling(data[needed:]):
                raise RefusedError("BAC-DIMENSIONS", "the file holds more pixels than its header says")
            doubts = ("bytes follow its pixels",)
        array = _call_decoder(_for_decoder(dataset, expected), syntax, "")
    if array.shape[:2] != (expected.rows, expected.columns):
        raise FailedError("BAC-DECODE-FAILED", "the decoded image has another size than the header says")
    if array.ndim == 3:
        array = _grey(array, lossy=syntax in _JPEG_LOSSY)
    _check_byte_order(array)
    stored, has_more = _stored_values(array, header, is_native=not syntax.is_encapsulated or syntax in _RLE)
    return Decoded(stored, (*doubts, "pixels have bits that BitsStored leaves out") if has_more else doubts)


def check_syntax(syntax: str) -> None:
    """Refuse an encoding that no image is read in, whatever is installed.

    Parameters
    ----------
    syntax : str
        UID of the transfer syntax.

    Raises
    ------
    FailedError
        ``BAC-CODEC-MISSING``.
    """
    uid = UID(syntax)
    if not uid.is_transfer_syntax:
        raise FailedError("BAC-CODEC-MISSING", "the file names no transfer syntax that is known")
    if uid.is_encapsulated and not any(uid in uids for uids, _, _ in _DECODERS):
        raise FailedError("BAC-CODEC-MISSING", "the compression of this file is not one for still images")


def is_lossy(dataset: Dataset, header: Header) -> bool:
    """Tell whether an image was ever compressed with loss.

    Parameters
    ----------
    dataset : pydicom.Dataset
        The object, decoded before.
    header : Header
        Header of the image.

    Returns
    -------
    bool
        True if the syntax always loses, or the header or the compressed stream admits a loss.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    # PS3.3 C.7.6.1.1.5: 00 or 01. What is neither does not say that nothing was lost.
    if syntax in _LOSSY or header.text("LossyImageCompression") not in ("", "00") or header.text(_METHOD):
        return True
    if any(ratio > 1 for ratio in header.numbers("LossyImageCompressionRatio")):
        return True
    family = next((family for uids, family, _ in _DECODERS if syntax in uids), None)
    return family is not None and loses(get_frame(dataset.PixelData, 0, number_of_frames=1), family)


def _decode_compressed(
    dataset: Dataset, syntax: UID, data: bytes, expected: Layout
) -> tuple[npt.NDArray[np.generic], tuple[str, ...]]:
    family, plugin = next((f, p) for uids, f, p in _DECODERS if syntax in uids)
    if plugin not in get_decoder(syntax).available_plugins:
        raise FailedError("BAC-CODEC-MISSING", f"the decoder for {syntax.name} is not installed")
    try:
        frame = get_frame(data, 0, number_of_frames=1)
    except Exception:  # broken offset tables and fragments
        raise RefusedError("BAC-FILE-TRUNCATED") from None
    doubts: tuple[str, ...] = ()
    if family is None:
        check_segments(frame, expected)
    else:
        doubts = check_codestream(frame, family, expected)
    if family == "jpeg":
        check_jpeg(frame)
    if family == "jpeg-lossless" and (words := decode_lossless_jpeg(frame, expected)) is not None:
        return words, doubts
    layout = _for_decoder(dataset, expected)
    if plugin != "gdcm":
        return _call_decoder(layout, syntax, plugin), doubts
    with native_stderr() as messages:
        array = _call_decoder(layout, syntax, plugin)
        messages.seek(0)
        # The library inside gdcm replaces damaged data by what came before and only prints a line.
        if b"Corrupt JPEG data" in messages.read():
            raise FailedError("BAC-DECODE-FAILED", "the compressed pixels are damaged")
    return array, doubts


def _for_decoder(dataset: Dataset, expected: Layout) -> Dataset:
    """Give a decoder what it insists on, and nothing of the header that it would stumble over."""
    layout = Dataset()
    layout.file_meta = dataset.file_meta
    layout.PixelRepresentation = 0
    for keyword in _LAYOUT:
        if keyword in dataset:
            layout[keyword] = dataset[keyword]
    layout.SamplesPerPixel = expected.samples
    layout.PhotometricInterpretation = "MONOCHROME2"
    if expected.samples > 1:
        named = dataset.get("PhotometricInterpretation", "RGB")
        layout.PhotometricInterpretation = str(named).strip().upper()
    return layout


def _call_decoder(dataset: Dataset, syntax: UID, plugin: str) -> npt.NDArray[np.generic]:
    try:
        array, _ = get_decoder(syntax).as_array(dataset, index=0, decoding_plugin=plugin, **_DECODE_OPTIONS)
    except MemoryError:
        raise
    except Exception:  # each decoder raises its own kinds
        raise FailedError("BAC-DECODE-FAILED") from None
    return array


def _grey(array: npt.NDArray[np.generic], *, lossy: bool) -> npt.NDArray[np.generic]:
    """Reduce three equal channels to one; rounding of lossy colour conversion is forgiven."""
    channels = array.astype(np.int16)
    spread = channels.max(axis=2) - channels.min(axis=2)
    if spread.max() > (2 if lossy else 0):
        raise RefusedError("BAC-COLOUR")
    return array[..., 1]


def _stored_values(
    array: npt.NDArray[np.generic], header: Header, *, is_native: bool
) -> tuple[npt.NDArray[np.int32], bool]:
    """Take out the bits above HighBit and below it that hold no value (PS3.5 8.1.1).

    Overlays used to be kept there; compressed streams of 16 bits may carry them along. Tell whether there
    were any that the header does not explain by an overlay.
    """
    stored = int(header.number("BitsStored") or header.number("BitsAllocated") or 16)
    high = header.number("HighBit")
    shift = int(high) + 1 - stored if is_native and high is not None else 0
    is_signed = header.number("PixelRepresentation") == 1
    words = array.astype(np.int32)
    if array.dtype.kind == "u" and not is_signed and shift <= 0 and array.max() < 1 << stored:
        return words, False  # no bit to take out
    has_lower = shift > 0 and bool((words & ((1 << shift) - 1)).any())
    if shift > 0:
        words >>= shift
    values = words & ((1 << stored) - 1)
    if is_signed:
        values -= (values & (1 << (stored - 1))) << 1
    has_more = not np.array_equal(words, values)
    if has_more:
        _check_unused_bits(words, values, stored)
    return values, (has_more or has_lower) and not header.has_overlay_in_pixels()


def _check_byte_order(array: npt.NDArray[np.generic]) -> None:
    """Refuse words whose bytes are in the other order: neighbours differ far more than with bytes swapped.

    In proportion to all values, since bytes that were made into words are as smooth either way.
    """
    if array.dtype.itemsize != 2 or array.ndim != 2:
        return
    rows = array[:: -(-len(array) // _ROWS_SEEN)]
    rough, smooth = (_roughness(each.astype(np.float32)) for each in (rows, rows.byteswap()))
    if rough > _ROUGHER * smooth:
        raise RefusedError("BAC-DIMENSIONS", "the bytes of the pixel values are in the wrong order")


def _roughness(values: npt.NDArray[np.float32]) -> float:
    return float(np.abs(np.diff(values, axis=1)).mean()) / max(float(values.std()), 1e-6)


def _check_unused_bits(words: npt.NDArray[np.int32], values: npt.NDArray[np.int32], stored: int) -> None:
    """Refuse an image whose values need more bits than BitsStored: without them they jump, with them not."""
    above = words >> stored
    jumps = above[:, 1:] != above[:, :-1]
    with_bits, without = (np.abs(np.diff(each, axis=1))[jumps] for each in (words, values))
    if jumps.any() and np.median(with_bits) < np.median(without):
        raise RefusedError("BAC-DIMENSIONS", "the pixel values need more bits than BitsStored says")


def surplus_bytes(dataset: Dataset, expected: Layout) -> int:
    """Give how many bytes follow the pixels, within their element or the last of its fragments."""
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return _behind_the_end(bytes(dataset.PixelData))
    needed = expected.rows * expected.columns * expected.samples * expected.bits_allocated // 8
    return len(dataset.PixelData) - needed


def _behind_the_end(items: bytes) -> int:
    """Give how many bytes of one value follow the end marker of the last stream; 0 where it has none."""
    end = items.rfind(_END_OF_STREAM)
    # One zero makes the length even.
    rest = items[end + len(_END_OF_STREAM) :].removesuffix(_SEQUENCE_END).removesuffix(b"\0")
    return len(rest) if end >= 0 and rest.count(rest[:1]) == len(rest) else 0
