"""Whole DICOM files parsed, and wrongly delimited ones mended.

Needs neither scipy nor decoders, as `bac_imaging.read.dicom_header`.
"""

from __future__ import annotations

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bac_imaging.read.dataset import PIXEL_DATA_TAGS, bytes_needed, inflated, parse
from bac_imaging.read.pixels.pixel_element import are_items, mend_pixels
from bac_terms.errors import RefusedError

_UNDEFINED_LENGTH = 0xFFFFFFFF
_KNOWN_KEYWORDS = ("SOPClassUID", "Modality", "Rows", "PixelData")


def parse_dicom(data: bytes) -> tuple[Dataset, list[str]]:
    """Parse a DICOM file.

    Parameters
    ----------
    data : bytes
        The whole file, with or without preamble.

    Returns
    -------
    pydicom.Dataset
        The object, with file meta information that names its transfer syntax.
    list of str
        What was wrong with the file and could be mended.

    Raises
    ------
    RefusedError
        ``BAC-FILE-NOT-IMAGE``, ``BAC-FILE-TRUNCATED`` or ``BAC-FILE-TOO-LARGE``.
    """
    data = inflated(data)
    try:
        dataset = _dataset(data)
        is_whole = not _lacks_pixels(dataset)
    except RefusedError as refusal:
        dataset, is_whole, reason = None, False, refusal
    faults: list[str] = []
    if not is_whole:
        mended = mend_pixels(data)
        if mended is not None:
            dataset = _dataset(mended[0])
            faults.append(mended[1])
    if dataset is None:
        raise reason
    if is_whole and _declares_too_much(dataset):
        faults.append("the declared length of the pixels is too long")
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _found_syntax(dataset)
    return dataset, faults


def _dataset(data: bytes) -> Dataset:
    try:
        dataset = parse(data)
        is_dicom = any(keyword in dataset for keyword in _KNOWN_KEYWORDS)
        ends_early = "PixelData" not in dataset and _ends_early(dataset, data)
    except RefusedError:
        raise
    except EOFError:
        raise RefusedError("BAC-FILE-TRUNCATED") from None
    except Exception:  # pydicom raises whatever its parser stumbles over
        raise RefusedError("BAC-FILE-NOT-IMAGE", "the DICOM header is damaged") from None
    if ends_early:
        raise RefusedError("BAC-FILE-TRUNCATED")
    if not is_dicom:
        raise RefusedError("BAC-FILE-NOT-IMAGE", "the file holds no DICOM image")
    return dataset


def _lacks_pixels(dataset: Dataset) -> bool:
    """Tell whether the pixel data are shorter than the header says, or their items do not meet."""
    element = _pixel_element(dataset)
    if element is None:
        return False
    value = getattr(element, "value", None) or b""
    if isinstance(element, RawDataElement) and element.length == _UNDEFINED_LENGTH:
        return not are_items(value)
    needed = bytes_needed(dataset)
    return needed is not None and len(value) < needed


def _declares_too_much(dataset: Dataset) -> bool:
    """Tell whether the file ends before its pixel data do by their length; one byte is only filling."""
    element = _pixel_element(dataset)
    if not isinstance(element, RawDataElement) or element.length == _UNDEFINED_LENGTH:
        return False
    return element.length > len(element.value or b"") + 1


def _pixel_element(dataset: Dataset) -> object:
    """Return the pixel data as they were parsed; None where there are none, or none that can be parsed."""
    try:
        return dataset.get_item("PixelData") if "PixelData" in dataset else None
    except Exception:  # an element that is parsed only here; decoding says what is wrong with it
        return None


def _ends_early(dataset: Dataset, data: bytes) -> bool:
    """Tell whether a file without pixel data was cut off: in its last element, or in the pixel data."""
    if any(tag in data for tag in PIXEL_DATA_TAGS):
        return True
    last: object = dataset.get_item(max(dataset.keys())) if len(dataset) else None
    if not isinstance(last, RawDataElement) or last.length == _UNDEFINED_LENGTH:
        return False
    return len(last.value or b"") < last.length


def _found_syntax(dataset: Dataset) -> UID:
    """Name the encoding that was found in a file that does not name it; such files are not compressed."""
    is_implicit, is_little = dataset.original_encoding
    if is_implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if is_little else ExplicitVRBigEndian
