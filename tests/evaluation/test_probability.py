"""Fitting, reliability and operating points on made findings, of which every figure is known by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bac_evaluation.probability import calibrating
from bac_evaluation.probability.fitting import cross_fit, fit_curve, fit_map
from bac_evaluation.probability.judged import JudgedImage, JudgedSet, read_judged, weights_of, write_judged
from bac_evaluation.probability.judging import judge_probabilities
from bac_evaluation.probability.points import points_of
from bac_evaluation.probability.reliability import means_by_source, reliability, reliability_of
from bac_evaluation.settings import Settings, read_settings
from bac_evaluation.vessels.findings import Finding, Findings, judge_findings
from bac_imaging.pipeline import Quantified
from bac_imaging.vessels.evidence import Evidence, VesselEvidence
from bac_imaging.vessels.probability import NOTHING, Probabilities, ProbabilityMap
from bac_terms.report import ImageReport
from bac_training.errors import TrainingError

DEMANDS = {"threshold": 0.1, "post_processing": {"core": 0.7}}


def finding(true: bool | None, false_mm2: float = 0.0, **values: float) -> Finding:
    told = {"peak": 0.99, "mean": 0.9, "length_mm": 10.0, "area_mm2": 8.0, "deep": 1.0, **values}
    return Finding(VesselEvidence(**told), true, false_mm2)


def image(source: str, is_true: bool, *findings: Finding, peak: float = 0.99, **more: Any) -> JudgedImage:
    return JudgedImage(
        source, more.get("path", "a"), is_true, Findings(peak, findings, more.get("lines", ()))
    )


def by_mean(judged: JudgedImage) -> Probabilities:
    """Probabilities that a test chooses: a finding's is its mean, an image's its peak."""
    assert judged.findings is not None
    return Probabilities(judged.findings.peak, tuple(f.evidence.mean for f in judged.findings.vessels))


def drawn(source: str, seed: int, *, share: float = 0.5, images: int = 60) -> list[JudgedImage]:
    """Images whose findings are true with log-odds of 4 (mean - 0.85) / 0.05, and half of them deep."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(images):
        findings = []
        for mean in rng.uniform(0.75, 0.95, size=rng.integers(0, 4)):
            true = rng.random() < 1 / (1 + math.exp(-4 * (mean - 0.85) / 0.05))
            findings.append(finding(bool(true), mean=float(mean), length_mm=float(rng.uniform(5, 30))))
        is_true = any(f.true for f in findings) or rng.random() < 0.1 * share
        made.append(image(source, bool(is_true), *findings, peak=float(rng.uniform(0, 1)), path=str(number)))
    return made


def test_weights_by_hand() -> None:
    """Two sources without BAC, of 1 and of 100 images, the second of which counts as 50; and one with."""
    images = [image("a", True), image("a", False), *[image("b", False)] * 100]
    weights = weights_of(images, 0.1)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] == pytest.approx(0.1)
    assert weights[1] == pytest.approx(0.9 / 51)
    assert weights[2:].sum() == pytest.approx(0.9 * 50 / 51)
    assert weights_of(images[1:], 0.1).sum() == pytest.approx(1.0)


def test_a_logistic_law_is_found_again() -> None:
    rng = np.random.default_rng(0)
    x, useless = rng.uniform(-2, 2, 4000), rng.uniform(-1, 1, 4000)
    truth = rng.random(4000) < 1 / (1 + np.exp(-(1.5 * x - 0.5)))
    cases = [{"x": a, "useless": b} for a, b in zip(x, useless, strict=True)]
    curve = fit_curve(cases, truth, np.ones(4000), ("x", "useless"))
    assert curve.intercept == pytest.approx(-0.5, abs=0.15)
    assert curve.weights["x"] == pytest.approx(1.5, abs=0.15)
    assert curve.weights["useless"] < 0.15
    # Weighed as if one case in ten of the false ones were drawn, the odds rise by ten.
    rare = fit_curve(cases, truth, np.where(truth, 1.0, 0.1), ("x", "useless"))
    assert rare.intercept == pytest.approx(-0.5 + math.log(10), abs=0.25)


def test_a_feature_that_would_lower_the_probability_gets_no_weight() -> None:
    x = np.linspace(0, 1, 200)
    curve = fit_curve([{"x": v} for v in x], x < 0.5, np.ones(200), ("x",))
    assert curve.weights == {"x": 0.0}
    assert curve.intercept == pytest.approx(0.0, abs=0.05)


def test_eight_cases_of_one_kind_are_no_certainty() -> None:
    """Platt's target of the false ones, 1 / (8 + 2)."""
    curve = fit_curve([{"peak": 0.0}] * 8, np.zeros(8, dtype=bool), np.ones(8), NOTHING)
    assert 1 / (1 + math.exp(-curve.intercept)) == pytest.approx(0.1, abs=1e-3)
    nothing = fit_curve([], np.zeros(0, dtype=bool), np.zeros(0), NOTHING)
    assert nothing.log_odds({"peak": 3.0}) == 0.0


def test_reliability_by_hand() -> None:
    """One tenth holds 0.1 and 0.15, none true, the other 0.95, half true: 0.5 * 0.125 + 0.5 * 0.45."""
    found = reliability(
        np.array([0.10, 0.15, 0.95, 0.95]), np.array([False, False, True, False]), np.full(4, 0.25)
    )
    assert (found.cases, found.positives) == (4, 1)
    assert [(b.low, b.cases, b.positives) for b in found.bins] == [(0.1, 2, 0), (0.9, 2, 1)]
    assert [b.mean for b in found.bins] == pytest.approx([0.125, 0.95])
    assert [b.observed for b in found.bins] == pytest.approx([0.0, 0.5])
    assert found.error == pytest.approx(0.5 * 0.125 + 0.5 * 0.45)
    # Certainty belongs to the last tenth.
    assert reliability(np.ones(1), np.ones(1, dtype=bool), np.ones(1)).error == 0.0
    assert reliability(np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0)).error is None


def test_images_and_finds_are_weighed_to_the_prevalence() -> None:
    images = [
        image("a", True, finding(True, mean=0.6), finding(None, mean=0.9), peak=0.6),
        image("a", False, finding(False, mean=0.6), peak=0.6),
        JudgedImage("a", "refused", True, None),
    ]
    by_image, by_vessel = reliability_of(images, by_mean, 0.1)
    assert (by_image.cases, by_vessel.cases) == (2, 2)  # what nobody knows and what was refused left out
    assert by_image.bins[0].observed == pytest.approx(0.1)
    assert by_image.error == pytest.approx(0.5)
    assert by_vessel.error == pytest.approx(0.5)


def test_means_by_source_by_hand() -> None:
    images = [
        image("a", True, peak=0.9),
        image("a", True, peak=0.6),
        image("a", False, peak=0.2),
        image("b", False, peak=0.4),
        JudgedImage("b", "refused", True, None),
    ]
    first, second = means_by_source(images, by_mean)
    assert (first.positives, first.mean_positive, first.mean_negative) == (2, 0.75, 0.2)
    assert (second.positives, second.mean_positive, second.negatives, second.mean_negative) == (
        0,
        None,
        1,
        0.4,
    )


def test_operating_points_by_hand() -> None:
    images = [
        # 10 mm near the first find, 5 mm near both, 5 mm near none.
        image(
            "a", True, finding(True, mean=0.4), finding(True, mean=0.8),
            lines=((10.0, (0,)), (5.0, (0, 1)), (5.0, ())),
        ),
        image("a", False, finding(False, 3.0, mean=0.3), finding(False, 1.0, mean=0.6)),
        image("a", False, finding(None, 0.5, mean=0.9)),
        JudgedImage("a", "refused", True, None),
        image("b", False),
    ]  # fmt: skip
    table = {(p.source, p.min_probability): p for p in points_of(images, by_mean, (0.0, 0.5, 0.7, 1.0))}
    every, half, most, none = (table["a", point] for point in (0.0, 0.5, 0.7, 1.0))
    assert [(p.flagged, p.negatives) for p in (every, half, most, none)] == [(1, 2), (1, 2), (0, 2), (0, 2)]
    assert [p.false_mm2 for p in (every, half, most, none)] == [2.25, 0.75, 0.25, 0.0]
    # The refused image with BAC is one not found.
    assert [(p.found, p.positives) for p in (every, half, most, none)] == [(1, 2), (1, 2), (1, 2), (0, 2)]
    assert [p.line_recall for p in (every, half, most, none)] == [0.75, 0.25, 0.25, 0.0]
    other = table["b", 0.5]
    assert (other.negatives, other.positives, other.false_mm2, other.line_recall) == (1, 0, 0.0, None)


def test_finds_against_a_mask_by_hand() -> None:
    """Pixels of 0.5 mm. The first find is true but for 4 pixels at its end, the second lies far off."""
    labels = np.zeros((40, 40), dtype=np.int32)
    labels[5, 5:25] = 1
    labels[30, 5:15] = 2
    truth = np.zeros(labels.shape, dtype=bool)
    truth[5, 5:19] = True
    truth[20, 0:10] = True
    pixels = (np.argwhere(truth) + 0.5) * 0.5
    evidence = Evidence(0.9, (finding(None).evidence, finding(None).evidence))
    result = Quantified(ImageReport("failed"), labels > 0, np.zeros((0, 0), np.float32), labels, evidence)
    judged = judge_findings(result, (0.5, 0.5), 0.25, pixels, pixels, 0.5)
    assert [f.true for f in judged.vessels] == [True, False]
    # Columns 5 to 18 are true, and within 1 mm of them 19 and 20; of the finding 21 to 24 are left.
    assert [f.false_mm2 for f in judged.vessels] == [4 * 0.25, 10 * 0.25]
    assert {numbers: length for length, numbers in judged.lines} == {(0,): 14 * 0.5, (): 10 * 0.5}
    assert Findings.from_dict(json.loads(json.dumps(judged.to_dict()))) == judged
    # On a line of which nobody knows, the second is neither true nor false.
    unsure = (np.argwhere(labels == 2) + 0.5) * 0.5
    judged = judge_findings(result, (0.5, 0.5), 0.25, pixels, pixels, 0.5, unsure)
    assert [(f.true, f.false_mm2) for f in judged.vessels] == [(True, 1.0), (None, 0.0)]
    judged = judge_findings(result, (0.5, 0.5), 0.25, pixels[:0], pixels[:0], 0.5, nowhere=True)
    assert [(f.true, f.false_mm2) for f in judged.vessels] == [(None, 0.0)] * 2


def test_the_map_is_right_on_what_it_has_not_seen() -> None:
    """Findings follow one law in three sources: by the map of two of them the third is calibrated."""
    images = [case for n, source in enumerate("abc") for case in drawn(source, n, images=400)]
    maps = cross_fit(images, 0.3)

    def judge(case: JudgedImage) -> Probabilities:
        assert case.findings is not None
        fitted = maps[case.source]
        each = tuple(fitted.vessel_probability(f.evidence) for f in case.findings.vessels)
        return Probabilities(fitted.image_probability(case.findings.evidence), each)

    by_image, by_vessel = reliability_of(images, judge, 0.3)
    assert by_image.cases == 1200
    assert by_image.error is not None
    assert by_image.error < 0.05
    assert by_vessel.error is not None
    assert by_vessel.error < 0.05
    fitted = fit_map(images, 0.3)
    assert fitted.vessel.weights["mean"] > 0
    assert fitted.vessel.weights["deep"] == 0.0  # the same everywhere
    # As many images hold BAC as it was told.
    weights = weights_of(images, 0.3)
    mean = sum(
        w * fitted.image_probability(c.findings.evidence)
        for w, c in zip(weights, images, strict=True)
        if c.findings
    )
    assert mean == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("missing", ["positives", "negatives", "true finds", "false finds"])
def test_too_little_to_fit_on_is_told(missing: str) -> None:
    images = [
        image("a", missing != "positives", finding(missing != "true finds")),
        image("a", missing == "negatives", finding(missing == "false finds")),
    ]
    with pytest.raises(TrainingError, match="give reports that hold both"):
        fit_map(images, 0.1)


def report(folder: Path, name: str, seed: int, **settings: Any) -> Path:
    made = JudgedSet(name, f"{seed:064x}", ("ab" * 32,), {**DEMANDS, **settings}, tuple(drawn(name, seed)))
    folder.mkdir()
    write_judged(folder / "finds.jsonl", made)
    return folder


def test_the_command_fits_and_puts_the_map_where_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = [report(tmp_path / name, name, seed) for seed, name in enumerate("xyz")]
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"schema": "bac_training.settings/1", **DEMANDS}))
    arguments = [str(reports[0]), str(reports[1]), f"other={reports[2]}"]
    out = tmp_path / "calibration"
    assert calibrating._main([*arguments, "--out", str(out), "--into", str(settings)]) == 0
    told = capsys.readouterr().out
    assert "expected calibration error per image" in told
    assert "180 cases" in told
    content = json.loads((out / "calibration.json").read_text())
    assert [entry["source"] for entry in content["probability_map"]["fitted_on"]] == ["x", "y", "other"]
    assert set(content["probability_map"]["left_out"]) == {"x", "y", "other"}
    assert content["probability_map"]["cross_fit"]["image"]["cases"] == 180
    error = content["probability"]["vessel"]["error"]
    assert content["probability_map"]["cross_fit"]["vessel"]["expected_calibration_error"] == error
    page = (out / "calibration.md").read_text()
    assert "| x | x | 60 |" in page
    assert "## Operating points" in page
    assert (out / "image.png").is_file()
    chosen = read_settings(settings)
    fitted = chosen.fitted()
    assert fitted == ProbabilityMap.from_dict(content["probability_map"])
    assert fitted is not None
    assert (fitted.prevalence, chosen.to_dict()["probability_map"]) == (0.1, fitted.sha256)
    # An evaluation of data that it was fitted on gives it the map that was not.
    again = judge_probabilities(read_judged(reports[0]), chosen)
    assert (again["basis"], again["left_out"]) == ("map", ["x"])
    without_x = ProbabilityMap.from_dict(
        {**content["probability_map"], **content["probability_map"]["left_out"]["x"]}
    )
    by_hand, _ = reliability_of(
        read_judged(reports[0]).images,
        lambda c: Probabilities(
            round(without_x.image_probability(c.evidence), 4), (0.0,) * len(c.evidence.vessels)
        ),
        0.1,
    )
    assert again["image"]["error"] == pytest.approx(by_hand.error)
    fresh = JudgedSet("new", "f" * 64, (), DEMANDS, read_judged(reports[0]).images)
    assert judge_probabilities(fresh, chosen)["left_out"] == []
    assert judge_probabilities(fresh, Settings(0.1))["basis"] == "score"


def test_the_command_refuses_what_it_cannot_fit_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = report(tmp_path / "first", "first", 1)
    other = report(tmp_path / "other", "other", 2, threshold=0.3)
    out = ["--out", str(tmp_path / "out")]
    for arguments, said in (
        ([first, other], "with one --settings"),
        ([first], "without the source first"),
        ([tmp_path], "holds no finds; write it with bacctl evaluate"),
        ([first, first, "--into", first / "finds.jsonl"], "without the source first"),
    ):
        assert calibrating._main([*map(str, arguments), *out]) == 1
        error = capsys.readouterr().err
        assert said in error
        assert len(error.splitlines()) == 1
    with pytest.raises(SystemExit):
        calibrating._main([str(first), *out, "--prevalence", "1"])
    with pytest.raises(TrainingError, match="neither settings"):
        calibrating.put_into(first / "finds.jsonl", {})


def test_settings_with_a_map_that_is_none_are_refused() -> None:
    with pytest.raises(TrainingError, match="fit it again"):
        Settings(0.1, {}, {"schema": "bacctl.probability_map/1"})
