"""``bacctl analyze``: what is said of exams."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sdk.cli.analyze.conftest import FakeClient, Run, film

from bacctl._origin import Origin
from bacctl.results import ImageResult

VIEWS = ("LCC", "LMLO", "RCC", "RMLO")


class Views(FakeClient):
    """Calls each image what its file is called; all of one study, or of none."""

    def __init__(self, study: str | None) -> None:
        super().__init__()
        self.study = study
        self.patients = dict.fromkeys("LR", b"one")

    def result(self, path: Path) -> ImageResult:
        side = path.stem[0]
        return replace(
            super().result(path),
            laterality=side,  # type: ignore[arg-type]
            view=path.stem[1:],
            study_instance_uid=self.study,
            calcium_mass_mg=5.0,
            calcium_mass_interval_mg=(4.0, 6.0),
            mass_basis="calibrated",
            origin=Origin(patient=self.patients[side]),
        )


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Views:
    fake = Views("1.2.3")
    monkeypatch.setattr("bacctl.cli.connect.connect", lambda server, **_: fake)
    return fake


@pytest.fixture
def women(tmp_path: Path) -> Path:
    for woman in ("w1", "w2"):
        for view in VIEWS:
            (tmp_path / "in").mkdir(exist_ok=True)
            film(tmp_path / "in" / woman, view)
    return tmp_path / "in"


def exams_of(out: str) -> list[dict[str, object]]:
    exams: list[dict[str, object]] = json.loads(out)["exams"]
    return exams


def test_images_without_a_study_are_told_in_one_line_with_what_to_do(
    client: Views, run: Run, women: Path
) -> None:
    client.study = None
    for form in ((), ("--json",), ("--jsonl",), ("--quiet",)):
        code, _, err = run("analyze", women, *form)
        assert code == 0
        (line,) = [line for line in err.splitlines() if "no exam" in line]
        assert line.startswith("8 images name no study")
        assert "--exam-per-folder" in line
    assert exams_of(run("analyze", women, "--json")[1]) == []


def test_folders_are_exams_where_that_is_asked_for(client: Views, run: Run, women: Path) -> None:
    client.study = None
    code, out, err = run("analyze", women, "--json", "--exam-per-folder")
    assert code == 0
    assert "no exam" not in err
    assert [(exam["folder"], exam["calcium_mass_mg"]) for exam in exams_of(out)] == [
        (str(women / "w1"), 10.0),
        (str(women / "w2"), 10.0),
    ]
    table = run("analyze", women, "--exam-per-folder")[1]
    assert f"woman in {women / 'w2'}: 10.0 [8.0, 12.0] mg calcium" in table


def test_folders_as_exams_are_a_setting(client: Views, run: Run, women: Path) -> None:
    Path("bacctl.toml").write_text("[analyze]\nexam-per-folder = true\n")
    assert len(exams_of(run("analyze", women, "--json")[1])) == 2


def test_two_women_under_one_study_are_not_summed_and_it_is_said(
    client: Views, run: Run, women: Path
) -> None:
    client.patients = {"L": b"one", "R": b"two"}
    (exam,) = exams_of(run("analyze", women / "w1", "--json")[1])
    assert exam["calcium_mass_mg"] is None
    assert exam["mass_category"] is None
    assert len(exam["groups"]) == 2  # type: ignore[arg-type]
    out = run("analyze", women / "w1")[1]
    (line,) = [line for line in out.splitlines() if line.startswith("woman: ")]
    assert line.startswith("woman: no sum; BAC-W-EXAM-MIXED: ")
    assert "mg" not in line
