"""Quality assurance without a server: the set of phantoms, what is judged, the trend and the command."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from bac_phantom import qa as phantom_set
from bac_phantom.qa import QaSpec, make_qa_phantom, qa_specs
from bac_terms.errors import BacctlError, ServerUnavailableError, from_catalogue
from bacctl.cli.app import app
from bacctl.cli.options import ServerOptions
from bacctl.qa import judge as qa_judge
from bacctl.qa import run as qa
from bacctl.qa import trend as qa_trend
from bacctl.qa.report import Report, as_markdown, change_text, failure_text
from bacctl.results import ImageResult, Notice

SPECS = qa_specs()
MODEL = "a" * 64


def result(mass: float | None, *, detected: bool | None = None, **changes: Any) -> ImageResult:
    """A measurement with an interval of 20 % and at least 1 mg to both sides."""
    half = None if mass is None else max(0.2 * mass, 1.0)
    values: dict[str, Any] = {
        "status": "ok",
        "mass_basis": "none" if mass is None else "calibrated",
        "calcium_mass_mg": mass,
        "calcium_mass_interval_mg": None
        if mass is None or half is None
        else (max(0.0, mass - half), mass + half),
        "bac_detected": bool(mass) if detected is None else detected,
        "bac_probability": 0.9,
    }
    return ImageResult(**{**values, **changes})


def measured(scale: float = 1.0, offset: float = 0.0) -> list[qa.Row]:
    """The whole set, every mass off in the same way."""
    return [
        qa.Row(spec, result(spec.calcium_mass_mg * scale + (offset if spec.calcium_mass_mg else 0.0)))
        for spec in SPECS
    ]


def failed(rows: list[qa.Row]) -> set[str]:
    return {verdict.tolerance.name for verdict in qa_judge.judge(rows) if not verdict.passed}


def swapped(rows: list[qa.Row], number: int, **changes: Any) -> list[qa.Row]:
    return [replace(r, result=replace(r.result, **changes)) if r.spec.number == number else r for r in rows]


def test_the_set_covers_beams_thicknesses_and_masses() -> None:
    positive = [spec for spec in SPECS if spec.calcium_mass_mg > 0]
    beams = {(spec.beam.anode, spec.beam.filter_material) for spec in positive}
    assert len(beams) == 7  # all of the calibration table
    assert {(spec.beam.anode, spec.beam.filter_material, spec.thickness_mm) for spec in positive} == {
        (*beam, thickness) for beam in beams for thickness in (30.0, 50.0, 70.0)
    }
    for thickness in (30.0, 50.0, 70.0):
        assert sorted(s.calcium_mass_mg for s in positive if s.thickness_mm == thickness) == [
            2.0, 4.0, 8.0, 12.0, 20.0, 40.0, 80.0,
        ]  # fmt: skip
        assert sum(s.thickness_mm == thickness for s in SPECS if not s.calcium_mass_mg) == 1
    for beam in beams:
        masses = [s.calcium_mass_mg for s in positive if (s.beam.anode, s.beam.filter_material) == beam]
        assert min(masses) <= 12.0 < 20.0 <= max(masses)
        assert len(set(masses)) == 3
    assert len({spec.name for spec in SPECS}) == len(SPECS) == 24


def test_a_phantom_holds_its_mass() -> None:
    """Log ratio of the same exposure with and without calcium, over a coefficient computed elsewhere."""
    spec = next(s for s in SPECS if s.beam.key == "W/Rh/50/28" and s.calcium_mass_mg)
    assert spec.thickness_mm == 50.0

    def counts(mass: float) -> np.ndarray:
        made = pydicom.dcmread(io.BytesIO(make_qa_phantom(replace(spec, calcium_mass_mg=mass))))
        assert (made.KVP, made.BodyPartThickness, made.AnodeTargetMaterial) == (28, 50, "TUNGSTEN")
        assert made.PresentationIntentType == "FOR PROCESSING"
        return made.pixel_array.astype(float)

    without, with_calcium = counts(0.0), counts(spec.calcium_mass_mg)
    # Of the counts a tenth is scatter (0.04 + 0.0016 x 50 over primary), which calcium does not stop.
    scatter = without * (0.12 / 1.12)
    ratio = np.log((without - scatter) / np.maximum(with_calcium - scatter, 1.0))[without < 2000]
    # Exposures are set for the mean behind the breast, which the calcium lowers a little.
    signal = (ratio - np.median(ratio)).sum()
    magnification = 660.0 / (660.0 - 20.0 - 25.0)
    # 14.3 cm2/g: SpekPy and xraydb, 5 cm, selenium; 1 g/cm2 is 10 mg/mm2.
    mass = signal / 14.3 * 10.0 * (0.085 / magnification) ** 2
    assert mass == pytest.approx(spec.calcium_mass_mg, rel=0.06)


def test_the_same_phantom_is_made_twice() -> None:
    first = make_qa_phantom(SPECS[0])
    # A breast is kept for the next phantom; made anew it must be the same one.
    phantom_set._breast.cache_clear()
    assert make_qa_phantom(SPECS[0]) == first
    assert make_qa_phantom(SPECS[0]) == first


def test_a_perfect_measurement_passes() -> None:
    assert failed(measured()) == set()


def test_figures_by_hand() -> None:
    # Differences of 10 % of 2, 4, 8, 12 and 20 mg, each three times: mean 0.92, SD of the 15 values 0.6614.
    values = qa_judge.figures(measured(scale=1.1))
    assert values["bias_mg"] == pytest.approx(0.92)
    deviations = [0.1 * m - 0.92 for m in (2, 4, 8, 12, 20)]
    assert values["sd_mg"] == pytest.approx(math.sqrt(3 * sum(d * d for d in deviations) / 14))
    assert values["ratio"] == pytest.approx(1.1)
    assert values["slope"] == pytest.approx(1.1)
    assert values["r"] == pytest.approx(1.0)
    assert values["within"] == 1.0
    assert values["measured"] == values["detected"] == 1.0


@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_a_coefficient_that_is_a_tenth_off_fails(scale: float) -> None:
    assert {"bias_mg", "ratio", "slope"} <= failed(measured(scale=scale))


def test_one_wrong_beam_fails() -> None:
    rows = [
        qa.Row(spec, result(spec.calcium_mass_mg * (1.25 if spec.beam.filter_material == "Al" else 1.0)))
        for spec in SPECS
    ]
    assert "worst_beam" in failed(rows)


def test_what_is_missed_or_made_up_fails() -> None:
    first = next(s.number for s in SPECS if s.calcium_mass_mg == 2.0)
    assert "detected" in failed(swapped(measured(), first, bac_detected=False))
    blank = next(s.number for s in SPECS if s.calcium_mass_mg == 0.0)
    # However little it is, and with or without a mass.
    assert failed(swapped(measured(), blank, calcium_mass_mg=0.5, bac_detected=True)) == {"false"}
    assert failed(swapped(measured(), blank, bac_detected=True)) == {"false"}


def test_a_phantom_without_calibrated_mass_fails() -> None:
    assert failed(swapped(measured(), 3, mass_basis="estimated")) == {"measured"}
    none = [qa.Row(spec, result(None, detected=True)) for spec in SPECS]
    assert {"measured", "bias_mg", "sd_mg", "ratio", "worst_beam", "slope", "r", "within"} <= failed(none)


def test_why_there_is_no_mass() -> None:
    notice = Notice("BAC-W-MASS-NONE-BEAM", "no beam")
    assert qa.Row(SPECS[0], result(None, warnings=(notice,))).remark == "BAC-W-MASS-NONE-BEAM"
    refused = ImageResult("refused", "BAC-BREAST-NOT-FOUND", "no breast")
    assert qa.Row(SPECS[0], refused).remark == "BAC-BREAST-NOT-FOUND"


def report(rows: list[qa.Row], **changes: Any) -> Report:
    subject = qa.Subject("embedded", MODEL, MODEL, "2.51.0", "c" * 64)
    date = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    made = Report(date, replace(subject, **changes), "1-" + "b" * 64, rows, qa_judge.judge(rows))
    json.dumps(made.to_dict(), allow_nan=False)
    return made


def test_report_says_what_it_is_of_and_research_use_only() -> None:
    made = report(measured())
    assert made.passed
    assert made.stem == "qa-20260102T030405Z"
    document = made.to_dict()
    assert document["intended_use"] == "research use only"
    assert document["software"]["model"] == MODEL
    assert len(document["phantoms"]) == 24
    text = as_markdown(made, [made.trend_row()])
    assert "Research use only" in text
    assert MODEL in text
    assert "Quality assurance: passed" in text


def test_a_failed_report_is_told_in_one_line() -> None:
    made = report(measured(scale=1.2))
    assert not made.passed
    assert "FAILED" in as_markdown(made, [made.trend_row()])
    line = failure_text(made)
    assert "mean ratio" in line
    assert "0.95 to 1.05" in line
    assert "\n" not in line


def test_other_weights_than_those_installed_are_told() -> None:
    made = report(measured(), model="d" * 64, server="host:8001", calibration=None)
    assert made.subject.remark is not None
    assert "dddddddddddd" in made.subject.remark
    text = as_markdown(made, [made.trend_row()])
    assert made.subject.remark in text
    assert "not told by the server" in text
    assert report(measured(), installed_model=None).subject.remark is None


def test_what_changed_since_the_last_run_on_the_same_server() -> None:
    before = report(measured()).trend_row()
    elsewhere = report(measured(scale=1.2), server="host:8001", calibration=None).trend_row()
    # By hand: 10 % of 2, 4, 8, 12 and 20 mg are 0.92 mg on average.
    now = report(measured(scale=1.1), model="d" * 64).trend_row()
    text = change_text([before, elsewhere], now)
    assert text is not None
    assert text.startswith("since 2026-01-02T03:04:05Z: model changed; mean difference 0.000 to 0.920 mg")
    assert change_text([elsewhere], now) is None
    newer = report(measured(), triton="2.52.0").trend_row()
    assert "Z: triton changed; " in (change_text([before], newer) or "")


def test_report_shows_the_trend_of_its_own_server_alone() -> None:
    here = report(measured())
    elsewhere = report(measured(scale=1.1), server="host:8001", calibration=None)
    lines = [elsewhere.trend_row()] * 10 + [here.trend_row()]
    shown = as_markdown(here, [here.trend_row(), *lines]).split("## Trend")[1]
    # By hand, as above: 10 % are 0.920 mg on average.
    assert (shown.count("| 2026-"), shown.count("| 0.920 |")) == (2, 0)
    assert as_markdown(elsewhere, lines).split("## Trend")[1].count("| 0.920 |") == 10


@pytest.mark.parametrize(
    "rows",
    [
        measured(),
        measured(scale=1.2),
        [qa.Row(spec, ImageResult("refused", "BAC-MODALITY", "no")) for spec in SPECS],
    ],
    ids=["passed", "failed", "refused"],
)
def test_document_follows_the_schema(rows: list[qa.Row]) -> None:
    schema = json.loads(files("bacctl").joinpath("schema/qa-1.json").read_text())
    for made in (report(rows), report(rows, server="host:8001", installed_model=None, calibration=None)):
        jsonschema.validate(
            json.loads(json.dumps(made.to_dict())), schema, cls=jsonschema.Draft202012Validator
        )


def test_trend_goes_on_after_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "trend.csv"
    row = report(measured()).trend_row()
    assert qa_trend.read_trend(path) == qa_trend.Trend((), ())
    qa_trend.append_trend(path, row)
    path.write_bytes(path.read_bytes() + b"2026-01-03T00:00:00Z,0.1.0,embe")
    assert qa_trend.read_trend(path) == qa_trend.Trend((row,), (3,))
    qa_trend.append_trend(path, row)
    assert qa_trend.read_trend(path) == qa_trend.Trend((row, row), (3,))
    assert b"embe\n2026-01-02T03:04:05Z" in path.read_bytes()


def test_trend_leaves_out_cells_that_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "trend.csv"
    row = report(measured()).trend_row()
    few = {**row, "bias_mg": "", "sd_mg": "", "slope": ""}
    for line in (row, {**row, "bias_mg": "nan"}, {**row, "sd_mg": "| x"}, {**row, "intervals": "-"}, few):
        qa_trend.append_trend(path, line)
    assert qa_trend.read_trend(path) == qa_trend.Trend((row, few), (3, 4, 5))


@pytest.mark.parametrize("card", ["[]", "{}", "no JSON", '{"sha256": {}}'])
def test_broken_installation_has_no_weights_to_compare(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, card: str
) -> None:
    place = tmp_path / "bac_segment" / "1"
    place.mkdir(parents=True)
    (place / "model_card.json").write_text(card)
    monkeypatch.setattr("bacctl.qa.run.default_repository", lambda: tmp_path)
    client: Any = FakeClient()
    assert qa.identify(client, "host:8001").installed_model is None


def test_trend_refuses_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "trend.csv"
    path.write_bytes(b"name,age\nx,3\n\xff\x00\n")
    with pytest.raises(qa_trend.TrendError, match=r"trend\.csv: is not a trend"):
        qa_trend.read_trend(path)
    path.write_bytes((",".join(qa_trend.TREND_COLUMNS) + "\n").encode() + b"\xff\x00,\n")
    assert qa_trend.read_trend(path).damaged == (2,)


class FakeClient:
    """Stands in for a server: weighs everything with the same error."""

    url = "host:8001"

    def __init__(
        self, *, scale: float = 1.0, gone_after: int | None = None, fault: BacctlError | None = None
    ) -> None:
        self._scale, self._gone_after, self._fault = scale, gone_after, fault

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def server_info(self) -> dict[str, str]:
        if self._fault is not None:
            raise self._fault
        return {"name": "triton", "triton": "2.51.0", "model": MODEL}

    def analyze_many(self, sources: Iterable[Path], *, ordered: bool) -> Iterator[ImageResult]:
        assert ordered  # each phantom is held against the truth of its own
        true: dict[str, QaSpec] = {f"{spec.name}.dcm": spec for spec in SPECS}
        for number, path in enumerate(sources):
            assert path.read_bytes() == b"phantom"
            if number == self._gone_after:
                yield ImageResult("failed", "BAC-SERVER-UNAVAILABLE", "nobody answers")
                return
            yield result(true[path.name].calcium_mass_mg * self._scale)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("bacctl.qa.run.make_qa_phantom", lambda spec: b"phantom")
    monkeypatch.setattr("bacctl.qa.run._installed_model", lambda: MODEL)
    monkeypatch.delenv("BACCTL_URL", raising=False)

    def run(client: FakeClient | None, *args: object) -> Any:
        def connect(server: ServerOptions) -> FakeClient:
            if client is None:
                raise ServerUnavailableError("BAC-SERVER-UNAVAILABLE", "nobody answers")
            return client

        monkeypatch.setattr("bacctl.cli.connect.connect", connect)
        return CliRunner().invoke(app, ["qa", *map(str, args)])

    return run


def test_command_passes_and_keeps_a_trend(command: Any, tmp_path: Path) -> None:
    out = tmp_path / "qa"
    for _ in range(2):
        done = command(FakeClient(), "--out", out)
        assert done.exit_code == 0, done.output
    assert "research use only" in done.stdout
    assert "nothing that is recorded changed; mean difference 0.000 to 0.000 mg" in done.stdout
    assert len(qa_trend.read_trend(out / "trend.csv").rows) == 2
    written = sorted(out.glob("qa-*.json"))
    assert len(written) == 2  # also where both runs are of one second
    assert {path.stem for path in written} == {path.stem for path in out.glob("qa-*.md")}
    assert json.loads(written[0].read_text())["passed"] is True
    assert len(list((out / "phantoms").glob("*.dcm"))) == 24


def test_command_fails_with_one_line(command: Any, tmp_path: Path) -> None:
    done = command(FakeClient(scale=1.2), "--out", tmp_path, "--url", "host:8001")
    assert done.exit_code == 1
    assert [line for line in done.stderr.splitlines() if line.startswith("QA failed: ")]
    assert qa_trend.read_trend(tmp_path / "trend.csv").rows[0]["passed"] == "no"
    assert qa_trend.read_trend(tmp_path / "trend.csv").rows[0]["calibration"] == ""


@pytest.mark.parametrize(
    ("client", "code"),
    [
        (None, "BAC-SERVER-UNAVAILABLE"),
        (FakeClient(gone_after=5), "BAC-SERVER-UNAVAILABLE"),
        (FakeClient(fault=from_catalogue("BAC-SERVER-FAULT", "it has no model bac")), "BAC-SERVER-FAULT"),
    ],
    ids=["nobody there", "gone halfway", "another server"],
)
def test_a_server_that_fails_proves_nothing(
    command: Any, tmp_path: Path, client: FakeClient | None, code: str
) -> None:
    done = command(client, "--out", tmp_path)
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert code in done.stderr
    assert not list(tmp_path.glob("qa-*"))
    assert not (tmp_path / "trend.csv").exists()


def test_folder_that_cannot_be_used(command: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert command(FakeClient(), "--out", tmp_path / "file").exit_code == 2
    # Nobody, not even root, makes a folder inside a file.
    done = command(FakeClient(), "--out", tmp_path / "file" / "qa")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1


def test_damaged_and_foreign_trends(command: Any, tmp_path: Path) -> None:
    (tmp_path / "trend.csv").write_text("shopping list\n")
    done = command(FakeClient(), "--out", tmp_path)
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert (tmp_path / "trend.csv").read_text() == "shopping list\n"
    (tmp_path / "trend.csv").write_text(",".join(qa_trend.TREND_COLUMNS) + "\n2026,half")
    done = command(FakeClient(), "--out", tmp_path)
    assert done.exit_code == 0
    assert "line 2 is damaged" in done.stderr
    assert len(qa_trend.read_trend(tmp_path / "trend.csv").rows) == 1


def test_help_says_research_use_only(command: Any) -> None:
    assert "Research use only" in " ".join(command(FakeClient(), "--help").stdout.split())
