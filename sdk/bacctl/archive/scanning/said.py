"""What a header says, as the product reads it; what most headers of an archive share is read once.

The rules are the product's own (`bac_imaging.read.dicom_header.judge`, `bacctl._origin.read_origin`,
`read_device`). They see the elements that are listed here and no other, and an answer is kept by the bytes of
all of these, so that an answer from before is the one that they would give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from hashlib import sha256
from typing import Generic, NamedTuple, TypeVar

from bac_imaging.read.attributes.acceptance import check_layout
from bac_imaging.read.attributes.device import read_device
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.attributes.spacing import Spacing
from bac_imaging.read.attributes.views import View, read_view
from bac_imaging.read.dicom_header import judge
from bac_terms.device import Device
from bac_terms.errors import BacctlError, RefusedError
from bac_terms.identifiers import names_nothing
from bacctl._origin import ORIGIN_TAGS, Origin, digest, read_origin
from bacctl.archive.manifest import age_band
from bacctl.archive.scanning.elements import Elements
from bacctl.archive.scanning.quick import QuickHeader, tags_of

T = TypeVar("T")

JUDGED = (
    *("AcquisitionDeviceProcessingCode", "AcquisitionDeviceProcessingDescription", "AnatomicRegionSequence"),
    *("BitsAllocated", "BitsStored", "BodyPartExamined", "BodyPartThickness", "BreastImplantPresent"),
    *("CalibrationImage", "Columns", "ContrastBolusAgent", "ContrastBolusAgentSequence"),
    *("ContrastBolusIngredient", "ContrastBolusRoute", "ContrastBolusVolume", "DerivationDescription"),
    *("DetectorElementSpacing", "DetectorMode", "DistanceSourceToDetector", "DistanceSourceToEntrance"),
    *("DistanceSourceToPatient", "EstimatedRadiographicMagnificationFactor", "FieldOfViewDimensions"),
    *("FrameLaterality", "HighBit", "ImageComments", "ImageLaterality", "ImageType", "ImagerPixelSpacing"),
    *("Laterality", "Modality", "NominalScannedPixelSpacing", "NumberOfFrames", "PaddleDescription"),
    *("PartialView", "PartialViewCodeSequence", "PartialViewDescription", "PatientOrientation"),
    *("PhotometricInterpretation", "PixelAspectRatio", "PixelRepresentation", "PixelSpacing"),
    *("PixelSpacingCalibrationType", "PresentationIntentType", "ProtocolName", "QualityControlImage", "Rows"),
    *("SamplesPerPixel", "SeriesDescription", "SOPClassUID", "SpecificCharacterSet"),
    *("SpecimenDescriptionSequence", "TomoAngle", "ViewCodeSequence", "ViewModifierCodeSequence"),
    *("ViewPosition", "VolumeBasedCalculationTechnique"),
)
"""What `judge` looks at to refuse an image, and to name its view."""
NOT_JUDGED = (
    *("AnodeTargetMaterial", "DetectorConfiguration", "DetectorType", "FilterMaterial"),
    *("FilterThicknessMaximum", "FilterThicknessMinimum", "Grid", "KVP", "Manufacturer"),
    *("ManufacturerModelName", "SOPInstanceUID", "StudyInstanceUID"),
)
"""What `judge` looks at for the beam and for warnings alone, of which a scan tells nothing."""
_UNIT = (
    *("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "DetectorID", "DeviceSerialNumber"),
    "SpecificCharacterSet",
)
_MOMENT = "AcquisitionDateTime"
_WITHIN_A_VISIT = ("AcquisitionTime", "ContentTime", "SeriesInstanceUID", "InstanceNumber")
_ORIGIN = (*(name for name in ORIGIN_TAGS if name not in _WITHIN_A_VISIT), "SpecificCharacterSet")
_IDENTIFIERS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_MOST_KEPT = 4096
_KEY_DIGITS = 16
_DAY_DIGITS, _LONGEST_DAY, _LONGEST_UID = 8, 10, 64

_MOMENT_TAG = tags_of([_MOMENT])[_MOMENT]
_IDENTIFIER_TAGS = tags_of(_IDENTIFIERS)
WANTED = frozenset(tags_of((*JUDGED, *_UNIT, *_ORIGIN, *_IDENTIFIERS)).values())


class Verdict(NamedTuple):
    """What a header says of the image.

    Attributes
    ----------
    code, reason : str or None
        Why it is refused.
    modality, intent, laterality, view : str or None
        As in a manifest's row.
    rows, columns : int or None
        Size of the stored matrix.
    pixel_bytes : int or None
        Bytes of the pixels where they are not compressed; None where the image is refused.
    """

    code: str | None
    reason: str | None
    modality: str | None
    intent: str | None
    laterality: str | None
    view: str | None
    rows: int | None
    columns: int | None
    pixel_bytes: int | None


class Unit(NamedTuple):
    """What a header says of the mammography unit, as in a manifest's row."""

    manufacturer: str | None
    model: str | None
    software_versions: str | None
    detector_id_hash: str | None
    device_key: str | None


class Person(NamedTuple):
    """Of whom and when, as in a manifest's row; and the origin, which may be written nowhere."""

    origin: Origin
    patient_key: str | None
    month: str | None
    age_band: str | None


class Names(NamedTuple):
    """What identifies image, series and study."""

    sop: str | None
    series: str | None
    study: str | None


class Said(NamedTuple):
    """All that a header says."""

    names: Names
    verdict: Verdict
    unit: Unit
    person: Person


class _Kept(Generic[T]):
    """Answers by the bytes that they were given to; forgets all of them when there are too many."""

    def __init__(self, keywords: Iterable[str], read: Callable[[Header], T]) -> None:
        self._tags, self._read = tags_of(keywords), read
        self._in_order = tuple(self._tags.values())
        self._known: dict[tuple[object, ...], T] = {}

    def of(self, elements: Elements, *, followed: bool = False) -> T:
        key = (elements.is_implicit, followed, *map(elements.values.get, self._in_order))
        found = self._known.get(key)
        if found is None:
            found = self._read(QuickHeader(elements, self._tags, followed=followed))
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[key] = found
        return found


class Interpreter:
    """Reads headers by the product's rules.

    Parameters
    ----------
    given : (float, float) or None
        Spacing that the caller gives, (between rows, between columns), in mm.
    """

    def __init__(self, given: Spacing | None) -> None:
        self._given = given
        self._verdicts = _Kept(JUDGED, self.verdict)
        self._units = _Kept(_UNIT, unit)
        self._persons = _Kept(_ORIGIN, person)

    def read(self, elements: Elements) -> Said:
        """Read what was found in a header."""
        values = elements.values
        names = _plain_names(elements)
        moment = values.get(_MOMENT_TAG)
        if moment is not None and moment[1][:_DAY_DIGITS].isdigit():
            # Of a time only its day tells whose visit it is, and is the same throughout.
            values = {**values, _MOMENT_TAG: (moment[0], moment[1][:_DAY_DIGITS])}
            elements = elements._replace(values=values)
        return Said(
            names or names_of(QuickHeader(elements, _IDENTIFIER_TAGS)),
            self._verdicts.of(elements, followed=elements.pixels is not None),
            self._units.of(elements),
            self._persons.of(elements),
        )

    def parsed(self, header: Header) -> Said:
        """Read a header that was parsed as a whole."""
        return Said(names_of(header), self.verdict(header), unit(header), person(header))

    def verdict(self, header: Header) -> Verdict:
        """Judge an image by its header."""
        code, reason, pixel_bytes, intent = None, None, None, None
        try:
            judged = judge(header, self._given)
            layout = judged.layout
            view: View | None = judged.view
            pixel_bytes = layout.rows * layout.columns * layout.samples * layout.bits_allocated // 8
            intent = judged.kind.intent
            sizes: tuple[int | None, int | None] = (layout.rows, layout.columns)
        except RefusedError as error:
            code, reason = error.code, error.message
            view, sizes = _view_of_refused(header), _size_of_refused(header)
        modality = header.text("Modality")
        return Verdict(
            code,
            reason,
            modality if modality.isascii() and modality.isalpha() and len(modality) <= _KEY_DIGITS else None,
            None if intent is None else intent.removeprefix("FOR ").lower(),
            None if view is None else view.laterality,
            None if view is None else view.view,
            *sizes,
            pixel_bytes,
        )


def unit(header: Header) -> Unit:
    """Read which mammography unit took the image."""
    device = read_device(header) or Device()
    serial = header.written("DeviceSerialNumber")
    known = [device.manufacturer or "", device.model or "", *([] if names_nothing(serial) else [serial])]
    return Unit(
        device.manufacturer,
        device.model,
        device.software_versions,
        device.detector_id_hash,
        sha256("\n".join(known).encode("utf-8", "replace")).hexdigest()[:_KEY_DIGITS] if any(known) else None,
    )


def person(header: Header) -> Person:
    """Read of whom and when the image is, keyed as `bacctl._origin` does: it means nothing elsewhere."""
    origin = read_origin(header)
    day = origin.study_day if origin.day is None else origin.day
    key = None if origin.patient is None else digest(origin.patient + (origin.issuer or b"")).hex()
    age = origin.age if origin.age is not None else _age(header.text("PatientBirthDate"), day)
    return Person(
        origin,
        None if key is None else key[:_KEY_DIGITS],
        None if day is None else date.fromordinal(day).isoformat()[:7],
        age_band(age),
    )


def names_of(header: Header) -> Names:
    """Read what identifies the image, where it may be shown."""
    return Names(*(header.identifier(keyword) for keyword in _IDENTIFIERS))


def _plain_names(elements: Elements) -> Names | None:
    """Read identifiers that are UIDs, as nearly all are; None where one of them is not."""
    found = []
    for tag in _IDENTIFIER_TAGS.values():
        _, value = elements.values.get(tag, (None, b""))
        text = value.rstrip(b"\0 ")
        is_plain = text[:1].isdigit() and not text.translate(None, b"0123456789.") and text.strip(b"0.")
        if not is_plain or not _LONGEST_DAY < len(text) <= _LONGEST_UID:
            return None
        found.append(text.decode())
    return Names(*found) if all("." in text for text in found) else None


def _view_of_refused(header: Header) -> View | None:
    try:
        return read_view(header)[0]
    except BacctlError:
        return None


def _size_of_refused(header: Header) -> tuple[int | None, int | None]:
    try:
        layout = check_layout(header)
    except BacctlError:
        return None, None
    return layout.rows, layout.columns


def _age(born: str, day: int | None) -> int | None:
    """Count the years from a date of birth to a day."""
    if day is None or len(born) != _DAY_DIGITS or not (born.isascii() and born.isdigit()):
        return None
    then = date.fromordinal(day)
    years = then.year - int(born[:4]) - ((then.month, then.day) < (int(born[4:6]), int(born[6:])))
    return years if 0 <= years < 130 else None
