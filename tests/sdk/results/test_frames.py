"""Results as tables of pandas and polars."""

import csv
import io
import math
import sys

import pandas
import polars
import pytest

from bacctl import ClientUsageError, ImageResult, RefusedError, to_frame
from bacctl.exam.build import build_exams
from bacctl.outputs.document import analysis_csv
from bacctl.results.frames import EXAM_COLUMNS, IMAGE_COLUMNS
from bacctl.testing import make_report

IMAGES = [
    ImageResult.from_report(
        make_report(
            laterality=side,
            view=view,
            calcium_mass_mg=mass,
            calcium_mass_interval_mg=[mass / 2, mass * 2],
            bac_detected=True,
            area_mm2=10.0,
            pixel_spacing_mm=[0.1, 0.2],
            warnings=[{"code": "BAC-W-LOSSY", "text": "a"}, {"code": "BAC-W-CLIPPED", "text": "b"}],
        )
    )
    for side, view, mass in (("L", "CC", 10.0), ("L", "MLO", 20.0), ("R", "CC", 40.0), ("R", "MLO", 40.0))
]
REFUSED = ImageResult.from_error(RefusedError("BAC-VIEW-SPOT", "a spot view", "send another"))


def rows(table, library):
    return table.to_dict("records") if library == "pandas" else table.to_dicts()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_images(library):
    table = to_frame([*IMAGES, REFUSED], library=library)
    assert list(table.columns) == list(IMAGE_COLUMNS)
    first, *_, last = rows(table, library)
    assert (first["calcium_mass_low_mg"], first["calcium_mass_high_mg"]) == (5.0, 20.0)
    assert (first["row_spacing_mm"], first["column_spacing_mm"]) == (0.1, 0.2)
    assert first["warnings"] == "BAC-W-LOSSY BAC-W-CLIPPED"
    assert first["intended_use"] == "research use only"
    assert (last["status"], last["code"]) == ("refused", "BAC-VIEW-SPOT")
    # Not assessed is missing, not zero.
    assert last["calcium_mass_mg"] is None or math.isnan(last["calcium_mass_mg"])
    assert last["bac_detected"] in (None, pandas.NA) or last["bac_detected"] is pandas.NA


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_types_do_not_depend_on_what_is_missing(library):
    full, empty, none = (to_frame(r, library=library) for r in (IMAGES, [REFUSED], []))
    assert list(full.dtypes) == list(empty.dtypes) == list(none.dtypes)
    assert len(none) == 0


def test_pandas_and_polars_say_the_same():
    one, other = to_frame(IMAGES), to_frame(IMAGES, library="polars")
    assert isinstance(one, pandas.DataFrame)
    assert isinstance(other, polars.DataFrame)
    assert one["calcium_mass_mg"].sum() == other["calcium_mass_mg"].sum() == 110.0


def test_vessels_are_counted_alike_everywhere():
    vessel = {"length_mm": 1.0, "area_mm2": 1.0, "mean_width_mm": 1.0, "calcium_mass_mg": 1.0}
    listed = make_report(bac_detected=True, vessels=[{**vessel, "bbox_px": [0, 0, 1, 1]}])
    reports = (listed, make_report(bac_detected=True), make_report())
    images = [*map(ImageResult.from_report, reports), REFUSED]
    counts = [1, None, 0, None]  # listed, found but not listed, none found, not measured
    assert [image.vessel_count for image in images] == counts
    assert to_frame(images, library="polars")["vessel_count"].to_list() == counts
    rows = csv.DictReader(io.StringIO(analysis_csv(images)))
    assert [row["vessels"] for row in rows] == ["1", "", "0", ""]
    views = [build_exams([image])[0].breasts["L"].by_view["CC"].vessel_count for image in images[:3]]
    assert views == counts[:3]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_exams(library):
    (exam,) = build_exams(IMAGES)
    table = to_frame([exam], library=library)
    assert list(table.columns) == list(EXAM_COLUMNS)
    (row,) = rows(table, library)
    # Left: the mean of 10 and 20; right: 40; the woman: their sum.
    assert (row["left_calcium_mass_mg"], row["right_calcium_mass_mg"]) == (15.0, 40.0)
    assert (row["calcium_mass_mg"], row["mass_category"], row["images"]) == (55.0, "40-60", 4)
    images = exam.to_frame(library=library)
    assert list(images.columns) == list(IMAGE_COLUMNS)
    assert len(images) == 4


def test_both_kinds_and_unknown_libraries():
    (exam,) = build_exams(IMAGES)
    with pytest.raises(ClientUsageError, match="not of both"):
        to_frame([*IMAGES, exam])
    with pytest.raises(ClientUsageError, match="'excel'"):
        to_frame(IMAGES, library="excel")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_library_that_is_not_installed(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ClientUsageError, match=f"pip install {library}"):
        to_frame(IMAGES, library=library)
