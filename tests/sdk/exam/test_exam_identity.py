"""Whether images are of one woman and one visit, by headers of our own making.

What is expected follows from the standard (PS3.3 C.7.1.1, C.7.2.1) and from docs/exam.md.
"""

import pytest
from pydicom.dataset import Dataset

from bac_imaging.read.attributes.header import Header
from bacctl._origin import read_origin
from bacctl.exam.identity import contradiction, different_patients

VIEWS = ("LCC", "LMLO", "RCC", "RMLO")


def origin(**header):
    dataset = Dataset()
    for name, value in header.items():
        setattr(dataset, name, value)
    return read_origin(Header(dataset))


def left_and_right(left, right):
    """Two left images with one header, two right ones with another."""
    return [origin(**header) for header in (left, left, right, right)]


@pytest.mark.parametrize(
    ("left", "right", "about"),
    [
        ({"PatientID": "W1"}, {"PatientID": "W2"}, "patient identifiers"),
        ({"PatientID": "0"}, {"PatientID": "1"}, "patient identifiers"),
        ({"PatientID": "ANON1"}, {"PatientID": "ANON2"}, "patient identifiers"),
        (
            {"PatientID": "7", "IssuerOfPatientID": "NORTH"},
            {"PatientID": "7", "IssuerOfPatientID": "SOUTH"},
            "issuers of the patient identifier",
        ),
        ({"PatientBirthDate": "19500203"}, {"PatientBirthDate": "19510203"}, "dates of birth"),
        ({"PatientSex": "F"}, {"PatientSex": "M"}, "sexes"),
        ({"PatientName": "DOE^JANE"}, {"PatientName": "ROE^JANE"}, "patient names"),
        ({"AcquisitionDate": "20200101"}, {"AcquisitionDate": "20210101"}, "days of acquisition"),
        ({"AcquisitionDate": "20191231"}, {"AcquisitionDate": "20200102"}, "days of acquisition"),
        (
            {"AcquisitionDateTime": "20200101120000"},
            {"AcquisitionDateTime": "20200105120000+0100"},
            "days of acquisition",
        ),
        ({"AcquisitionDate": "2020.01.01"}, {"AcquisitionDate": "20200110"}, "days of acquisition"),
        (
            {"ContentDate": "20200101", "PresentationIntentType": "FOR PROCESSING"},
            {"ContentDate": "20210101", "PresentationIntentType": "FOR PROCESSING"},
            "days of acquisition",
        ),
        ({"StudyDate": "20200101"}, {"StudyDate": "20210101"}, "study dates"),
        # Written as exports of tables and ISO 8601 have them.
        ({"AcquisitionDate": "01.02.2020"}, {"AcquisitionDate": "01.02.2021"}, "days of acquisition"),
        ({"StudyDate": "13/02/2019"}, {"StudyDate": "02/13/2021"}, "study dates"),
        (
            {"AcquisitionDateTime": "2020-01-01T12:00:00"},
            {"AcquisitionDateTime": "20210101120000"},
            "days of acquisition",
        ),
        # Years alone, words for a sex, and ages, which belong to the study.
        ({"PatientBirthDate": "1950"}, {"PatientBirthDate": "19610203"}, "dates of birth"),
        ({"PatientBirthDate": "195001"}, {"PatientBirthDate": "196101"}, "dates of birth"),
        ({"PatientSex": "FEMALE"}, {"PatientSex": "M"}, "sexes"),
        ({"PatientAge": "045Y"}, {"PatientAge": "060Y"}, "ages"),
        # An identifier for everybody, and names that have nothing in common.
        (
            {"PatientID": "0", "PatientName": "DOE^JANE"},
            {"PatientID": "0", "PatientName": "ROE^ANN"},
            "patient names",
        ),
        (
            {"PatientID": "12345", "PatientName": "DOE^JANE"},
            {"PatientID": "12345", "PatientName": "ROE^ANN"},
            "patient names",
        ),
        # One patient's identifier does not make two visits one.
        (
            {"PatientID": "W1", "AcquisitionDate": "20200101"},
            {"PatientID": "W1", "AcquisitionDate": "20200105"},
            "days of acquisition",
        ),
    ],
)
def test_what_contradicts(left, right, about):
    found = contradiction(left_and_right(left, right), VIEWS)
    assert found.about == (about,)
    assert found.groups == ((0, 1), (2, 3))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({}, {}),
        ({"PatientID": "W1"}, {"PatientID": "w1 "}),
        # What is missing or says nothing is unknown.
        ({"PatientID": "W1"}, {"PatientID": ""}),
        ({"PatientID": "W1"}, {"PatientID": "ANONYMOUS"}),
        ({"PatientID": "ANON"}, {"PatientID": "ANON"}),
        ({"PatientID": "7", "IssuerOfPatientID": "NORTH"}, {"PatientID": "7"}),
        ({"IssuerOfPatientID": "NORTH"}, {"IssuerOfPatientID": "SOUTH"}),
        ({"PatientBirthDate": "19500203"}, {"PatientBirthDate": "1950"}),
        ({"PatientBirthDate": "19500203"}, {"PatientBirthDate": "19501399"}),
        ({"PatientSex": "F"}, {"PatientSex": "U"}),
        # The identifier tells; a name can be spelled in two ways, in two alphabets, with and without a title.
        ({"PatientID": "7", "PatientName": "DOE^JANE"}, {"PatientID": "7", "PatientName": "DOE-ROE^JANE"}),
        ({"PatientName": "DOE^JANE"}, {"PatientName": "Doe^Jane^Ann^Dr=\u5c71\u7530^\u83ef"}),
        ({"PatientName": "DOE^JANE"}, {"PatientName": "ANONYMIZED"}),
        ({"PatientID": "7", "PatientName": "DOE^JANE"}, {"PatientID": "7", "PatientName": "JANE DOE"}),
        ({"PatientID": "7", "PatientName": "DOE^JANE"}, {"PatientID": "7", "PatientName": "ROE^JANE"}),
        (
            {"PatientID": "7", "PatientName": "Yamada^Hana"},
            {"PatientID": "7", "PatientName": "\u5c71\u7530^\u83ef"},
        ),
        ({"PatientBirthDate": "19500203"}, {"PatientBirthDate": "195002"}),
        ({"PatientSex": "F"}, {"PatientSex": "FEMALE"}),
        # A birthday within the visit; and ages that are none.
        ({"PatientAge": "049Y"}, {"PatientAge": "050Y"}),
        ({"PatientAge": "050Y"}, {"PatientAge": "600M"}),
        ({"PatientAge": "050Y"}, {"PatientAge": "old"}),
        ({"AcquisitionDate": "01.02.2020"}, {"AcquisitionDate": "20200201"}),
        # Over midnight, by date and by time; and where one day is not told.
        ({"AcquisitionDate": "20191231"}, {"AcquisitionDate": "20200101"}),
        ({"AcquisitionDateTime": "20191231235900"}, {"AcquisitionDate": "20200101"}),
        ({"AcquisitionDate": "20191231"}, {}),
        # What is made of an exposure may be made again years later.
        (
            {"ContentDate": "20200101", "PresentationIntentType": "FOR PRESENTATION"},
            {"ContentDate": "20230101", "PresentationIntentType": "FOR PRESENTATION"},
        ),
        # The exposures tell where all do.
        (
            {"AcquisitionDate": "20200101", "StudyDate": "20200101"},
            {"AcquisitionDate": "20200101", "StudyDate": "20191201"},
        ),
    ],
)
def test_what_does_not_contradict(left, right):
    assert contradiction(left_and_right(left, right), VIEWS) is None


def test_nothing_contradicts_nothing():
    assert contradiction([], []) is None
    assert contradiction([None], [None]) is None
    assert different_patients([]) == ()


def test_all_that_differs_is_named_and_makes_the_groups():
    said = [("A", "F", "20200101"), ("A", "M", "20200101"), ("B", "F", "20200101"), ("A", "F", "20200103")]
    found = contradiction([origin(PatientID=p, PatientSex=s, AcquisitionDate=d) for p, s, d in said])
    assert found.about == ("patient identifiers", "sexes", "days of acquisition")
    assert found.groups == ((0,), (1,), (2,), (3,))


def test_image_that_does_not_say_is_a_group_of_its_own():
    found = contradiction(
        [origin(PatientID="A"), None, origin(PatientID="B"), origin(), origin(PatientID="A")]
    )
    assert found.groups == ((0, 4), (1, 3), (2,))


def test_days_make_visits():
    days = ("20200102", "20200101", "20200103", "20200201", "20200131", "")
    found = contradiction([origin(AcquisitionDate=day) for day in days])
    assert found.groups == ((0, 1), (2,), (3, 4), (5,))


def exam_and_later(days_later, views, **header):
    """Four views on the first of January, and some more some days later."""
    later = f"202001{1 + days_later:02}" if days_later < 31 else "20200202"
    origins = [origin(AcquisitionDate="20200101", **header) for _ in VIEWS]
    return [*origins, *(origin(AcquisitionDate=later, **header) for _ in views)], [*VIEWS, *views]


def test_repeat_of_a_view_some_days_later_is_a_technical_recall():
    assert contradiction(*exam_and_later(10, ["LCC"], PatientID="W1")) is None
    assert contradiction(*exam_and_later(10, ["LCC", "RMLO", None], PatientID="W1")) is None


@pytest.mark.parametrize(
    ("days_later", "views", "header"),
    [
        (32, ["LCC"], {"PatientID": "W1"}),
        # Four views are an exam, and not a repeat.
        (10, VIEWS, {"PatientID": "W1"}),
        # Nobody says that it is the same woman.
        (10, ["LCC"], {}),
        (10, ["LCC"], {"PatientID": "ANON"}),
    ],
)
def test_what_is_no_technical_recall(days_later, views, header):
    assert contradiction(*exam_and_later(days_later, list(views), **header)).about == ("days of acquisition",)


def test_view_that_was_not_taken_before_is_no_repeat():
    origins, views = exam_and_later(5, ["RMLO"], PatientID="W1")
    assert contradiction([*origins[:3], origins[4]], [*views[:3], views[4]]) is not None


def test_two_exams_years_apart_are_of_one_patient_unless_more_than_days_and_names_differ():
    before = {"PatientID": "7", "PatientName": "DOE^JANE", "AcquisitionDate": "20180101"}
    after = {**before, "PatientName": "ROE^JANE", "AcquisitionDate": "20200101"}
    assert different_patients([origin(**before), origin(**after)]) == ()
    assert different_patients([origin(**before), origin(**after, PatientSex="F"), origin(PatientSex="M")])
    assert different_patients([origin(PatientBirthDate="19500101"), origin(PatientBirthDate="19500102")])
