"""Exams of real headers through the real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bacctl import Client, RefusedError

Mammogram = Callable[..., bytes]


def test_study_that_is_no_uid(client: Client, mammogram: Mammogram) -> None:
    study, other = "8269f5971eaca3e5d3772d1796e6bd7a", "d931832a0815df082c085b6e09d20aac"
    left, right = (mammogram(ImageLaterality=side, StudyInstanceUID=study) for side in "LR")
    exam = client.analyze_exam([left, right])
    assert exam.study_instance_uid == study
    assert exam.calcium_mass_mg == sum(image.calcium_mass_mg or 0.0 for image in exam.images)
    assert {notice.code for notice in exam.images[0].warnings} >= {"BAC-W-UID-INVALID"}
    with pytest.raises(RefusedError, match="2 studies"):
        client.analyze_exam([left, mammogram(ImageLaterality="R", StudyInstanceUID=other)])


def test_raw_and_processed_image_of_one_uid_in_both_orders(client: Client, mammogram: Mammogram) -> None:
    uid = "1.2.826.0.1.99"
    raw = mammogram(SOPInstanceUID=uid)
    processed = mammogram(
        SOPInstanceUID=uid,
        SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2",
        PresentationIntentType="FOR PRESENTATION",
        PhotometricInterpretation="MONOCHROME1",
    )
    alone = client.analyze(raw)
    for images in ([raw, processed], [processed, raw]):
        exam = client.analyze_exam(images)
        assert exam.breasts["L"].mass_basis == "calibrated"
        assert exam.breasts["L"].calcium_mass_mg == alone.calcium_mass_mg
        assert [alarm.code for alarm in exam.alarms] == ["BAC-W-UID-REPEATED"]


def test_two_women_under_one_study(client: Client, mammogram: Mammogram) -> None:
    left, right = (
        mammogram(ImageLaterality=side, PatientID=patient, PatientBirthDate="19600102")
        for side, patient in (("L", "DOE^1"), ("R", "DOE^2"))
    )
    exam = client.analyze_exam([left, right])
    assert exam.calcium_mass_mg is None
    assert [alarm.code for alarm in exam.alarms] == ["BAC-W-EXAM-MIXED"]
    assert len(exam.groups) == 2
    assert "DOE" not in str(exam.to_dict())
