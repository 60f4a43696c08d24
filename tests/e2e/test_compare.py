"""Two exams through the real server, and what of their headers does not come out."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bacctl import Client, RefusedError, compare_exams


def test_exams_are_compared_by_what_headers_say_and_nobody_is_named(
    client: Client, mammogram: Callable[..., bytes]
) -> None:
    def view(side: str, study: int, patient: str = "DOE^1") -> bytes:
        return mammogram(
            ImageLaterality=side,
            StudyInstanceUID=f"1.2.826.0.1.{study}",
            PatientID=patient,
            AcquisitionDate=f"{2010 + study}0203",
            AcquisitionTime="040506",
        )

    later, earlier = (client.analyze_exam([view("L", study), view("R", study)]) for study in (2, 1))
    change = client.compare([view("L", 1)], [view("L", 2)])
    assert change.breasts["L"].calcium_mass_mg.difference == 0.0
    assert change.breasts["L"].calcium_mass_mg.verdict == "within_limit"
    assert change.breasts["L"].calcium_mass_mg.limit > 0.0
    assert change.calcium_mass_mg.reason == "no_common_view"
    assert change.notices == ()

    turned = compare_exams(later, earlier)
    assert [notice.code for notice in turned.notices] == ["BAC-W-COMPARE-ORDER"]
    written = json.dumps([turned.to_dict(), later.to_dict(), *(image.to_dict() for image in later.images)])
    assert "DOE" not in written
    assert "20120203" not in written + repr(later)
    assert len(turned.current.software["model"] or "") == 64
    with pytest.raises(RefusedError, match="BAC-COMPARE-PATIENT"):
        client.compare([view("L", 1)], [view("L", 3, "DOE^2")])
