"""``--deidentify``: no UID, path or detector is left in page, bundle and tables, and all agree."""

from __future__ import annotations

import io
import json
import re

import pytest
from tests.sdk.outputs.conftest import SECRET, STUDY, Make

from bacctl.outputs.exam_files import Choices
from bacctl.outputs.fhir import fhir_files
from bacctl.outputs.html import html_files
from bacctl.outputs.tables import omop_tables, parquet_tables


def test_nothing_leads_back_and_all_agree(make_exam: Make) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    exam, choices = make_exam(), Choices(deidentify=True)
    [page] = html_files(exam, ["html"], choices)
    [bundle] = fhir_files(exam, ["fhir"], choices)
    files = {page.suffix: page.data, bundle.suffix: bundle.data, **omop_tables(exam.images, choices)}
    tables = parquet_tables(exam.images, [exam], choices)
    rows = parquet.read_table(io.BytesIO(tables["analysis-images.parquet"])).to_pylist()
    files["rows"] = json.dumps(rows).encode()
    for name, data in files.items():
        for told in (STUDY, SECRET, "0123456789abcdef"):
            assert told.encode() not in data, (name, told)
    study = rows[0]["study_instance_uid"]
    assert re.fullmatch(r"2\.25\.\d+", study)
    assert page.stem == bundle.stem == study
    assert study.encode() in bundle.data
    assert rows[0]["path"] is None
    assert rows[0]["device_manufacturer"] is not None  # which maker is no secret
