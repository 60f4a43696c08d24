"""Reports, bundles and tables of a run, and a prior beside it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tests.sdk.cli.analyze.conftest import FakeClient, Run, film
from tests.sdk.outputs.conftest import Make, make_exam  # noqa: F401  # a fixture

from bac_terms.errors import RefusedError
from bacctl.cli.saving.prior import read_prior
from bacctl.exam.comparison import compare_exams
from bacctl.outputs.document import analysis_document, document_text
from bacctl.results import ExamResult


def document_of(exam: ExamResult, path: Path) -> Path:
    path.write_text(document_text(analysis_document(exam.images, [exam], skipped=0, server=None)))
    return path


def test_one_exam_in_every_form(client: FakeClient, run: Run, tmp_path: Path) -> None:
    film(tmp_path / "in", "a")
    film(tmp_path / "in", "refused")
    kinds = "html,fhir,tables,parquet,omop"
    save = ("--save", kinds, "--pixel-spacing", "0.1", "--exam-per-folder")
    code, out, _ = run("analyze", tmp_path / "in", *save)
    assert code == 1  # one image was refused; the report is there and says so
    assert "files written" in out
    assert sorted(os.listdir("bacctl-out")) == [
        "analysis-exams.csv",
        "analysis-exams.parquet",
        "analysis-images.parquet",
        "analysis-vessels.csv",
        "analysis-vessels.parquet",
        "exam.fhir.json",
        "exam.html",
        "omop-image_feature.csv",
        "omop-image_occurrence.csv",
        "omop-measurement.csv",
    ]
    page = Path("bacctl-out/exam.html").read_text()
    assert page.count("No accepted image of this view.") == 4
    assert "BAC-SPACING-MISSING" in page
    assert "in/a.png" not in page
    bundle = json.loads(Path("bacctl-out/exam.fhir.json").read_text())
    assert bundle["resourceType"] == "Bundle"
    # Once more: what stands there is replaced, and that is told.
    assert "files of an earlier run" in run("analyze", tmp_path / "in", *save)[2]


def test_a_package_that_is_missing_is_named(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    args = ("--save", "parquet,tables", "--pixel-spacing", "0.1")
    code, _, err = run("analyze", film(tmp_path / "in", "a"), *args)
    assert code == 1
    assert 'pip install "bacctl[tables]"' in err
    assert "analysis-vessels.csv" in os.listdir("bacctl-out")


def test_a_prior_is_of_one_exam(
    client: FakeClient,
    run: Run,
    tmp_path: Path,
    make_exam: Make,  # noqa: F811
) -> None:
    prior = document_of(make_exam(), tmp_path / "prior.json")
    film(tmp_path / "one", "a")
    film(tmp_path / "two", "a")
    args = ("--save", "html", "--exam-per-folder", "--pixel-spacing", "0.1", "--prior", prior)
    code, _, err = run("analyze", tmp_path / "one", tmp_path / "two", *args)
    assert code == 1
    assert "--prior is of one woman, and 2 exams were found" in err
    assert len([name for name in os.listdir("bacctl-out") if name.endswith(".html")]) == 2


def test_a_prior_that_is_none(client: FakeClient, run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    code, _, err = run(
        "analyze", film(tmp_path / "in", "a"), "--save", "html", "--prior", tmp_path / "x.json"
    )
    assert code == 1
    assert "BAC-COMPARE-EXAM" in err
    assert client.spacings == []  # before anything was measured


def test_whose_a_prior_is_comes_from_its_images(make_exam: Make, tmp_path: Path) -> None:  # noqa: F811
    other = make_exam(study="1.2.826.0.1.3680043.8.498.76", patient="SOMEBODY-ELSE")
    saved = document_of(other, tmp_path / "other.json")
    assert "SOMEBODY" not in saved.read_text()
    with pytest.raises(RefusedError) as refused:
        compare_exams(read_prior(saved), make_exam())
    assert refused.value.code == "BAC-COMPARE-PATIENT"
    for image in other.images:
        assert image.path is not None
        image.path.unlink()
    notices = compare_exams(read_prior(saved), make_exam()).notices
    assert "BAC-W-COMPARE-UNCHECKED" in {notice.code for notice in notices}
