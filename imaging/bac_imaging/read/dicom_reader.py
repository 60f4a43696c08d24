"""DICOM files: parsed, judged by their header, decoded, turned into a signal."""

from __future__ import annotations

import warnings

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.spacing import Spacing
from bac_imaging.read.dataset import PIXEL_DATA_TAGS, inflated, parse
from bac_imaging.read.detectors import check_matrix, has_field_of_view, known_sizes
from bac_imaging.read.dicom_header import judge
from bac_imaging.read.mammogram import Mammogram
from bac_imaging.read.pixels.decode import decode, is_lossy, surplus_bytes
from bac_imaging.read.pixels.intensity import display, log_exposure
from bac_imaging.read.pixels.padding import read_padding
from bac_imaging.read.pixels.pixel_element import are_items, bytes_needed, mend_pixels
from bac_imaging.read.unlisted import unlisted_values
from bac_terms.errors import RefusedError
from bac_terms.notices import Notice

_UNDEFINED_LENGTH = 0xFFFFFFFF
_KNOWN_KEYWORDS = ("SOPClassUID", "Modality", "Rows", "PixelData")


def read_dicom(data: bytes, given: Spacing | None) -> Mammogram:
    """Read a DICOM file that holds one mammogram.

    Everything that the header can tell is judged before any pixel is decoded.

    Parameters
    ----------
    data : bytes
        The whole file, with or without preamble.
    given : (float, float) or None
        Spacing that the caller gives, (between rows, between columns), in mm.

    Returns
    -------
    Mammogram
        Signal, geometry and what the header tells.

    Raises
    ------
    RefusedError
        If the file can never be measured as it is.
    FailedError
        If it could not be decoded here.
    """
    # pydicom remarks on every oddity of a header when a value is first looked at; what matters of them
    # becomes a code here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _read(*_parse(data), given)


def _read(dataset: Dataset, mended: list[str], given: Spacing | None) -> Mammogram:
    header = Header(dataset)
    judged = judge(header, given)
    kind, expected = judged.kind, judged.expected
    stored = decode(dataset, header, expected)
    padding, padding_notices = read_padding(stored, header)
    if kind.intent == "FOR PROCESSING":
        intensity = log_exposure(stored, padding, header)
    else:
        intensity = display(stored, padding, header, is_film=kind.is_film)
    spacing = judged.geometry.pixel_spacing_mm
    size = () if kind.is_film else check_matrix(header, expected.rows, expected.columns, spacing)
    doubts = (*size, *padding_notices, *(unlisted_values(header) if kind.intent == "FOR PROCESSING" else ()))
    lossy = (Notice.of("BAC-W-LOSSY"),) if is_lossy(dataset, header) else ()
    return Mammogram(
        signal=intensity.signal,
        valid=intensity.valid,
        signal_kind="log_exposure" if kind.intent == "FOR PROCESSING" else "display",
        exposure_scale_known=intensity.scale_known,
        presentation_intent=kind.intent,
        geometry=judged.geometry,
        beam=judged.beam,
        sop_instance_uid=header.identifier("SOPInstanceUID"),
        study_instance_uid=header.identifier("StudyInstanceUID"),
        laterality=judged.view.laterality,
        view=judged.view.view,
        warnings=(
            *judged.notices,
            *intensity.notices,
            *doubts,
            *lossy,
            *_understood(header, mended, surplus_bytes(dataset, expected)),
        ),
        mass_in_doubt=bool(doubts),
        size_known=known_sizes(header) is not None
        or has_field_of_view(header, expected.rows, expected.columns, spacing),
    )


def _understood(header: Header, found: list[str], surplus: int) -> tuple[Notice, ...]:
    """Say where the file breaks the standard in a way that leaves no doubt about what it means."""
    found = list(found)
    if header.decimal_commas:
        verb = "is" if len(header.decimal_commas) == 1 else "are"
        found.append(f"{' and '.join(sorted(header.decimal_commas))} {verb} written with a decimal comma")
    if header.number("NumberOfFrames") == 0:
        found.append("NumberOfFrames is 0")
    if surplus > 1:  # one byte makes the length even (PS3.5 8.1.1)
        found.append("bytes follow the pixels")
    is_grey = header.text("PhotometricInterpretation") in ("MONOCHROME1", "MONOCHROME2")
    if not is_grey and header.number("SamplesPerPixel") in (None, 1):
        found.append("PhotometricInterpretation names no grey scale for pixels of one sample")
    return (Notice.of("BAC-W-FILE-MENDED", ", and ".join(found)),) if found else ()


def _parse(data: bytes) -> tuple[Dataset, list[str]]:
    """Parse a file; the second value says what was wrong with it and could be understood."""
    data = inflated(data)
    try:
        dataset = _dataset(data)
        is_whole = not _lacks_pixels(dataset)
    except RefusedError as refusal:
        dataset, is_whole, reason = None, False, refusal
    found: list[str] = []
    if not is_whole:
        mended = mend_pixels(data)
        if mended is not None:
            dataset = _dataset(mended[0])
            found.append(mended[1])
    if dataset is None:
        raise reason
    if is_whole and _declares_too_much(dataset):
        found.append("the declared length of the pixels is too long")
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = _found_syntax(dataset)
    return dataset, found


def _dataset(data: bytes) -> Dataset:
    try:
        dataset = parse(data)
        is_dicom = any(keyword in dataset for keyword in _KNOWN_KEYWORDS)
        ends_early = "PixelData" not in dataset and _ends_early(dataset, data)
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
