"""The study of mass from area: its statistics by hand, and that it writes nothing it cannot stand for."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bac_evaluation.area import study as area
from bac_evaluation.area.fit import MODELS, conformal, held, spread
from bac_evaluation.area.rows import Case, Measured, cases_of, measure_folder
from bac_imaging.mass.area import read_fit
from bac_training.data.truth import View, Woman
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter
from bacctl.testing import make_report

BY_AREA = MODELS["area"]
AREAS = (5.0, 20.0, 80.0, 320.0)


def cases(factor: float, generator: str, level: str = "woman") -> list[Case]:
    """Women of three styles that hold this many times 0.1 mg/mm2."""
    return [
        Case(level, f"{mm2}", generator, style, 0.1 * factor * mm2, 0.8 * mm2, mm2, mm2 / 1.5, 1.0)
        for style in ("flat", "crisp", "curve")
        for mm2 in AREAS
    ]


@pytest.mark.parametrize(
    ("count", "tail", "low", "high"),
    [(9, 0.1, 1, 9), (19, 0.1, 2, 18), (39, 0.025, 1, 39), (79, 0.025, 2, 78), (5, 0.025, 1, 5)],
)
def test_the_ends_of_whole_numbers(count: int, tail: float, low: int, high: int) -> None:
    shuffled = np.random.default_rng(0).permutation(np.arange(1.0, count + 1.0))
    assert conformal(shuffled, tail) == (low, high)


@pytest.mark.parametrize(("model", "more"), [("area", 0), ("a power of area", 1), ("area, width", 1)])
def test_one_density_has_no_spread(model: str, more: int) -> None:
    found = spread([*cases(1.0, "one"), *cases(1.0, "other")], MODELS[model])
    assert found.residuals(cases(3.0, "one"), MODELS[model]) == pytest.approx(np.log(3.0))
    assert len(found.coefficients) == 1 + more
    assert (found.low, found.high) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_generators_that_disagree_by_a_factor_are_that_far_apart() -> None:
    both = [*cases(1.0, "one"), *cases(2.0, "other")]
    found = spread(both, BY_AREA)
    # In the middle of the two; and each is a factor of 2 off what the other alone says.
    assert found.coefficients == pytest.approx([math.log(0.1 * math.sqrt(2.0))])
    assert (found.low, found.high) == pytest.approx((-math.log(2.0), math.log(2.0)))
    by_style = held(both, BY_AREA, lambda case: f"{case.generator} {case.style}")
    assert [group.held for group in by_style.values()] == [4] * 6
    by_generator = held(both, BY_AREA, lambda case: case.generator)
    # What one of them says alone has no spread, and does not hold the other.
    assert {name: group.held for name, group in by_generator.items()} == {"one": 0, "other": 0}
    assert by_generator["one"].median == pytest.approx(0.5)


def view(side: str, name: str, mass: float) -> View:
    return View(
        f"{side}{name}",
        f"{side}{name}.png",
        laterality=side,
        view=name,
        mass_mg=mass,
        area_mm2=10.0 * mass,
        look="presentation flat",
    )


def row(side: str, name: str, mm2: float, mm: float, contrast: float | None) -> dict[str, Any]:
    report = make_report(laterality=side, view=name, area_mm2=mm2, length_mm=mm, bac_detected=mm2 > 0)
    return {"result": report, "contrast": contrast}


WOMAN = Woman(
    "1.2.3",
    (view("L", "CC", 2.9), view("L", "MLO", 3.1), view("R", "CC", 1.0)),
    4.0,
    {"L": 3.0, "R": 1.0},
)
ROWS = {
    "LCC": row("L", "CC", 10.0, 8.0, 2.0),
    "LMLO": row("L", "MLO", 30.0, 16.0, 4.0),
    "RCC": row("R", "CC", 0.0, 0.0, None),
}


def test_areas_are_put_together_as_in_an_exam() -> None:
    each = cases_of(WOMAN, "randfield", ROWS)
    found = [(case.level, case.true_mg, case.area_mm2, case.length_mm) for case in each]
    assert found == [
        ("view", 2.9, 10.0, 8.0),
        ("view", 3.1, 30.0, 16.0),
        ("view", 1.0, 0.0, 0.0),
        ("breast", 3.0, 20.0, 12.0),
        ("breast", 1.0, 0.0, 0.0),
        ("woman", 4.0, 20.0, 12.0),
    ]
    woman = each[-1]
    # 10 times the mass in each view: 29 and 31 mm2 on the left, 10 on the right.
    assert woman.true_mm2 == pytest.approx(30.0 + 10.0)
    assert (woman.generator, woman.style) == ("randfield", "flat")
    assert woman.contrast == pytest.approx((10 * 2.0 + 30 * 4.0) / 40)


def test_what_was_refused_is_no_case() -> None:
    refused = {"result": {"status": "refused", "code": "BAC-MODALITY", "reason": "no"}, "contrast": None}
    found = [case.level for case in cases_of(WOMAN, "randfield", {**ROWS, "RCC": refused})]
    assert found == ["view", "view", "breast"]


def test_a_breast_without_calcium_is_no_case() -> None:
    woman = replace(
        WOMAN, views=(*WOMAN.views[:2], view("R", "CC", 0.0)), mass_mg=3.0, breasts_mg={"L": 3.0, "R": 0.0}
    )
    found = [case.level for case in cases_of(woman, "randfield", ROWS)]
    assert found == ["view", "view", "breast", "woman"]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every folder holds what its name says: one generator, and its milligrams for 0.1 mg/mm2."""
    segmenter = Segmenter("ab" * 32, 0.5, "none", lambda tiles: tiles)
    monkeypatch.setattr(area, "load_segmenter", lambda *_: segmenter)

    def measured(folder: Path, *_: Any, **__: Any) -> Measured:
        generator, factor = folder.name.split("-")
        found = [case for level in area.LEVELS for case in cases(float(factor), generator, level)]
        if generator == "odd":  # one of its styles is unlike all others
            found = [replace(c, true_mg=9.0 * c.true_mg) if c.style == "flat" else c for c in found]
        return Measured(found, folder.name, generator, 1, "cd" * 32, (0.07, 0.1))

    monkeypatch.setattr(area, "measure_folder", measured)


def command_for(one: str, other: str, folder: Path, out: Path) -> list[str]:
    return [one, other, "--rows", str(folder / "rows"), "--model", "m.onnx", "--fit", str(out)]


def test_the_command_writes_a_fit_that_serving_reads(
    network: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fit.json"
    command = command_for("one-1.0", "other-1.0", tmp_path, out)
    assert area._main(command) == 0
    fit = read_fit(out.read_text())
    assert (fit.weights_sha256, fit.spacing_mm) == ("ab" * 32, (0.07, 0.1))
    density = fit.levels["woman"]
    assert (density.least_mm2, density.most_mm2) == (5.0, 320.0)
    assert density.central_mg_per_mm2 == pytest.approx(0.1)
    printed = capsys.readouterr().out
    assert "12 women of one, 12 women of other" in printed
    assert "| women | every style | 24 | 24 (100%) |" in printed


def test_the_command_writes_none_where_what_was_left_out_is_not_held(
    network: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fit.json"
    command = command_for("one-1.0", "odd-1.0", tmp_path, out)
    assert area._main(command) == 0
    fit = read_fit(out.read_text())
    assert not fit.levels
    assert fit.name != ""
    printed = capsys.readouterr().out
    assert "No estimate: 20 of 24 views of a style left out were held" in printed


def test_an_interval_that_says_nothing_is_no_estimate(
    network: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fit.json"
    # 6 times as much calcium for an area: each is a factor of 6 off the other, 36 from end to end.
    assert area._main(command_for("one-1.0", "other-6.0", tmp_path, out)) == 0
    assert not read_fit(out.read_text()).levels
    assert "the women's interval reaches from 1 to 36, and 25 is known" in capsys.readouterr().out


def test_a_folder_of_other_looks_is_refused(tmp_path: Path) -> None:
    images = [{"path": "a.dcm", "mask": "a.png", "look": "raw"}]
    woman = {"study_instance_uid": "1.2", "calcium_mass_mg": 3.0, "breasts": {}, "images": images}
    (tmp_path / "truth.json").write_text(json.dumps({"seed": 1, "women": [woman]}))
    for name in ("a.dcm", "a.png"):
        (tmp_path / name).touch()
    segmenter = Segmenter("ab" * 32, 0.5, "none", lambda tiles: tiles)
    with pytest.raises(TrainingError, match="FOR PRESENTATION"):
        measure_folder(tmp_path, tmp_path / "m.onnx", segmenter, tmp_path)
