"""What kind of image a header describes, and the kinds that are refused before anything is decoded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bac_imaging.read.attributes.header import Header
from bac_terms.errors import RefusedError

Intent = Literal["FOR PROCESSING", "FOR PRESENTATION"]

MAX_FILE_BYTES = 512 * 1024 * 1024
"""Largest file that is looked into. The largest mammogram, uncompressed, has a tenth of it."""
LARGEST_IMAGE_PX = 64_000_000
"""Pixels. A 35 cm x 43 cm film scanned at 0.05 mm has 60 million."""
SMALLEST_SIDE_PX = 64
LARGEST_SIDE_PX = 30_000

_MAMMOGRAPHY = "1.2.840.10008.5.1.4.1.1.1.2"
MAMMOGRAPHY_RAW = "1.2.840.10008.5.1.4.1.1.1.2.1"
_TOMOSYNTHESIS = frozenset(f"1.2.840.10008.5.1.4.1.1.13.1.{n}" for n in (3, 4, 5))
_FILM_MODALITIES = frozenset({"RG", "CR", "DX", "SC", "OT", "FILM"})

# Makers' names: Hologic C-View and Intelligent 2D, GE V-Preview, Fuji S-View, Siemens Insight 2D, Giotto
# G-View. They are met with a hyphen, a blank, an underscore or nothing.
_SYNTHETIC_NAME = (
    r"(?<![A-Z0-9])(?:SYNTH|[CSG][ _-]?VIEW(?![A-Z])|V[ _-]?PREVIEW|INTELLIGENT[ _-]?2D|INSIGHT[ _-]?2D"
    r"|GENERATED[ _-]?2D|SYN[ _-]?2D|TOMO[ _-]?2D|S2D(?![A-Z0-9]))"
)
_SYNTHETIC_TERM = re.compile(_SYNTHETIC_NAME + r"|GENERATED_?2D|C-?VIEW|S-?VIEW|V-?PREVIEW|TOMO_?2D")
_SYNTHETIC_TEXT = re.compile(_SYNTHETIC_NAME)
_DESCRIPTIONS = (
    "SeriesDescription",
    "AcquisitionDeviceProcessingDescription",
    "AcquisitionDeviceProcessingCode",
    "DerivationDescription",
    "ImageComments",
)
# PS3.3 C.8.16.2.1.3. What was computed from a volume is no projection by X-rays.
_NO_VOLUME = frozenset({"", "NONE"})
_TOMOSYNTHESIS_TERM = re.compile(r"\bTOMO")
_CONTRAST_TERM = re.compile(
    r"\b(SUBTRACTION|SUBTRACTED|ADDITION|RECOMBINED|HIGH_ENERGY|LOW_ENERGY|DUAL_ENERGY|POST_?CONTRAST)\b"
)
# In descriptions: the makers' names of contrast-enhanced mammography, and of its parts.
_CONTRAST_TEXT = re.compile(
    r"(?<![A-Z])(?:CESM|CEDM|CEM|CE2D|SENOBRIGHT|TICEM|I[ _-]VIEW|(?:LOW|HIGH|DUAL)[ _-]?ENERGY|RECOMBINED"
    r"|CONTRAST[ _-]?ENHANCED(?: (?:SPECTRAL|DIGITAL|MAMM[A-Z]*))|POST[ _-]?CONTRAST)(?![A-Z])"
)
_TOMOSYNTHESIS_TEXT = re.compile(
    r"(?<![A-Z])(?:TOMO[A-Z]*|DBT)(?![A-Z]).*(?:(?<![A-Z])PROJ|SLAB|SLICE)|(?:(?<![A-Z])PROJ[A-Z]*|SLABS?|SLICES?)"
    r"[ _-]+(?:TOMO|DBT)"
)
_AGENT_TEXTS = ("ContrastBolusRoute", "ContrastBolusIngredient")
_NO_AGENT = frozenset({"", "NO", "NONE", "N/A", "UNKNOWN"})
# SNOMED CT and its retired forms: breast, right, left, both.
_BREAST_CODES = frozenset(
    {"76752008", "73056007", "80248007", "63762007", "T-04000", "T-04020", "T-04030", "T-04080"}
)
_PALETTES = frozenset({"PALETTE COLOR", "ARGB", "CMYK", "HSV"})
_BREAST = re.compile(r"BREAST|MAMM|AXILLA")


@dataclass(frozen=True)
class Kind:
    """What kind of image this is.

    Attributes
    ----------
    is_film : bool
        True for everything that is no digital mammogram: its grey values are taken as on film.
    intent : {"FOR PROCESSING", "FOR PRESENTATION"} or None
        For digital mammograms only.
    """

    is_film: bool
    intent: Intent | None


@dataclass(frozen=True)
class Layout:
    """How pixels are stored: rows, columns, samples a pixel, bits allocated a sample."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int


def check_dimensions(rows: int, columns: int) -> None:
    """Refuse sizes that no mammogram has.

    Parameters
    ----------
    rows, columns : int
        Size of the stored matrix.

    Raises
    ------
    RefusedError
        ``BAC-DIMENSIONS``.
    """
    size = f"the image has {rows} x {columns} pixels"
    if rows * columns > LARGEST_IMAGE_PX or max(rows, columns) > LARGEST_SIDE_PX:
        raise RefusedError("BAC-DIMENSIONS", f"{size}, more than any mammogram")
    if min(rows, columns) < SMALLEST_SIDE_PX:
        raise RefusedError("BAC-DIMENSIONS", f"{size}, fewer than any mammogram")


def check_kind(header: Header) -> Kind:
    """Tell digital mammograms from film, and refuse everything else.

    Parameters
    ----------
    header : Header
        Header of the object.

    Returns
    -------
    Kind
        Digital mammogram with its presentation intent, or film.

    Raises
    ------
    RefusedError
        ``BAC-MODALITY``, ``BAC-DICOM-NO-PIXELS``, ``BAC-SYNTHETIC-2D``, ``BAC-TOMOSYNTHESIS``,
        ``BAC-MULTIFRAME``, ``BAC-CONTRAST`` or ``BAC-QC-IMAGE``.
    """
    sop_class = header.uid("SOPClassUID")
    modality = header.text("Modality")
    is_mammography_class = sop_class in (_MAMMOGRAPHY, MAMMOGRAPHY_RAW)
    if modality == "MG" or (not modality and (is_mammography_class or sop_class in _TOMOSYNTHESIS)):
        is_film = not is_mammography_class and not header.text("PresentationIntentType")
    elif modality in _FILM_MODALITIES:
        is_film = True
    else:
        raise RefusedError("BAC-MODALITY", f"the modality is {_term(modality)}, not MG")
    if not header.has("Rows") and not header.has("PixelData"):
        raise RefusedError("BAC-DICOM-NO-PIXELS")
    _refuse_derived(header, sop_class)
    frames = header.number("NumberOfFrames")
    # PS3.3 C.7.6.6: one or more. Some writers of single images put 0; the length of the pixels tells more.
    if frames is not None and frames not in (0, 1):
        raise RefusedError("BAC-MULTIFRAME")
    body_part = header.text("BodyPartExamined")
    if is_film and not _shows_breast(body_part, header):
        raise RefusedError("BAC-MODALITY", "the image does not show a breast")
    # PS3.3 C.7.6.1: YES, NO, or BOTH for what shows a patient and a test object.
    if {"YES", "BOTH"} & {header.text("QualityControlImage"), header.text("CalibrationImage")}:
        raise RefusedError("BAC-QC-IMAGE")
    return Kind(is_film, None if is_film else _intent(header, sop_class))


def _shows_breast(body_part: str, header: Header) -> bool:
    """Tell whether a header that names a part of the body names the breast; one that names none does."""
    if body_part:
        return bool(_BREAST.search(body_part))
    return all(
        code is None or code.value in _BREAST_CODES or _BREAST.search(item.text("CodeMeaning"))
        for item in header.items("AnatomicRegionSequence")
        for code in [item.code()]
    )


def _refuse_derived(header: Header, sop_class: str | None) -> None:
    image_type = header.text("ImageType")
    described = " ".join(header.text(keyword) for keyword in _DESCRIPTIONS)
    if _SYNTHETIC_TERM.search(image_type) or _SYNTHETIC_TEXT.search(described):
        raise RefusedError("BAC-SYNTHETIC-2D")
    technique = header.text("VolumeBasedCalculationTechnique")
    if sop_class in _TOMOSYNTHESIS or _TOMOSYNTHESIS_TERM.search(image_type) or technique == "TOMOSYNTHESIS":
        raise RefusedError("BAC-TOMOSYNTHESIS")
    angle = header.number("TomoAngle")
    if _TOMOSYNTHESIS_TEXT.search(header.text("SeriesDescription")) or (angle is not None and angle != 0):
        raise RefusedError("BAC-TOMOSYNTHESIS")
    if technique not in _NO_VOLUME:
        raise RefusedError("BAC-SYNTHETIC-2D")
    agents = [header.text("ContrastBolusAgent"), *map(header.text, _AGENT_TEXTS)]
    volume = header.number("ContrastBolusVolume")
    if (
        _CONTRAST_TERM.search(image_type)
        or any(_CONTRAST_TEXT.search(header.text(name)) for name in ("SeriesDescription", "ProtocolName"))
        or not _NO_AGENT.issuperset(agents)
        or header.items("ContrastBolusAgentSequence")
        or (volume is not None and volume != 0)
    ):
        raise RefusedError("BAC-CONTRAST")


def _intent(header: Header, sop_class: str | None) -> Intent:
    # PS3.3 C.8.11.1: one of the two. Where it is neither, the class decides (A.26.4.2).
    written = header.text("PresentationIntentType")
    is_told = written in ("FOR PROCESSING", "FOR PRESENTATION")
    is_raw = written == "FOR PROCESSING" or (not is_told and sop_class == MAMMOGRAPHY_RAW)
    return "FOR PROCESSING" if is_raw else "FOR PRESENTATION"


def check_layout(header: Header) -> Layout:
    """Read how the pixels are laid out, and refuse layouts that no mammogram has.

    Parameters
    ----------
    header : Header
        Header of the object.

    Returns
    -------
    Layout
        Rows, columns, samples and bits allocated.

    Raises
    ------
    RefusedError
        ``BAC-DIMENSIONS``, ``BAC-COLOUR`` or ``BAC-DICOM-NO-PIXELS``.
    """
    rows, columns = _whole(header, "Rows"), _whole(header, "Columns")
    check_dimensions(rows, columns)
    samples = _whole(header, "SamplesPerPixel", 1)
    photometric = header.text("PhotometricInterpretation")
    # One sample a pixel is grey, whatever colour model is named beside it (PS3.3 C.7.6.3.1.2 wants three for
    # those); a palette's entries may be anything.
    if samples not in (1, 3) or (samples == 1 and photometric in _PALETTES):
        raise RefusedError("BAC-COLOUR")
    allocated = _whole(header, "BitsAllocated")
    stored = _whole(header, "BitsStored", allocated)
    high = _whole(header, "HighBit", stored - 1)
    if allocated not in (8, 16) or not 7 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise RefusedError("BAC-DIMENSIONS", f"{stored} of {allocated} bits a pixel hold a value")
    if header.number("PixelRepresentation") not in (None, 0, 1):
        raise RefusedError("BAC-DIMENSIONS", "the header does not say whether pixel values have a sign")
    if samples == 3 and (allocated, stored) != (8, 8):
        raise RefusedError("BAC-COLOUR")
    if not header.has("PixelData"):
        raise RefusedError("BAC-DICOM-NO-PIXELS")
    return Layout(rows, columns, samples, allocated)


def _whole(header: Header, keyword: str, default: int | None = None) -> int:
    value = header.number(keyword)
    if value is None and default is not None:
        return default
    if value is None or not value.is_integer() or value < 0:
        raise RefusedError("BAC-DIMENSIONS", f"the header has no usable {keyword}")
    return int(value)


def _term(modality: str) -> str:
    """Write a modality into a message only if it looks like one."""
    return modality if re.fullmatch(r"[A-Z]{2,16}", modality) else "not told"
