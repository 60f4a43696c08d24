"""What stands in place of UIDs in files from the field."""

import pytest
from pydicom.dataset import Dataset

from bac_imaging.read.attributes.header import Header
from bac_imaging.read.reader import read_mammogram
from bac_terms.identifiers import is_uid, names_nobody, names_nothing

HEX = "8269f5971eaca3e5d3772d1796e6bd7a"


@pytest.mark.parametrize("text", ["1.2.840.10008.1.2", "2.25.3", "1.02.3", "1." + "2" * 62])
def test_uids(text):
    assert is_uid(text)


@pytest.mark.parametrize("text", ["", "0", "7", HEX, "1..2", ".1.2", "1.2.", "1.2a", "1." + "2" * 63])
def test_no_uids(text):
    assert not is_uid(text)


@pytest.mark.parametrize(
    "text", ["", " ", "ANON", "Anonymous", "anonymized", "DE-IDENTIFIED", "N/A", "XXX", "---"]
)
def test_words_that_name_nobody(text):
    assert names_nobody(text)


@pytest.mark.parametrize("text", ["0", "1", "W1", "ANON1", "ANNA", "NANCY"])
def test_what_may_name_somebody(text):
    assert not names_nobody(text)


def test_zeros_identify_no_study():
    assert names_nothing("0")
    assert names_nothing("0.0")
    assert not names_nothing("1")


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("1.2.3", "1.2.3"),
        (HEX, HEX),
        ("123E4567-e89b-12d3-a456-426614174000", "123E4567-e89b-12d3-a456-426614174000"),
        ("17", "17"),
        ("0", None),
        ("", None),
        # These may be names.
        ("DOE^JANE", None),
        ("JANE", None),
        ("DEE", None),
        ("STUDY 7", None),
        ("1" * 65, None),
        # And these days.
        ("19500302", None),
        ("1950-03-02", None),
        ("02.03.1950", None),
        ("19500302.1", "19500302.1"),
    ],
)
def test_identifiers_that_are_shown(written, given):
    dataset = Dataset()
    dataset.add_new("StudyInstanceUID", "LO", written)
    assert Header(dataset).identifier("StudyInstanceUID") == given


@pytest.mark.parametrize(
    ("study", "image", "given", "codes"),
    [
        ("1.2.3", "1.2.4", ("1.2.3", "1.2.4"), set()),
        (HEX, "1.2.4", (HEX, "1.2.4"), {"BAC-W-UID-INVALID"}),
        ("1.2.3", HEX, ("1.2.3", HEX), {"BAC-W-UID-INVALID"}),
        ("DOE^JANE", "1.2.4", (None, "1.2.4"), {"BAC-W-UID-INVALID"}),
        ("0", "1.2.4", (None, "1.2.4"), {"BAC-W-STUDY-UNKNOWN"}),
        ("", None, (None, None), {"BAC-W-STUDY-UNKNOWN"}),
        (None, "1.2.4", (None, "1.2.4"), {"BAC-W-STUDY-UNKNOWN"}),
    ],
)
def test_identifiers_of_an_image(dataset, to_bytes, study, image, given, codes):
    read = read_mammogram(to_bytes(dataset(StudyInstanceUID=study, SOPInstanceUID=image)))
    assert (read.study_instance_uid, read.sop_instance_uid) == given
    said = {notice.code: notice.text for notice in read.warnings}
    assert {code for code in said if code in ("BAC-W-UID-INVALID", "BAC-W-STUDY-UNKNOWN")} == codes
    assert "DOE" not in str(said)
