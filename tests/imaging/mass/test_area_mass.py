"""Mass from area: the middle, its ends, and which images it is for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import bac_imaging.mass.area
from bac_imaging.context import Context
from bac_imaging.mass.area import AreaDensity, AreaFit, area_fit, estimate_of, read_fit
from bac_terms.notices import Notice
from bacctl.server.repository import default_repository

WRITTEN = Context.from_dict(
    json.loads((Path(__file__).parents[2] / "wire" / "context.json").read_bytes())["context"]
)
WIDE = AreaDensity(0.05, 0.2, 0.8, 2.0, 500.0)
NARROW = AreaDensity(0.1, 0.2, 0.6, 2.0, 900.0)
FIT = AreaFit("area-test", "ab" * 32, (0.05, 0.1), {"view": WIDE, "breast": NARROW, "woman": NARROW})


NETWORK = "ab" * 32


def context(**changes: Any) -> Context:
    image = {
        "presentation_intent": "FOR PRESENTATION",
        "view": "MLO",
        "pixel_spacing_mm": (0.07, 0.07),
        "warnings": (Notice("BAC-W-MASS-NONE-PROCESSED", "as always"),),
        **changes,
    }
    return dataclasses.replace(WRITTEN, **image)


@pytest.mark.parametrize(
    ("area", "level", "central", "low", "high"),
    [
        (100.0, "view", 20.0, 5.0, 80.0),
        (100.0, "breast", 20.0, 10.0, 60.0),
        (25.0, "woman", 5.0, 2.5, 15.0),
        (2.0, "view", 0.4, 0.1, 1.6),
        # Smaller than all that it was fitted on: from 0 to the upper end of the smallest.
        (1.0, "view", 0.2, 0.0, 1.6),
        # Nothing found is no calcium found.
        (0.0, "view", 0.0, 0.0, 0.0),
        (0.0, "woman", 0.0, 0.0, 0.0),
    ],
)
def test_the_middle_and_its_ends_by_hand(
    area: float, level: Any, central: float, low: float, high: float
) -> None:
    found = FIT.estimate(area, level)
    assert found is not None
    assert (found.basis, found.fit) == ("area", "area-test")
    assert found.central_mg == pytest.approx(central)
    assert found.interval_mg == pytest.approx([low, high])


def test_no_estimate_beyond_the_largest_area() -> None:
    assert FIT.estimate(500.0, "view") is not None
    assert FIT.estimate(500.1, "view") is None
    assert FIT.estimate(500.1, "woman") is not None


def test_an_image_of_its_kind() -> None:
    assert FIT.fits(context(), NETWORK)


@pytest.mark.parametrize(
    "changes",
    [
        {"presentation_intent": "FOR PROCESSING"},
        {"presentation_intent": None},  # a film, or a plain image
        {"view": "ML"},
        {"view": "CC-OTHER"},
        {"view": None},
        {"pixel_spacing_mm": (0.04, 0.04)},
        {"pixel_spacing_mm": (0.1, 0.2)},
        *(
            {"warnings": (Notice(f"BAC-W-{code}", "x"),)}
            for code in (
                "SPACING-OVERRIDDEN",
                "SPACING-DETECTOR-ASSUMED",
                "SIZE-UNUSUAL",
                "PARTIAL-VIEW",
                "IMPLANT",
                "LOSSY",
            )
        ),
    ],
)
def test_images_of_other_kinds_have_none(changes: dict[str, Any]) -> None:
    assert not FIT.fits(context(**changes), NETWORK)


def test_areas_by_another_network_are_of_another_kind() -> None:
    assert not FIT.fits(context(), "cd" * 32)


def test_without_a_network_to_name_there_is_none() -> None:
    assert estimate_of(context(), None, 10.0) is None


def test_an_image_as_its_fit_estimates_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bac_imaging.mass.area, "area_fit", lambda: FIT)
    found = estimate_of(context(), NETWORK, 100.0)
    assert found is not None
    assert found.interval_mg == pytest.approx([5.0, 80.0])
    assert estimate_of(context(view="ML"), NETWORK, 100.0) is None


def test_a_fit_that_holds_nothing_is_for_no_image() -> None:
    assert not dataclasses.replace(FIT, levels={}).fits(context(), NETWORK)


def test_the_file_is_as_it_was_written_and_of_the_network_that_serves() -> None:
    text = (files("bac_imaging") / "data" / "area_mass.json").read_text(encoding="utf-8")
    content = json.loads(text)
    name = content.pop("name")
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert name == read_fit(text).name == f"area-{digest[:12]}", "edited by hand: make it anew"
    card = json.loads((default_repository() / "bac_segment" / "1" / "model_card.json").read_text())
    assert area_fit().weights_sha256 == card["sha256"], "fit it anew: python -m bac_evaluation.area.study"
    assert set(area_fit().levels) in ({"view", "breast", "woman"}, set())
    assert bool(content["why_not"]) != bool(content["levels"])
