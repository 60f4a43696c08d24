"""What a worker does on its own with a row, by the rules of the loop; `test_ray` has it on a cluster."""

from __future__ import annotations

import pytest
from tests.sdk.archive.run.archives import Archive

from bac_terms.errors import from_catalogue
from bacctl.archive.run.loop import Limits
from bacctl.archive.run.patient import STOPPED, PatientMeasurer
from bacctl.archive.run.plan import MeasuredBy, Settings
from bacctl.client.blocking import Client
from bacctl.testing import FakeServer


def measurer(fake: FakeServer, **limits: float) -> PatientMeasurer:
    by = MeasuredBy.of(fake.client().server_info())
    return PatientMeasurer(lambda: fake.client(max_retries=0), Settings(), by, Limits(**limits))  # type: ignore[arg-type]


def test_a_server_that_comes_back_is_waited_for(archive: Archive, fake: FakeServer) -> None:
    patient = measurer(fake)
    fake.fail_next("BAC-SERVER-UNAVAILABLE", 2)  # the image, and the first look whether it is back
    row = patient.row_of(7, archive.rows[7], 1)
    assert (row["status"], row["calcium_mass_mg"], row["attempts"], row["parked"]) == ("ok", 7.0, 2, False)


@pytest.mark.parametrize(
    ("code", "first", "status", "parked", "sent"),
    [
        ("BAC-SERVER-TIMEOUT", 1, "failed", True, 3),
        ("BAC-SERVER-PERMISSION", 1, STOPPED, False, 1),
        ("BAC-ARCHIVE-PARKED", 4, "failed", True, 0),  # its worker ended three times: it is not sent again
    ],
)
def test_what_gives_no_result_is_parked_or_ends_the_run(
    archive: Archive, fake: FakeServer, code: str, first: int, status: str, parked: bool, sent: int
) -> None:
    patient = measurer(fake)
    fake.fail_next(code, 9)
    row = patient.row_of(0, archive.rows[0], first)
    assert (row["status"], row["code"], row["parked"]) == (status, code, parked)
    assert len(fake.requests) == sent


def test_a_server_that_stays_away_ends_the_run(archive: Archive, fake: FakeServer) -> None:
    patient = measurer(fake, wait_s=0.0)
    fake.fail_next("BAC-SERVER-UNAVAILABLE", 9)
    assert patient.row_of(0, archive.rows[0], 1)["status"] == STOPPED


def test_a_client_that_cannot_be_made_ends_the_run(archive: Archive, fake: FakeServer) -> None:
    def connect() -> Client:
        raise from_catalogue("BAC-SERVER-UNAVAILABLE", "no Triton here")

    by = MeasuredBy.of(fake.client().server_info())
    row = PatientMeasurer(connect, Settings(), by, Limits()).row_of(0, archive.rows[0], 1)
    assert (row["status"], row["code"]) == (STOPPED, "BAC-SERVER-UNAVAILABLE")
    assert row["reason"].startswith("no Triton here")
