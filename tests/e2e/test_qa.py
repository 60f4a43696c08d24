"""Phantoms of the quality assurance set on the real server, at its address."""

from __future__ import annotations

from pathlib import Path

from bac_phantom.qa import qa_specs
from bacctl import Client
from bacctl.qa.run import identify, measure
from bacctl.server.embedded import EmbeddedServer


def test_known_masses_come_back_from_the_server(
    client: Client, server: EmbeddedServer, tmp_path: Path
) -> None:
    # A scintillator and a selenium beam, and arteries without calcium.
    chosen = [qa_specs()[number - 1] for number in (8, 19, 23)]
    rows = measure(client, tmp_path, chosen)
    assert [row.result.status for row in rows] == ["ok"] * 3
    *weighed, blank = rows
    assert {row.spec.beam.detector for row in weighed} == {"a-Se", "CsI"}
    for row in weighed:
        low, high = row.result.calcium_mass_interval_mg or (0.0, 0.0)
        assert low < row.spec.calcium_mass_mg < high
    assert (blank.measured_mg or 0.0) < 1.0
    assert identify(client, server.url).remark is None
