from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bac_evaluation import run as evaluation
from bac_evaluation.dataset import Dataset, read_dataset
from bac_evaluation.report import schema
from bac_evaluation.settings import Settings
from bac_evaluation.work import measure_all
from bac_training.network.backends import Segmenter, load_segmenter
from bacctl.cli.app import app

Pixels = np.ndarray[Any, np.dtype[Any]]

ANY = Path("any.onnx")


def bright(tiles: Pixels) -> Pixels:
    """A network that calls every pixel above 2.5 local standard deviations BAC."""
    return np.asarray(1 / (1 + np.exp(-4 * (tiles - 2.5))), dtype=np.float32)


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Segmenter("0" * 64, 0.5, "made", bright)
    monkeypatch.setattr(evaluation, "load_segmenter", lambda path: made)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two women; films with an artery of 7 x 159 pixels of 0.2 mm, without one, and no image at all."""
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:500, :320]
    breast = ((row - 250) / 200) ** 2 + (column / 230) ** 2 < 1
    artery = (abs(column - 100) < 4) & (abs(row - 250) < 80)
    images = []
    for name, mask in (("with", artery), ("without", np.zeros_like(artery)), ("broken", artery)):
        pixels = 20 + 100 * breast + 6 * rng.normal(size=breast.shape) * breast + 90 * mask
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{name}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{name}.mask.png")
        entry = {
            "path": f"{name}.png",
            "mask": f"{name}.mask.png",
            "pixel_spacing_mm": [0.2, 0.2],
            "laterality": "R" if name == "without" else "L",
            "view": "MLO" if name == "broken" else "CC",
            "look": "film",
            "density": "B",
            "thickness_mm": 45.0,
            "hard_negatives": [] if name == "with" else ["clip", "clip"],
            "arteries": [{"magnification": 1.0}] if mask.any() else [],
        }
        mass = 5.0 if mask.any() else 0.0
        images.append(entry | {"calcium_mass_mg": mass, "area_mm2": float(mask.sum()) * 0.04})
    (folder / "broken.png").write_bytes(b"no image")
    women = [
        {
            "study_instance_uid": f"2.25.{number}",
            "calcium_mass_mg": mass,
            "breasts": {"L": mass, "R": 0.0},
            "images": own,
        }
        for number, mass, own in ((1, 5.0, [images[0], images[2]]), (2, 0.0, [images[1]]))
    ]
    (folder / "truth.json").write_text(json.dumps({"seed": 7, "women": women}))
    return folder


def test_whole_images_are_measured_as_they_are_served(dataset: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = evaluation.run(
        dataset, tmp_path / "out", ANY, processes=1, draws=20,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    found = {group: {name: e.value for name, e in of.items()} for group, of in report.figures.items()}
    # The broken image had an artery: nothing found is a miss, though not of the woman.
    assert (found["detection"]["view_sensitivity"], found["detection"]["view_specificity"]) == (0.5, 1.0)
    assert (found["detection"]["woman_sensitivity"], found["detection"]["woman_f1"]) == (1.0, 1.0)
    assert found["vessels"]["sensitivity"] == 0.5
    assert found["vessels"]["false_per_view"] == 0
    assert 0.45 < found["segmentation"]["dice_2mg"] <= 0.5
    assert found["segmentation"]["line_recall"] == pytest.approx(0.5, abs=0.01)
    assert found["segmentation"]["line_precision"] == pytest.approx(1.0, abs=0.01)
    # Films give no mass: no category either, though "nothing found" is known of the second woman.
    assert found["mass"]["woman_slope"] is None
    assert found["categories"]["exact"] is None
    assert report.data["refused"] == {"BAC-FILE-NOT-IMAGE": 1}
    assert report.data["failed"] == {}
    clips = next(part for part in report.strata["hard negative"] if part.name == "clip")
    assert (clips.count, clips.positives, clips.figures["false_vessels"].value) == (2, 1, 0.0)


def test_the_report_is_written_by_its_schema(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = evaluation.run(dataset, out, ANY, processes=1, draws=20)
    written = json.loads((out / "report.json").read_text())
    jsonschema.validate(written, schema())
    assert written == json.loads(json.dumps(report.to_dict()))
    assert written["intended_use"] == "research use only"
    page = (out / "report.md").read_text()
    assert "2 women, 3 views, 2 with BAC; 1 refused (BAC-FILE-NOT-IMAGE) and 0 failed" in page
    pictures = {path.name for path in (out / "pictures").iterdir()}
    # Of the broken image no picture can be drawn, and without masses there is no plot of them.
    assert pictures == {"froc.png", "reliability.png", "best-01.png"}
    # Two measured views, one of them with BAC; without a map their scores are judged.
    told = written["probability"]
    assert (told["basis"], told["image"]["cases"], told["image"]["positives"]) == ("score", 2, 1)
    assert "## Operating points" in page
    findings = (out / "finds.jsonl").read_text().splitlines()
    assert [json.loads(line)["is_true"] for line in findings[1:]] == [True, True, False]
    every = told["points"][0]
    # At point 0 the table says what the figures say: the broken image's artery was not found.
    assert (every["found"], every["positives"], every["flagged"], every["negatives"]) == (1, 2, 0, 1)
    assert all(f"](pictures/{name})" in page for name in pictures)
    women = list(csv.DictReader((out / "women.csv").open()))
    assert [(w["woman"], w["true_mg"], w["mg"], w["true_category"]) for w in women] == [
        ("2.25.1", "5.0000", "", ""),
        ("2.25.2", "0.0000", "", ""),
    ]


def test_a_report_is_written_though_images_fail(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Segmenter("0" * 64, 0.5, "made", lambda tiles: tiles[:, 0])
    monkeypatch.setattr(evaluation, "load_segmenter", lambda path: failing)
    out = tmp_path / "out"
    (out / "pictures").mkdir(parents=True)
    (out / "pictures" / "mine.png").write_bytes(b"")
    report = evaluation.run(dataset, out, ANY, processes=1, draws=5)
    assert report.data["failed"] == {"BAC-INTERNAL": 2}
    assert "1 refused (BAC-FILE-NOT-IMAGE) and 2 failed (BAC-INTERNAL)" in (out / "report.md").read_text()
    assert report.figures["segmentation"]["dice"].value == 0
    # No picture of what cannot be measured, and what others left there stays.
    assert {path.name for path in (out / "pictures").iterdir()} == {"froc.png", "mine.png"}


@pytest.mark.slow
def test_an_interrupted_evaluation_goes_on(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = evaluation.run(dataset, out, ANY, processes=1, draws=5)
    lines = (out / "rows.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    # Killed in the midst of the third row.
    (out / "rows.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:50])
    counted: list[tuple[int, int]] = []
    again = evaluation.run(
        dataset, out, ANY, processes=1, draws=5, resume=True,
        progress=lambda done, total: counted.append((done, total)),
    )  # fmt: skip
    assert counted == [(2, 3), (3, 3)]
    assert again.to_dict() == first.to_dict()
    assert (out / "rows.jsonl").read_bytes() == b"".join(lines)


def test_resume_refuses_rows_of_something_else(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    empty = Dataset(dataset, (), 7, read_dataset(dataset).sha256)
    first = Segmenter("0" * 64, 0.5, "made", bright)
    measure_all(empty, ANY, first, Settings.of(first), out / "rows.jsonl")

    def refused(*options: str) -> str:
        before = (out / "rows.jsonl").read_bytes()
        done = CliRunner().invoke(app, ["evaluate", str(dataset), "--report", str(out), "--resume", *options])
        assert done.exit_code == 1
        assert (out / "rows.jsonl").read_bytes() == before
        (line,) = done.stderr.splitlines()
        assert line.endswith("give --report another folder, or leave out --resume to start anew")
        return line

    assert "rows.jsonl holds rows of another setting; " in refused("--threshold", "0.4")
    other = Segmenter("1" * 64, 0.5, "made", bright)
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "load_segmenter", lambda path: other)
        assert "rows of another model; " in refused()
        (dataset / "truth.json").write_text((dataset / "truth.json").read_text() + "\n")
        assert "rows of another data set and another model; " in refused()
    (out / "rows.jsonl").write_text("[]\n")
    done = CliRunner().invoke(app, ["evaluate", str(dataset), "--report", str(out), "--resume"])
    assert "rows.jsonl is damaged; evaluate without --resume" in done.stderr


@pytest.mark.slow
def test_worker_processes_measure_the_same(dataset: Path, tmp_path: Path) -> None:
    """With the network that is served: what works in another process has to find its own."""
    model, settings = evaluation.served_model(), Settings(0.5)
    data = read_dataset(dataset)
    segmenter = load_segmenter(model, threads=1)
    here, there = (
        measure_all(data, model, segmenter, settings, tmp_path / f"{count}.jsonl", processes=count)
        for count in (1, 2)
    )
    assert there == here
    assert list(there) == ["with.png", "broken.png", "without.png"]
    assert there["broken.png"].result["code"] == "BAC-FILE-NOT-IMAGE"
