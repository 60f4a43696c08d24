"""Headers read fast say what pydicom and the product's rules make of them; nothing but speed differs."""

from __future__ import annotations

import ast
import io
import random
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.sequence import Sequence
from pydicom.uid import (
    BreastTomosynthesisImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

import bac_imaging.read.attributes
from bac_imaging.read import dicom_header
from bac_imaging.read.attributes.header import Header
from bac_imaging.read.dataset import parse_header
from bac_terms.errors import RefusedError
from bacctl.archive.scanning import said
from bacctl.archive.scanning.elements import CutError, UnusualError, read_elements

from .images import coded, mammogram, undefined_lengths

pytestmark = pytest.mark.filterwarnings("ignore")  # pydicom's, of odd values

VARIANTS: dict[str, dict[str, Any]] = {
    "as usual": {},
    "tomosynthesis": {"SOPClassUID": BreastTomosynthesisImageStorage, "NumberOfFrames": "3"},
    "frames": {"NumberOfFrames": "2"},
    "no frames": {"NumberOfFrames": "0"},
    "modality": {"Modality": "CT"},
    "magnified by the paddle": {"PaddleDescription": "MAG PADDLE"},
    "magnified by distances": {"DistanceSourceToPatient": "350"},
    "magnified by the entrance": {"DistanceSourceToEntrance": "300", "BodyPartThickness": "50"},
    "spot by its code": {"ViewModifierCodeSequence": Sequence([coded("399161006", "Spot Compression")])},
    "both breasts": {"ImageLaterality": "B"},
    "no side": {"ImageLaterality": None},
    "biopsy": {"SeriesDescription": "Stereo Scout"},
    "contrast": {"ContrastBolusAgentSequence": Sequence([coded("1", "agent")])},
    "colour": {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
    "size": {"Rows": 40000},
    "spacing": {"ImagerPixelSpacing": None},
    "two spacings": {"PixelSpacing": [0.7, 0.7]},
    "odd spacing": {"ImagerPixelSpacing": ["0.2", "nan"]},
    "view modifiers": {"ViewCodeSequence": Sequence([coded("399162004", "cc"), coded("399161006", "spot")])},
    "Latin text": {
        "SpecificCharacterSet": "ISO_IR 100",
        "SeriesDescription": "Vergrößerung",
        "PatientName": "Ä^B",
    },
    "UTF-8": {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "山田^花子", "ViewPosition": "CC"},
    "Japanese": {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"},
    "alphabets": {"PatientName": "Yamada^Tarou=Y^T"},
    "blanks": {"Modality": "MG ", "PatientID": " 0815 ", "ViewPosition": " MLO"},
    "empty": {"ViewPosition": "", "PatientID": "", "PatientAge": "", "KVP": ""},
    "nobody": {"PatientID": "ANONYMOUS", "PatientName": "ANON", "StudyInstanceUID": "0.0"},
    "study by name": {"StudyInstanceUID": "1960.01.01", "SOPInstanceUID": "0a1b2c"},
    "moment": {"AcquisitionDateTime": "20240316070809.1+0100", "AcquisitionDate": None},
    "age from dates": {"PatientAge": None},
    "unit": {"Manufacturer": "", "SoftwareVersions": None, "DetectorID": "", "DeviceSerialNumber": "UNKNOWN"},
    "film": {"Modality": "CR", "PresentationIntentType": None, "BodyPartExamined": "BREAST"},
    "long text": {"ImageComments": "x" * 3000},
}


def parsed(data: bytes) -> Header:
    """Read a header as the product does."""
    head = parse_header(data)
    head.dataset.add_new("PixelData", "OB", b"")
    return Header(head.dataset)


def comparable(found: said.Said) -> tuple[object, ...]:
    origin = found.person.origin
    told = (
        "patient",
        "issuer",
        "name",
        "name_parts",
        "birth",
        "birth_year",
        "sex",
        "age",
        "study",
        "day",
        "study_day",
    )
    return (
        found.names,
        found.verdict,
        found.unit,
        found.person[1:],
        *(getattr(origin, name) for name in (*told, "study_day")),
    )


@pytest.mark.parametrize("name", VARIANTS)
def test_fast_and_parsed_are_the_same(name: str) -> None:
    fast, slow = said.Interpreter(None), said.Interpreter(None)
    for data in (
        mammogram(**VARIANTS[name]),
        undefined_lengths(mammogram(**VARIANTS[name])),
        mammogram(ImplicitVRLittleEndian, **VARIANTS[name]),
        undefined_lengths(mammogram(ImplicitVRLittleEndian, **VARIANTS[name])),
    ):
        elements = read_elements(data, said.WANTED)
        head = parse_header(data)
        assert elements.end == head.end
        assert elements.pixels is not None
        assert comparable(fast.read(elements)) == comparable(slow.parsed(parsed(data)))


@pytest.mark.slow
def test_what_is_kept_is_kept_by_all_that_it_rests_on() -> None:
    """One reader for thousands of different headers gives what a new one would give for each."""
    chance = random.Random(4711)
    fast = said.Interpreter(None)
    choices = [variant for variant in VARIANTS.values() if variant]
    for _ in range(30):
        header: dict[str, Any] = {}
        for variant in chance.sample(choices, 3):
            header |= {key: value for key, value in variant.items() if value is not None}
        data = mammogram(**header)
        found = fast.read(read_elements(data, said.WANTED))
        assert comparable(found) == comparable(said.Interpreter(None).parsed(parsed(data)))
        try:
            dicom_header.judge(parsed(data), None)
            code = None
        except RefusedError as error:
            code = error.code
        assert found.verdict.code == code


@pytest.mark.slow
def test_all_that_the_rules_look_at_is_looked_at() -> None:
    """A rule that looks at another element than those listed would be wrong without a word."""
    folder = Path(bac_imaging.read.attributes.__file__).parent
    named = {
        node.value
        for path in (*folder.glob("*.py"), Path(dicom_header.__file__))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value
    }
    keywords = {name for name in named if tag_for_keyword(name) is not None}
    of_items = {"AnatomicRegionModifierSequence", "CodeMeaning", "CodeValue", "CodingSchemeDesignator"}
    of_items |= {"LongCodeValue", "URNCodeValue"}
    elsewhere = {"DetectorID", "LUTData", "PixelData", "SoftwareVersions"}
    assert keywords - of_items - elsewhere <= {*said.JUDGED, *said.NOT_JUDGED}

    asked: set[str] = set()

    class Asked(Header):
        def _value(self, keyword: str) -> Any:
            asked.add(keyword)
            return super()._value(keyword)

        def has(self, keyword: str) -> bool:
            asked.add(keyword)
            return super().has(keyword)

    for variant in VARIANTS.values():
        dataset = pydicom.dcmread(io.BytesIO(mammogram(**variant)))
        try:
            dicom_header.judge(Asked(dataset), None)
        except RefusedError:
            continue
    assert asked - {"PixelData"} <= {*said.JUDGED, *said.NOT_JUDGED}


@pytest.mark.slow
def test_what_is_not_judged_refuses_nothing() -> None:
    """Any value of what is left out gives the same code, or the same view."""
    chance = random.Random(1)
    values = (
        "",
        "1",
        "0",
        "-5",
        "NONE",
        "TUNGSTEN",
        "PHILIPS L30",
        "SLOT",
        "99999",
        "MAG",
        "SPOT",
        "1.2.3.4.5.6",
    )
    for name in ("as usual", "magnified by distances", "spot by its code", "spacing", "both breasts"):
        plain = said.Interpreter(None).verdict(parsed(mammogram(**VARIANTS[name])))
        for _ in range(5):
            told = {key: chance.choice(values) for key in said.NOT_JUDGED}
            dataset = parsed(mammogram(**VARIANTS[name]))._dataset
            for key, value in told.items():
                dataset.add_new(key, "LO", value)
            assert said.Interpreter(None).verdict(Header(dataset)) == plain


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_unusual_files_are_left_to_pydicom(syntax: str) -> None:
    with pytest.raises(UnusualError):
        read_elements(mammogram(syntax), said.WANTED)
    with pytest.raises(UnusualError):
        read_elements(mammogram()[132:], said.WANTED)


def test_a_header_that_is_cut_anywhere() -> None:
    """However many bytes there are: all is found, or that more are needed, or pydicom has to look."""
    whole = undefined_lengths(mammogram())
    end = read_elements(whole, said.WANTED).end
    for length in range(0, end + 12, 3):
        with pytest.raises((CutError, UnusualError)):
            read_elements(whole[:length], said.WANTED)
    assert read_elements(whole[: end + 12], said.WANTED).end == end


def test_damaged_headers_end() -> None:
    """Bytes changed at random give one of the two errors, or what pydicom finds too."""
    chance = random.Random(7)
    whole = undefined_lengths(mammogram(**VARIANTS["spot by its code"]))
    end = read_elements(whole, said.WANTED).end
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 4))):
            data[chance.randrange(132, end)] = chance.randrange(256)
        try:
            found = read_elements(bytes(data), said.WANTED)
        except (CutError, UnusualError):
            continue
        try:
            head = parse_header(bytes(data))
        except Exception:  # pydicom raises whatever its parser stumbles over
            continue
        assert {tag for tag in found.values if tag in head.dataset} == set(found.values)
        assert found.end == head.end


def test_a_header_without_end_is_left_alone() -> None:
    one = b"\x09\0\x10\0LO\0\0"
    with pytest.raises(UnusualError):
        read_elements(bytes(128) + b"DICM" + _meta() + one * 50_000, said.WANTED)
    nested = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 20
    with pytest.raises(UnusualError):
        read_elements(bytes(128) + b"DICM" + _meta() + nested, said.WANTED)


def _meta() -> bytes:
    value = b"1.2.840.10008.1.2.1\0"
    return b"\x02\0\x10\0UI" + len(value).to_bytes(2, "little") + value
