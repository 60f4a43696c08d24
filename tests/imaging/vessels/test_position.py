"""Where a find lies: on outlines drawn by hand, and on phantoms that know where their nipple is."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bac_imaging.context import Context
from bac_imaging.mask_bits import pack_mask
from bac_imaging.vessels.position import Nipple, Position, find_nipple, locate

WRITTEN = Path(__file__).parents[2] / "wire" / "context.json"


def context_of(breast: npt.NDArray[np.bool_], **values: Any) -> Context:
    """Make the context of a digital image of 0.1 mm whose breast this is."""
    given = json.loads(WRITTEN.read_bytes())["context"]
    packed = base64.b64encode(zlib.compress(pack_mask(breast).tobytes())).decode()
    own = {
        "breast": packed,
        "grid": list(breast.shape),
        "rows": breast.shape[0],
        "columns": breast.shape[1],
        "pixel_spacing_mm": [0.1, 0.1],
        "magnification": 1.05,
        "orientation": ["A", "R"],
        "laterality": "L",
        "view": "CC",
    }
    made = Context.from_dict({**given, **own, **values})
    assert made.working_spacing_mm == pytest.approx((0.1, 0.1))
    return made


def half_ellipse(
    middle_mm: float = 90.0, depth_mm: float = 70.0, half_mm: float = 60.0
) -> npt.NDArray[np.bool_]:
    """A breast on 180 x 120 mm, hanging from the left edge, 1.5 mm off at its skin and 2 at the edge."""
    row, column = (np.arange(size)[:, None] * 0.1 + 0.05 for size in (1800, 1200))
    inside = ((row - middle_mm) / (half_mm - 1.5)) ** 2 + (column.T / (depth_mm - 1.5)) ** 2 < 1
    inside[:, :20] = False
    return inside


def square(row_mm: float, column_mm: float, side_mm: float = 2.0) -> tuple[Any, Any]:
    rows, columns = (
        np.arange(round((at - side_mm / 2) * 10), round((at + side_mm / 2) * 10))
        for at in (row_mm, column_mm)
    )
    grid = np.meshgrid(rows, columns, indexing="ij")
    return grid[0].ravel(), grid[1].ravel()


def test_the_nipple_is_the_point_farthest_from_the_chest_wall() -> None:
    nipple = find_nipple(context_of(half_ellipse(middle_mm=90.0, depth_mm=70.0)))
    assert nipple is not None
    assert nipple.wall_is_left
    assert (nipple.row_mm, nipple.column_mm) == pytest.approx((90.0, 70.0), abs=0.2)
    mirrored = find_nipple(context_of(half_ellipse()[:, ::-1].copy(), orientation=["P", "R"]))
    assert mirrored is not None
    assert (mirrored.row_mm, mirrored.column_mm) == pytest.approx((90.0, 120.0 - 70.0), abs=0.2)


def with_second_tip() -> npt.NDArray[np.bool_]:
    return half_ellipse(60.0, half_mm=35.0) | half_ellipse(125.0, half_mm=35.0)


@pytest.mark.parametrize(
    ("breast", "values"),
    [
        (half_ellipse(), {"view": "XCCL"}),
        (half_ellipse(), {"view": None}),
        (half_ellipse(), {"orientation": ["P", "R"]}),  # the header says the other side
        (half_ellipse(), {"orientation": ["L", "P"]}),  # turned by a quarter
        (half_ellipse(depth_mm=150.0), {}),  # goes on beyond the field
        (half_ellipse(middle_mm=5.0), {}),  # its tip is cut off
        (with_second_tip(), {}),
        (np.pad(np.ones((1760, 600), bool), ((20, 20), (20, 580))), {}),  # flat
        (np.zeros((1800, 1200), bool), {}),
    ],
)
def test_where_the_outline_does_not_allow_it_nothing_is_said(
    breast: npt.NDArray[np.bool_], values: dict[str, Any]
) -> None:
    context = context_of(breast, **values)
    assert find_nipple(context) is None
    assert locate(square(80.0, 30.0), None, context) == Position()


@pytest.mark.parametrize(
    ("laterality", "view", "orientation", "row_mm", "side"),
    [
        # Rows that lead to the right lead inwards in a left breast, and outwards in a right one.
        ("L", "CC", ["A", "R"], 60.0, "outer"),
        ("L", "CC", ["A", "R"], 120.0, "inner"),
        ("R", "CC", ["A", "R"], 120.0, "outer"),
        ("L", "CC", ["A", "L"], 120.0, "outer"),
        ("L", "MLO", ["A", "FR"], 60.0, "upper"),
        ("L", "MLO", ["A", "FR"], 120.0, "lower"),
        ("L", "MLO", ["A", "H"], 120.0, "upper"),
        ("L", "CC", ["A", "R"], 90.0, None),  # on both sides
        ("L", "CC", None, 60.0, None),
        (None, "CC", ["A", "R"], 60.0, None),
    ],
)
def test_sides(
    laterality: str | None, view: str, orientation: list[str] | None, row_mm: float, side: str | None
) -> None:
    context = context_of(half_ellipse(), laterality=laterality, view=view, orientation=orientation)
    assert locate(square(row_mm, 30.0), find_nipple(context), context).side == side


@pytest.mark.parametrize(("column_mm", "depth"), [(15.0, "posterior"), (35.0, "middle"), (60.0, "anterior")])
def test_thirds_and_distance_by_hand(column_mm: float, depth: str) -> None:
    context = context_of(half_ellipse())
    nipple = Nipple(90.0, 70.0, 70.0, wall_is_left=True)
    found = locate(square(60.0, column_mm), nipple, context)
    assert found.depth == depth
    # Nearest corner of the square, at the detector; shown in the artery's plane.
    nearest = np.hypot(90.0 - 61.0, 70.0 - (column_mm + 1.0)) / 1.05
    assert found.nipple_distance_mm == pytest.approx(nearest, abs=0.15)


@pytest.mark.slow
def test_on_a_phantom_that_knows_its_nipple(coarse: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The farthest point of a rounded outline lies up to a centimetre beside a nipple: docs/outputs.md."""
    from bac_imaging.pipeline import prepare
    from bac_phantom import PhantomConfig, make_woman, woman

    true: list[tuple[float, float]] = []
    build = woman.build_anatomy

    def noted(*given: Any) -> Any:
        anatomy = build(*given)
        true.append(anatomy.nipple_mm)
        return anatomy

    monkeypatch.setattr(woman, "build_anatomy", noted)
    views = make_woman(900, PhantomConfig(look="raw", detectors=(coarse,))).views
    for view, (row_mm, depth_mm) in zip(views, true, strict=True):
        if view.view == "MLO" and view.laterality == "L":
            context = prepare(view.encode()).context
            found = find_nipple(context)
            assert found is not None
            assert found.row_mm == pytest.approx(row_mm, abs=10.0)
            assert found.depth_mm == pytest.approx(depth_mm, abs=5.0)
