"""The image that objects are made of: what they take over of its header, or why none can be made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.orientation import read_orientation
from bac_imaging.read.dataset import parse_header
from bac_imaging.read.reader import is_dicom
from bac_terms.errors import FailedError, RefusedError
from bac_terms.identifiers import is_uid
from bacctl._discreet import discreet
from bacctl.outputs.dicom.codes import item_of
from bacctl.results import ExamResult, ImageResult

# Of patient and study, so that archives file what is made beside the image. Texts of more than this are not.
_PATIENT_AND_STUDY = {
    "PatientName": 194,  # three groups of 64
    "PatientID": 64,
    "IssuerOfPatientID": 64,
    "AccessionNumber": 16,
    "StudyID": 16,
    "StudyDescription": 64,
    "ReferringPhysicianName": 64,
}
_FORMS = {
    "PatientBirthDate": re.compile(r"(?!00000000)\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"),
    "PatientSex": re.compile(r"[MFO]"),
    "PatientAge": re.compile(r"\d{3}[DWMY]"),
    "StudyDate": re.compile(r"(?!00000000)\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"),
    "StudyTime": re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"),
}
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# Type 2: empty where nothing is known (PS3.3 C.7.1.1, C.7.2.1).
_ALWAYS_THERE = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
_PIXELS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_WORDS = ("BurnedInAnnotation", "ImageLaterality", "Laterality", "PatientOrientation")
_LUTS = (
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "ModalityLUTSequence",
)
_OTHERS = ("SpecificCharacterSet", "FrameOfReferenceUID", "PositionReferenceIndicator")
_WANTED = [*_UIDS, *_PATIENT_AND_STUDY, *_FORMS, *_PIXELS, *_WORDS, *_LUTS, *_OTHERS]


@dataclass(frozen=True)
class Source:
    """One image of an exam and what is taken over of its header.

    Attributes
    ----------
    number : int
        Its place in the exam's images.
    image : ImageResult
        What was measured, with its mask.
    header : pydicom.Dataset
        Identity, pixels and display, without the pixels themselves, and of patient and study what no log may
        quote but by its form. Only values that the standard allows: what is odd is left out.
    words : mapping of str to str
        Names, identifiers and descriptions of patient and study: they are put into an object when it is done,
        since libraries quote in warnings what they find odd in a name.
    data : bytes
        The file.
    """

    number: int
    image: ImageResult
    header: Dataset
    words: Mapping[str, str]
    data: bytes

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """What was found, shape (rows, columns)."""
        assert self.image.mask is not None  # noqa: S101 - `read_sources` makes none without
        return self.image.mask

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Distance of pixels (between rows, between columns) in the plane of the artery.

        That is what PixelSpacing means for a projection (PS3.3 10.7.1.3), and what areas and masses of the
        result are measured in.
        """
        spacing = self.image.pixel_spacing_mm
        if spacing is None:
            return None
        by = self.image.magnification or 1.0
        return spacing[0] / by, spacing[1] / by

    @property
    def orientation(self) -> tuple[str, str] | None:
        """PatientOrientation of rows and columns; None where the header has none that can be read."""
        value = self.header.get("PatientOrientation")
        return None if value is None else (str(value[0]), str(value[1]))


def read_sources(exam: ExamResult, files: Sequence[bytes | Path | None] | None = None) -> list[Source]:
    """Read the headers of all measured images of an exam, each once.

    Parameters
    ----------
    exam : ExamResult
        With its images, and these with their masks.
    files : sequence of (bytes, Path or None), optional
        The files of the images, where they are not at ``image.path``.

    Returns
    -------
    list of Source
        In the order of the exam's images, without those that were refused or failed, or came twice.

    Raises
    ------
    RefusedError
        ``BAC-OUTPUT-NOT-DICOM``, ``BAC-OUTPUT-HEADER`` or ``BAC-OUTPUT-MIXED``.
    FailedError
        ``BAC-FILE-UNREADABLE`` or ``BAC-FILE-CHANGED``.
    """
    if exam.groups:
        raise RefusedError("BAC-OUTPUT-MIXED")
    given = files or [None] * len(exam.images)
    sources: dict[str, Source] = {}
    for number, (image, file) in enumerate(zip(exam.images, given, strict=True)):
        if image.status != "ok":
            continue
        source = _read(number, image, image.path if file is None else file)
        uid = source.header.SOPInstanceUID
        if uid in sources and sources[uid].data != source.data:
            raise RefusedError("BAC-OUTPUT-MIXED", "two images of one exam have the same SOP Instance UID")
        sources.setdefault(uid, source)
    found = list(sources.values())
    for about in ("StudyInstanceUID", "PatientID", "IssuerOfPatientID", "PatientBirthDate"):
        if len({source.words.get(about) or source.header.get(about) for source in found} - {"", None}) > 1:
            raise RefusedError("BAC-OUTPUT-MIXED", f"the images of one exam differ in {about}")
    return found


def _read(number: int, image: ImageResult, file: bytes | Path | None) -> Source:
    if file is None:
        raise RefusedError("BAC-OUTPUT-NOT-DICOM", "the image is not in a file")
    try:
        data = file if isinstance(file, bytes) else file.read_bytes()
    except OSError:
        raise FailedError("BAC-FILE-UNREADABLE", _at(file, "the file could not be read again")) from None
    if not is_dicom(data):
        raise RefusedError("BAC-OUTPUT-NOT-DICOM", _at(file, "the image is no DICOM object"))
    with discreet():
        found = parse_header(data, _WANTED).dataset
        header, words = clean_header(found)
        lacking = [about for about in _UIDS if about not in header]
        if words.get("PatientID", "") != _text(found, "PatientID"):
            lacking.append("PatientID")  # without it, what is made would lie with another woman, or nobody
    if lacking:
        raise RefusedError("BAC-OUTPUT-HEADER", _at(file, f"the header has no valid {', '.join(lacking)}"))
    if image.mask is None:
        raise FailedError("BAC-OUTPUT-NO-MASK", _at(file, "the result has no mask"))
    same = image.sop_instance_uid in (None, header.SOPInstanceUID)
    if not same or image.mask.shape != (header.get("Rows"), header.get("Columns")):
        raise FailedError("BAC-FILE-CHANGED", _at(file, "the file is not what it was when it was measured"))
    return Source(number, image, header, words, data)


def _at(file: bytes | Path, what: str) -> str:
    return what if isinstance(file, bytes) else f"{what} ({file.name})"


def clean_header(header: Dataset) -> tuple[Dataset, dict[str, str]]:
    """Take over of a header what objects made of its image share with it, where the standard allows it.

    Returns
    -------
    pydicom.Dataset, dict of str to str
        As `Source` has them.
    """
    clean = Dataset()
    clean.SpecificCharacterSet = "ISO_IR 192"  # texts were decoded and are written anew
    words = {}
    for about, most in _PATIENT_AND_STUDY.items():
        text = _text(header, about)
        if text and len(text) <= most and "\\" not in text and text.isprintable():
            words[about] = text
    for about, form in _FORMS.items():
        if form.fullmatch(text := _text(header, about)):
            setattr(clean, about, text)
    for about in _UIDS:
        if is_uid(text := _text(header, about)) and UID(text).is_valid:
            setattr(clean, about, text)
    if UID(text := _text(header, "FrameOfReferenceUID")).is_valid and text:
        clean.FrameOfReferenceUID = text
        clean.PositionReferenceIndicator = _text(header, "PositionReferenceIndicator")[:64]
    for about in _ALWAYS_THERE:
        if about not in clean:
            setattr(clean, about, "")
    for about in (*_PIXELS, *_LUTS):
        if about in header:
            clean[about] = header[about]
    clean.Modality = "MG"
    clean.BurnedInAnnotation = _text(header, "BurnedInAnnotation")
    side = _text(header, "ImageLaterality") or _text(header, "Laterality")
    if side in ("L", "R"):
        clean.ImageLaterality = side
    ways = read_orientation(Header(header))
    if ways is not None:
        clean.PatientOrientation = list(ways)
    return clean, words


def _text(header: Dataset, about: str) -> str:
    try:
        value = header.get(about)
    except Exception:  # whatever cannot be read is unknown
        return ""
    if value is None:
        return ""
    if not isinstance(value, str) and hasattr(value, "__iter__") and about != "PatientName":
        return "\\".join(str(part).strip() for part in value)
    return str(value).strip(" \0")


def refuse_burned_in(sources: Sequence[Source]) -> None:
    """Refuse to draw pictures that may show whose they are.

    Raises
    ------
    RefusedError
        ``BAC-OUTPUT-BURNED-IN``.
    """
    if any(source.header.BurnedInAnnotation != "NO" for source in sources):
        raise RefusedError("BAC-OUTPUT-BURNED-IN")


def place_side(dataset: Dataset, source: Source) -> None:
    """Say how an object in the matrix of an image lies, and of which breast it is, as the image does."""
    dataset.PatientOrientation = list(source.orientation or [])
    if source.image.laterality is not None:
        dataset.ImageLaterality = source.image.laterality


def reference(header: Dataset, purpose: Code | None = None) -> Dataset:
    """Return an item that refers to an image, and says what for."""
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    if purpose is not None:
        item.PurposeOfReferenceCodeSequence = [item_of(purpose)]
    return item
