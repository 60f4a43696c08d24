"""CONTEXT between the steps: as every release wrote it, and refused where it is damaged or another's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bac_imaging.context import Context
from bac_terms.beam import Beam

WRITTEN = Path(__file__).parents[1] / "wire" / "context.json"
"""By the release before `Context` was a record, of a raw image."""


@pytest.fixture
def written() -> dict[str, Any]:
    context: dict[str, Any] = json.loads(WRITTEN.read_bytes())["context"]
    return context


def test_a_context_of_before_is_read_and_written_as_it_was(written: dict[str, Any]) -> None:
    context = Context.from_dict(written)
    again = context.to_dict()
    assert [again.pop(name) for name in ("device", "orientation", "given_outline")] == [
        None
    ] * 3  # came later
    assert json.dumps(again) == json.dumps(written)
    assert Context.from_dict(context.to_dict() | {"origins": written["origins"]}) == context


def test_what_a_context_of_before_says(written: dict[str, Any]) -> None:
    context = Context.from_dict(written)
    assert (context.shape, context.grid) == ((900, 1000), (900, 800))
    assert context.breast_mask.shape == context.grid
    assert context.breast_mask.dtype == bool
    assert 0.4 < context.breast_mask.mean() < 0.7
    assert [list(origin) for origin in context.origins] == written["origins"]
    assert context.pixel_spacing_mm == (0.1, 0.08)
    assert context.working_spacing_mm == pytest.approx((0.1, 0.1))
    assert context.pixel_area_mm2 == pytest.approx(0.1 * 0.08 / context.magnification**2)
    assert context.beam == Beam("TUNGSTEN", "RHODIUM", 0.05, 28.0, 50.0, False, "DIRECT")
    assert [notice.code for notice in context.warnings] == ["BAC-W-IMPLANT"]
    assert (context.laterality, context.view, context.min_probability) == ("L", "CC", 0.25)


def test_an_image_without_header(written: dict[str, Any]) -> None:
    names = ("beam", "presentation_intent", "sop_instance_uid", "study_instance_uid", "laterality", "view")
    context = Context.from_dict({**written, **dict.fromkeys(names), "warnings": [], "signal_kind": "display"})
    assert {getattr(context, name) for name in names} == {None}
    assert context.to_dict()["beam"] is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda context: context.pop("view"),
        lambda context: context.update(breast=None),
        *(
            lambda context, name=name, value=value: context.update({name: value})
            for name, value in (
                ("rows", "900"),
                ("rows", 0),
                ("rows", True),
                ("columns", 1.5),
                ("grid", [900]),
                ("grid", [900, 80]),
                ("grid", [-900, -800]),
                ("origins", [[1, 0], [1]]),
                ("origins", 3),
                ("breast", 3),
                ("breast", "eJzt"),
                ("breast", "not base64"),
                ("pixel_spacing_mm", [0.1]),
                ("pixel_spacing_mm", [0.1, float("nan")]),
                ("pixel_spacing_mm", [0.1, 0.0]),
                ("magnification", None),
                ("magnification", -1.0),
                ("beam", {}),
                ("beam", {"anode": "TUNGSTEN"}),
                ("beam", []),
                ("signal_kind", "log"),
                ("exposure_scale_known", 1),
                ("presentation_intent", "FOR VIEWING"),
                ("sop_instance_uid", 1),
                ("laterality", "B"),
                ("warnings", {}),
                ("warnings", [{"code": "BAC-W-IMPLANT"}]),
                ("min_probability", 1.5),
                ("min_probability", float("nan")),
            )
        ),
    ],
)
def test_what_is_no_context(written: dict[str, Any], damage: Callable[[dict[str, Any]], None]) -> None:
    damage(written)
    with pytest.raises(ValueError):  # noqa: PT011 (any of them)
        Context.from_dict(written)


@pytest.mark.parametrize("value", [None, [], {}, "context", 3])
def test_other_values_are_no_context(value: Any) -> None:
    with pytest.raises(ValueError, match=r"no rows|does not belong"):
        Context.from_dict(value)
