"""Tables of a run: Parquet read by others, CSV, and the shape of OMOP's imaging extension."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sdk.outputs.conftest import SECRET, Make

from bac_terms.device import Device
from bacctl.outputs.document import analysis_csv, exams_csv, vessels_csv
from bacctl.outputs.exam_files import Choices
from bacctl.outputs.tables import omop_tables, parquet_tables
from bacctl.results import ImageResult

pytest.importorskip("pyarrow")


def read(data: bytes) -> list[dict[str, object]]:
    from pyarrow import parquet

    rows: list[dict[str, object]] = parquet.read_table(io.BytesIO(data)).to_pylist()
    return rows


def test_one_row_an_image_a_vessel_an_exam(make_exam: Make) -> None:
    exam = make_exam(("LCC", "LMLO", "RCC", "RMLO"), refused="RMLO")
    files = parquet_tables(exam.images, [exam], Choices())
    rows = {name: read(data) for name, data in files.items()}
    images = rows["analysis-images.parquet"]
    assert [row["status"] for row in images] == ["ok", "ok", "ok", "refused"]
    assert images[0]["calcium_mass_mg"] == 10.0
    assert images[3]["calcium_mass_mg"] is None  # never zero
    assert images[3]["code"] == "BAC-VIEW-SPOT"
    vessels = rows["analysis-vessels.parquet"]
    assert [(row["vessel"], row["laterality"], row["view"]) for row in vessels] == [
        (1, "L", "CC"),
        (1, "L", "MLO"),
        (1, "R", "CC"),
    ]
    assert vessels[0]["nipple_distance_mm"] == 31.0
    assert (vessels[0]["first_row_px"], vessels[0]["end_column_px"]) == (100, 90)
    [woman] = rows["analysis-exams.parquet"]
    assert (woman["calcium_mass_mg"], woman["images"]) == (20.0, 4)


def test_parts_in_which_all_is_null_are_read_as_one(make_exam: Make, tmp_path: Path) -> None:
    from pyarrow import dataset

    empty = [ImageResult("refused", "BAC-VIEW-SPOT", "a spot view; send another")]
    exam = make_exam()
    for number, (images, exams) in enumerate([(empty, []), (list(exam.images), [exam])]):
        for name, data in parquet_tables(images, exams, Choices()).items():
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            (folder / f"part-{number}.parquet").write_bytes(data)
    counts = {
        folder.name: dataset.dataset(folder, format="parquet").to_table().num_rows
        for folder in tmp_path.iterdir()
        if folder.name.endswith("-images.parquet")
        or folder.name.endswith("-exams.parquet")
        or folder.name.endswith("-vessels.parquet")
    }
    assert counts == {
        "analysis-images.parquet": 5,
        "analysis-vessels.parquet": 4,
        "analysis-exams.parquet": 1,
    }
    table = dataset.dataset(tmp_path / "analysis-images.parquet").to_table()
    assert str(table.schema.field("calcium_mass_mg").type) == "double"
    assert str(table.schema.field("bac_detected").type) == "bool"


def test_polars_reads_them_too(make_exam: Make) -> None:
    polars = pytest.importorskip("polars")
    exam = make_exam()
    data = parquet_tables(exam.images, [exam], Choices())["analysis-images.parquet"]
    assert polars.read_parquet(io.BytesIO(data))["area_mm2"].sum() == pytest.approx(8.0)


def test_no_one_is_named_but_in_paths(make_exam: Make) -> None:
    exam = make_exam()
    rows = read(parquet_tables(exam.images, [exam], Choices())["analysis-images.parquet"])
    named = {name for row in rows for name, value in row.items() if SECRET in str(value)}
    assert named == {"path"}


def test_csv_of_vessels_and_exams(make_exam: Make) -> None:
    exam = make_exam()
    vessels = list(csv.DictReader(io.StringIO(vessels_csv(exam.images))))
    assert [float(row["calcium_mass_mg"]) for row in vessels] == [10.0] * 4
    assert vessels[0]["side"] == "outer"
    [woman] = csv.DictReader(io.StringIO(exams_csv([exam])))
    assert float(woman["calcium_mass_mg"]) == 20.0
    assert woman["missing_views"] == ""


@pytest.mark.parametrize("model", ["=1+1", "+1", "-1", "@x"])
def test_a_header_is_no_formula_in_a_spreadsheet(make_exam: Make, model: str) -> None:
    image = replace(make_exam().images[0], device=Device(model=model))
    [row] = csv.DictReader(io.StringIO(analysis_csv([image])))
    assert row["device_model"] == f"'{model}"


def test_omop(make_exam: Make) -> None:
    exam = make_exam(("LCC", "RCC"), refused="RCC")
    tables = {
        name: list(csv.DictReader(io.StringIO(data.decode())))
        for name, data in omop_tables(exam.images, Choices()).items()
    }
    [occurrence] = tables["omop-image_occurrence.csv"]
    assert occurrence["image_study_uid"] == exam.study_instance_uid
    assert occurrence["person_id"] == ""  # the site knows who it is
    features, measured = tables["omop-image_feature.csv"], tables["omop-measurement.csv"]
    assert [row["image_feature_event_id"] for row in features] == [row["measurement_id"] for row in measured]
    # Mass, area and length of the image, then of its one vessel.
    assert [float(row["value_as_number"]) for row in measured] == [10.0, 2.0, 5.0] * 2
    assert {row["measurement_source_value"] for row in measured} == {
        "DCM:112199",
        "DCM:112196",
        "SCT:410668003",
    }
    assert [row["image_finding_id"] for row in features] == ["", "", "", "1", "1", "1"]


def test_importing_bacctl_loads_none_of_it() -> None:
    import subprocess
    import sys

    rooms = {f"bacctl.outputs.{room}" for room in ("html", "tables", "fhir")}
    heavy = {"jinja2", "pyarrow", *rooms}
    program = f"import bacctl, sys; bacctl.Client; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
