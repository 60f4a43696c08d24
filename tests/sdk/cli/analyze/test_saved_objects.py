"""``bacctl analyze --save sr,seg,pm,sc,pr``: files of whole exams, all of them or none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from tests.sdk.cli.analyze.conftest import FakeClient, Run, film

from bac_imaging.read.attributes.header import Header
from bacctl._origin import read_origin
from bacctl.cli.archives import DICOM_KINDS
from bacctl.cli.commands.analyze import SAVE_KINDS
from bacctl.cli.saving.makers import EXAM_KINDS, MAKERS, RUN_MAKERS
from bacctl.outputs.dicom import KINDS
from bacctl.outputs.exam_files import ExamFile
from bacctl.results import ImageResult
from bacctl.sources import _OWN_SUFFIXES

pytest.importorskip("highdicom", reason="the extra dicom is not installed, or has no highdicom here")

from tests.sdk.outputs.dicom.women import STUDY, mammogram, result

ALL = "sr,seg,pm,sc,pr"


class DicomClient(FakeClient):
    """Finds the two vessels that the images of `women` have."""

    def result(self, path: Path) -> ImageResult:
        if path.suffix != ".dcm":
            return super().result(path)
        return replace(result(path), origin=read_origin(Header(pydicom.dcmread(path))))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = DicomClient()
    monkeypatch.setattr("bacctl.cli.connect.connect", lambda server, **_: fake)
    return fake


def folder_of(path: Path, *sides: str, **header: object) -> Path:
    path.mkdir()
    for side in sides:
        (path / f"{side}.dcm").write_bytes(mammogram(side, **header))
    return path


def test_all_kinds_are_written_and_listed(client: FakeClient, run: Run, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", "L", "R")
    code, out, _ = run("analyze", folder, "--save", f"{ALL},json,mask", "--out", "res", "--json")
    assert code == 0
    document = json.loads(out)
    listed = [path for image in document["images"] for path in image["files"].values()]
    listed += list(document["exams"][0]["files"].values())
    assert document["exams"][0]["files"] == {"sr": f"res/{STUDY}.sr.dcm"}
    assert {kind for image in document["images"] for kind in image["files"]} == {
        "mask",
        "seg",
        "pm",
        "sc",
        "pr",
    }
    assert sorted(os.listdir("res")) == sorted(
        [*(os.path.basename(path) for path in listed), "analysis.json"]
    )
    assert json.loads(Path("res/analysis.json").read_text()) == document
    for path in listed:
        if path.endswith(".dcm"):
            assert pydicom.dcmread(path).StudyInstanceUID == STUDY


def test_own_objects_are_not_analysed_again(client: FakeClient, run: Run, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", "L")
    assert run("analyze", folder, "--save", ALL, "--out", folder / "out")[0] == 0
    code, out, _ = run("analyze", folder, "--json")
    assert code == 0
    assert len(json.loads(out)["images"]) == 1


def test_files_of_an_earlier_run_are_replaced_and_told_of(
    client: FakeClient, run: Run, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "in", "L")
    where = ("analyze", folder, "--save", "sc,sr", "--out", "res")
    run(*where)
    first = pydicom.dcmread(f"res/{STUDY}.sr.dcm").SOPInstanceUID
    assert "2 files of an earlier run" in run(*where)[2]
    assert pydicom.dcmread(f"res/{STUDY}.sr.dcm").SOPInstanceUID != first


@pytest.mark.parametrize("full", ["write", "replace"])
def test_a_disk_that_fills_up_leaves_nothing_half_written(
    full: str, client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "in", "L", "R")
    written: list[int] = []

    def fill_up(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) == 4:
            os.ftruncate(descriptor, 100)
            raise OSError(28, "No space left on device")

    def no_replace(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    if full == "write":
        monkeypatch.setattr("bacctl.cli.saving.together.os.fsync", fill_up)
    else:
        monkeypatch.setattr("bacctl.cli.saving.together.os.replace", no_replace)
    code, out, err = run("analyze", folder, "--save", ALL, "--out", "res", "--json")
    assert code == 1
    assert [image["status"] for image in json.loads(out)["images"]] == ["ok", "ok"]
    assert err.count("No space left on device") == 1
    assert os.listdir("res") == []


def test_an_exam_that_no_object_can_be_made_of_costs_no_other(
    client: FakeClient, run: Run, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "in", "L")
    other = folder_of(tmp_path / "other", "R", StudyInstanceUID="1.2.826.0.1.8.8", PatientID="JANE" * 20)
    code, out, err = run("analyze", folder, other, "--save", "seg,sr", "--out", "res", "--json")
    assert code == 1
    assert len(json.loads(out)["exams"]) == 2
    (told,) = (line for line in err.splitlines() if "BAC-OUTPUT-HEADER" in line)
    assert told.startswith(
        f"{other}: no sr, seg: BAC-OUTPUT-HEADER: the header has no valid PatientID (R.dcm)"
    )
    assert "JANE" not in out + err
    assert len(os.listdir("res")) == 2


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ((), "no sr, seg, pm, sc, pr of 1 image that no exam"),
        (("--exam-per-folder",), "BAC-OUTPUT-NOT-DICOM"),
    ],
)
def test_images_that_are_no_dicom(
    flags: tuple[str, ...], told: str, client: FakeClient, run: Run, tmp_path: Path
) -> None:
    film(tmp_path / "in", "a")
    code, out, err = run("analyze", tmp_path / "in", "--save", ALL, "--out", "res", "--json", *flags)
    assert code == 1
    assert json.loads(out)["images"][0]["status"] == "ok"
    assert err.count(told) == 1
    assert os.listdir("res") == []


def test_an_empty_map_is_told_of(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DicomClient, "result", lambda self, path: result(path, weighed=False))
    folder = folder_of(tmp_path / "in", "L", "R")
    code, _, err = run("analyze", folder, "--save", "pm,sc", "--out", "res")
    assert code == 0
    assert "no pm of 1 exam: nothing was weighed" in err
    assert len(os.listdir("res")) == 2


def test_deidentified_files_have_other_names(client: FakeClient, run: Run, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", "L", "R")
    assert run("analyze", folder, "--save", ALL, "--deidentify", "--out", "res")[0] == 0
    names = os.listdir("res")
    assert len(names) == 9
    assert not any(name.startswith(STUDY) for name in names)
    stems = {name.split(".")[2] for name in names}
    assert len(stems) == 3  # of two images and the exam


def test_the_command_imports_no_library_before_it_is_needed() -> None:
    code = (
        "import sys, bacctl, bacctl.cli, bacctl.cli.app, bacctl.cli.saving.saver, bacctl.outputs.dicom\n"
        "loaded = {'highdicom', 'pydicom', 'dicomanonymizer', 'scipy'} & set(sys.modules)\n"
        "print(sorted(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_all_places_know_the_same_kinds() -> None:
    assert {*SAVE_KINDS} == {"json", "csv", "tables", "mask", "overlay", *RUN_MAKERS, *EXAM_KINDS}
    assert DICOM_KINDS == KINDS == MAKERS[0][0]
    assert {f".{kind}.dcm" for kind in KINDS} <= {*_OWN_SUFFIXES}


def test_a_maker_without_room_of_its_own_costs_no_other_file(
    client: FakeClient, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Iterator[ExamFile]:
        yield ExamFile("html", ".html", b"begun")
        raise OSError(28, "No space left on device", "/tmp/of-a-browser")

    makers = ((("html",), full), *(pair for pair in MAKERS if "html" not in pair[0]))
    monkeypatch.setattr("bacctl.cli.saving.saver.MAKERS", makers)
    folder = folder_of(tmp_path / "in", "L")
    code, _, err = run("analyze", folder, "--save", "html,fhir,json", "--out", "res")
    assert code == 1
    assert "no html: /tmp/of-a-browser: No space left on device" in err
    assert "cannot be written" not in err
    assert sorted(os.listdir("res")) == [f"{STUDY}.fhir.json", "analysis.json"]


@pytest.mark.parametrize(("kinds", "asked"), [("sr,pm", True), ("sr,seg,sc,pr,mask", False)])
def test_the_density_is_asked_for_where_a_map_is_wanted(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kinds: str, asked: bool
) -> None:
    told: list[object] = []
    monkeypatch.setattr(
        "bacctl.cli.connect.connect",
        lambda server, *, density=False: (told.append(density), DicomClient())[1],
    )
    run("analyze", folder_of(tmp_path / "in", "L"), "--save", kinds, "--out", "res")
    assert told == [asked]


def test_without_a_density_there_is_no_word_that_nothing_was_weighed(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Lean(DicomClient):
        def result(self, path: Path) -> ImageResult:
            return replace(super().result(path), density=None)

    monkeypatch.setattr("bacctl.cli.connect.connect", lambda server, **_: Lean())
    code, _, err = run("analyze", folder_of(tmp_path / "in", "L"), "--save", "pm", "--out", "res")
    assert code == 1
    assert "BAC-OUTPUT-NO-MASK: the result has no density" in err
    assert "nothing was weighed" not in err


def test_files_of_an_exam_have_one_name(client: FakeClient, run: Run, tmp_path: Path) -> None:
    code, _, err = run("analyze", folder_of(tmp_path / "in", "L"), "--save", "fhir,sr,html", "--out", "res")
    assert code == 0, err
    assert sorted(os.listdir("res")) == [f"{STUDY}.{end}" for end in ("fhir.json", "html", "sr.dcm")]


def test_a_prior_of_another_woman_is_in_no_picture(client: FakeClient, run: Run, tmp_path: Path) -> None:
    before = {"StudyInstanceUID": "1.2.826.0.1.7.77", "StudyDate": "20200101"}
    other = folder_of(tmp_path / "other", "L", PatientID="WOMAN-2", PatientBirthDate="", **before)
    assert run("analyze", other, "--save", "json", "--out", "other")[0] == 0
    args = ("--save", "sc,pr", "--prior", "other/analysis.json", "--out", "res")
    current = folder_of(tmp_path / "in", "L")
    code, _, err = run("analyze", current, *args)
    assert code == 1
    assert "BAC-COMPARE-PATIENT" in err
    assert os.listdir("res") == []
    # With its images gone nobody can check, and the picture says so.
    for path in other.iterdir():
        path.unlink()
    code, _, err = run("analyze", current, *args)
    assert code == 0, err
    (state,) = (path for path in Path("res").iterdir() if path.name.endswith(".pr.dcm"))
    words = pydicom.dcmread(state).GraphicAnnotationSequence[-1].TextObjectSequence[0].UnformattedTextValue
    assert "prior exam: " in words
    assert "whether it is of the same woman was not checked" in words


def test_deidentified_tables_hold_no_uid_or_path(client: FakeClient, run: Run, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "ANNA", "L")
    code, _, err = run(
        "analyze", folder, "--save", "csv,tables,sr,mask", "--deidentify", "--out", "res", "--exam-per-folder"
    )
    assert code == 0, err
    assert "--deidentify leaves mask as without it" in err
    tables = {path.name: path.read_text() for path in Path("res").glob("*.csv")}
    assert set(tables) == {"analysis.csv", "analysis-vessels.csv", "analysis-exams.csv"}
    (report,) = Path("res").glob("*.sr.dcm")
    for name, text in tables.items():
        assert STUDY not in text, name
        assert "ANNA" not in text, name
        assert "2.25." in text or "vessels" in name
    assert report.name.removesuffix(".sr.dcm") in tables["analysis.csv"]
