"""Images with labels and without masks: what is counted is known by hand, from how they were made."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bac_evaluation.real import run as real_run
from bac_evaluation.real.page import to_markdown
from bac_evaluation.real.report import schema
from bac_training.data.labelled import kind_group, read_labelled
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter
from bacctl.cli.app import app

Pixels = np.ndarray[Any, np.dtype[Any]]
Evaluate = Callable[..., dict[str, Any]]

MM = 0.2
# In the breast: distances are not told, so those of a usual unit and 50 mm are assumed.
MM2_PER_PIXEL = MM**2 * ((660 - 20 - 25) / 660) ** 2
COLUMNS = ("image", "label", "kind", "source", "patient", "view", "pixel_spacing_mm")


def bright(tiles: Pixels) -> Pixels:
    """A network that calls every pixel above 2.5 local standard deviations BAC."""
    return np.asarray(1 / (1 + np.exp(-4 * (tiles - 2.5))), dtype=np.float32)


def blind(tiles: Pixels) -> Pixels:
    """A network that sees nothing."""
    return np.zeros_like(tiles)


def draw(path: Path, *, line: int | None = 100, deep: type[np.generic] = np.uint8) -> None:
    """A breast of 200 x 230 pixels of 0.2 mm at the left border; seven columns by 159 rows of it bright."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:500, :320]
    breast = ((row - 250) / 200) ** 2 + (column / 230) ** 2 < 1
    pixels = 20 + 100 * breast + 6 * rng.normal(size=breast.shape) * breast
    if line is not None:
        pixels = pixels + 90 * ((abs(column - line) < 4) & (abs(row - 250) < 80))
    scale = 1 if deep is np.uint8 else 16
    Image.fromarray((np.clip(pixels, 0, 255) * scale).astype(deep)).save(path)


def listed(folder: Path, *rows: Mapping[str, str]) -> None:
    with (folder / "images.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A woman without BAC whose one view is marked, one of a digital image, one with an artery; and torn."""
    folder = tmp_path / "real"
    folder.mkdir()
    draw(folder / "marked.png")
    for name in ("clean.png", "digital.png"):
        draw(folder / name, line=None)
    draw(folder / "artery.png")
    draw(folder / "maybe.png")
    (folder / "torn.png").write_bytes(b"torn")
    film = {"kind": "film", "pixel_spacing_mm": "0.2"}
    listed(
        folder,
        {"image": "marked.png", "label": "negative", "patient": "P1", "source": "A a/b.png", **film},
        {"image": "clean.png", "label": "negative", "patient": "P1", "source": "A a/c.png", **film},
        {"image": "torn.png", "label": "negative", "patient": "P2", "source": "B", **film},
        {"image": "artery.png", "label": "positive", "patient": "P3", "source": "B", **film},
        {"image": "maybe.png", "label": "uncertain", "source": "B", **film},
        {"image": "digital.png", "label": "negative", "kind": "digital FFDM", "pixel_spacing_mm": "0.2"},
    )
    lines = {"mm_per_pixel": MM, "bac": [[[100, 171], [100, 329]], [[200, 171], [200, 329]]]}
    (folder / "centre_lines.json").write_text(json.dumps({"artery.png": lines}))
    return folder


@pytest.fixture
def evaluate(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluate:
    """Run the command with made networks, the blind one where the file is so named; return its report."""

    def load(path: Path) -> Segmenter:
        seeing = "blind" not in path.name
        return Segmenter(str(int(seeing)) * 64, 0.5, "made", bright if seeing else blind)

    monkeypatch.setattr(real_run, "load_segmenter", load)
    monkeypatch.setattr(real_run, "served_model", lambda: Path("any.onnx"))

    def run(*options: str, code: int = 0) -> dict[str, Any]:
        out = tmp_path / "report"
        done = CliRunner().invoke(
            app, ["evaluate", str(folder), "--report", str(out), "--processes", "1", *options]
        )
        assert done.exit_code == code, done.output
        if code:
            return {"error": done.stderr}
        report = json.loads((out / "report.json").read_text())
        jsonschema.validate(report, schema())
        return {**report, "text": done.stdout}

    return run


def group(report: Mapping[str, Any], name: str, source: str | None = None) -> dict[str, Any]:
    (found,) = (g for g in report["groups"] if g["name"] == name and g["source"] == source)
    return dict(found)


@pytest.mark.slow
def test_what_is_marked_is_counted_by_view_patient_and_source(evaluate: Evaluate, tmp_path: Path) -> None:
    report = evaluate()
    film = group(report, "film")
    assert film["views"] == {"negative": 3, "positive": 1, "uncertain": 1}
    assert film["patients"] == {"negative": 2, "positive": 1, "uncertain": 1}
    # The torn view is neither right nor wrong, but named.
    assert (film["measured"], film["flagged"], film["refused"]) == (2, 1, {"BAC-FILE-NOT-IMAGE": 1})
    assert (film["patients_measured"], film["patients_flagged"]) == (1, 1)
    figures = film["figures"]
    assert figures["views_flagged"]["value"] == 0.5
    # Both views are one patient's, who cannot tell how others vary.
    assert figures["views_flagged"]["low"] is None
    # One of two views holds a bar of 7 x 159 pixels, which lies 100 of 230 columns deep.
    assert figures["false_mm2"]["value"] == pytest.approx(7 * 159 * MM2_PER_PIXEL / 2, rel=0.03)
    assert figures["false_deep_mm2"]["value"] == figures["false_mm2"]["value"]
    assert figures["views_found"]["value"] == 1.0
    # Two lines as long as each other, one along the bar.
    assert film["line_mm"] == pytest.approx(2 * 158 * MM)
    assert figures["line_recall"]["value"] == pytest.approx(0.5, abs=0.002)
    assert figures["far_positive_mm2"]["value"] == 0.0
    # A file at the source is no source of its own.
    assert group(report, "film", "A")["figures"]["views_flagged"]["value"] == 0.5
    assert group(report, "film", "B")["figures"]["views_flagged"]["value"] is None
    assert group(report, "digital")["flagged"] == 0
    assert "1 of 2, 50 %" in report["text"]
    assert "1 film refused (BAC-FILE-NOT-IMAGE), 1 uncertain" in report["text"]
    assert (tmp_path / "report" / "report.md").read_text() == to_markdown(report)
    # Worst first: 31.8 mm of a missed line (the other is the bar) beats 38 mm2 of false mask only if longer.
    assert sorted(p.name for p in (tmp_path / "report" / "pictures").iterdir()) == [
        "worst-01-find-1.png",
        "worst-01.png",
        "worst-02-find-1.png",
        "worst-02.png",
    ]


@pytest.mark.slow
def test_distance_to_the_skin_line_parts_the_false_area(folder: Path, evaluate: Evaluate) -> None:
    # The bar's middle row is 250, where the skin is at column 230: bars 5.0 and 14.0 mm and more from it
    # there. Towards the bar's ends, 80 rows off, the skin is at column 230 * sqrt(1 - 0.4^2) = 211.
    draw(folder / "marked.png", line=190)
    film = group(evaluate(), "film")["figures"]
    whole = film["false_mm2"]["value"]
    assert whole > 0
    assert film["false_below_skin_mm2"]["value"] == pytest.approx(whole, rel=0.1)
    draw(folder / "marked.png", line=130)
    film = group(evaluate(), "film")["figures"]
    assert film["false_deep_mm2"]["value"] == pytest.approx(film["false_mm2"]["value"])


def test_a_corrected_reading_counts_and_its_reason_is_printed(evaluate: Evaluate, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(
        "image,label,reason,patient\n"
        'marked.png,uncertain,"a beaded line, perhaps an artery",\n'
        "maybe.png,positive,two calcified walls,P3\n"
        "digital.png,,,P3\n"
    )
    report = evaluate("--labels", str(table))
    film = group(report, "film")
    assert film["views"] == {"negative": 2, "positive": 2, "uncertain": 1}
    assert film["patients"]["positive"] == 1
    assert (film["measured"], film["flagged"], film["found"]) == (1, 0, 2)
    assert report["data"]["patients"] == 3
    assert "marked.png: uncertain, was negative; a beaded line, perhaps an artery" in report["text"]
    assert "| marked.png | negative | uncertain | a beaded line, perhaps an artery |" in to_markdown(report)
    # A patient with BAC on another image is no patient without it.
    digital = group(report, "digital")
    assert (digital["measured"], digital["patients_measured"]) == (1, 0)
    assert digital["patients"] == {"negative": 0, "positive": 1, "uncertain": 0}


def test_each_fold_is_judged_by_the_network_that_has_not_seen_it(evaluate: Evaluate, tmp_path: Path) -> None:
    table = tmp_path / "folds.csv"
    table.write_text(
        "patient,fold\nP1,a\nP2,a\nP3,b\nmaybe.png,b\ndigital.png,b\n",
    )
    options = ("--folds", str(table), "--fold-model", "a=blind.onnx", "--fold-model", "b=seeing.onnx")
    report = evaluate(*options)
    assert report["held_out"]
    assert [(m["fold"], m["sha256"][0], m["views"], m["patients"]) for m in report["models"]] == [
        ("a", "0", 3, 2),
        ("b", "1", 3, 3),
    ]
    film = group(report, "film")
    assert (film["flagged"], film["found"]) == (0, 1)
    assert "fold a: 3 views of 2 patients; model 000000000000" in report["text"]
    assert "| b | `111111111111` | 3 | 3 |" in to_markdown(report)
    # What one network saw is not carried over to another.
    swapped = ("--folds", str(table), "--fold-model", "a=seeing.onnx", "--fold-model", "b=blind.onnx")
    assert "another model" in evaluate(*swapped, "--resume", code=1)["error"]
    assert group(evaluate(*options, "--resume"), "film")["found"] == 1


@pytest.mark.parametrize(
    ("folds", "models", "expected"),
    [
        ("image,fold\nmarked.png,a\n", ["a=x"], "gives 5 images no fold: clean.png, torn.png"),
        ("patient,fold\nP1,a\n", ["a=x"], "gives 4 images no fold"),
        ("image,fold\nmarked.png,a\nclean.png,b\n", ["a=x", "b=y"], "the patient of clean.png has images in"),
        ("image,fold\nmarked.png,a\nmarked.png,b\n", ["a=x"], "line 3 puts marked.png in a second fold"),
        ("name,fold\nmarked.png,a\n", ["a=x"], "has neither a column image nor patient"),
        ("image,side\nmarked.png,a\n", ["a=x"], "has no column fold"),
        ("ALL", ["b=x"], "fold a has no network; give --fold-model a=FILE"),
        ("ALL", ["a=x", "a=y"], "fold a has a network already"),
        ("ALL", ["a"], "give FOLD=FILE"),
    ],
)
def test_bad_folds_are_told(
    folder: Path, evaluate: Evaluate, tmp_path: Path, folds: str, models: list[str], expected: str
) -> None:
    if folds == "ALL":
        names = [image.view.path for image in read_labelled(folder).images]
        folds = "image,fold\n" + "".join(f"{name},a\n" for name in names)
    table = tmp_path / "folds.csv"
    table.write_text(folds)
    options = [text for model in models for text in ("--fold-model", model)]
    assert expected in evaluate("--folds", str(table), *options, code=1)["error"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "image,label\nmarked.png,benign\n",
            "line 2: label is 'benign'; give negative, positive or uncertain",
        ),
        ("image,label\nmarked.png,\n", "line 2: label is empty"),
        ("image,label\n,negative\n", "line 2 has no image"),
        ("image,label\nlost.png,negative\n", "names 1 files that are missing: lost.png"),
        ("image,label\nmarked.png,negative\nmarked.png,negative\n", "names marked.png more than once"),
        ("image,label,pixel_spacing_mm\nmarked.png,negative,wide\n", "pixel_spacing_mm is 'wide'"),
        ("image,label\n", "has no line below its header"),
        ("label,kind\nnegative,film\n", "has no column image"),
        ("image,label\nmarked.png,negative\n", "names artery.png, which images.csv does not list"),
        ("image,label\nartery.png,negative\n", "draws BAC on artery.png, whose label is negative"),
        ("image,label,pixel_spacing_mm\nartery.png,positive,0.1\n", "says 0.2 mm a pixel of artery.png"),
    ],
)
def test_a_bad_list_is_told(folder: Path, evaluate: Evaluate, written: str, expected: str) -> None:
    (folder / "images.csv").write_text(written)
    error = evaluate(code=1)["error"]
    assert expected in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("image,label,reason\nmarked.png,uncertain,\n", "line 2 has no reason"),
        ("image,label,reason\nmarked.png,,seen\n", "line 2 changes nothing"),
        ("image,label,reason\nlost.png,uncertain,seen\n", "names lost.png, which images.csv does not list"),
        ("image,label,reason\nmarked.png,maybe,seen\n", "label is 'maybe'"),
        ("image,label\nmarked.png,uncertain\n", "has no column reason"),
        (
            "image,label,reason\nmarked.png,uncertain,seen\nmarked.png,positive,seen\n",
            "line 3 names marked.png again",
        ),
        ("image,label,reason\nartery.png,negative,none\n", "draws BAC on artery.png"),
    ],
)
def test_bad_corrections_are_told(evaluate: Evaluate, tmp_path: Path, written: str, expected: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(written)
    assert expected in evaluate("--labels", str(table), code=1)["error"]


def test_many_faults_are_counted_one_line_each_and_cut_off(evaluate: Evaluate, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    lost = "".join(f"lost-{number}.png,uncertain,seen\n" for number in range(30))
    table.write_text(f"image,label,reason\n{lost}")
    told = evaluate("--labels", str(table), code=1)["error"].splitlines()
    assert "30 problems in the data; nothing was evaluated" in told[0]
    assert "line 2 names lost-0.png" in told[1]
    assert len(told) == 22
    assert told[-1].endswith("and 10 more")


def test_wrong_usage(folder: Path, evaluate: Evaluate, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("image,fold\n")
    model = tmp_path / "m.onnx"
    model.touch()
    evaluate("--folds", str(table), code=2)
    evaluate("--fold-model", "a=x", code=2)
    evaluate("--folds", str(table), "--fold-model", "a=x", "--model", str(model), code=2)
    (folder / "images.csv").write_text("image,mask\n")
    evaluate("--labels", str(table), code=2)


def test_a_missing_spacing_is_a_refusal(folder: Path, evaluate: Evaluate) -> None:
    (folder / "centre_lines.json").unlink()
    (folder / "images.csv").write_text(
        "image,label,kind\nclean.png,negative,film\ndigital.png,negative,FFDM\n"
    )
    report = evaluate()
    for name in ("film", "digital"):
        assert group(report, name)["refused"] == {"BAC-SPACING-MISSING": 1}
        assert group(report, name)["figures"]["views_flagged"]["value"] is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("digital FFDM", "digital"),
        ("digital C-View synthetic 2D", "digital"),
        ("Digital", "digital"),
        ("CR", "digital"),
        ("film", "film"),
        ("digitised film", "film"),
        ("screen-film, digitized", "film"),
        ("digital phantom (VICTRE MC-GPU)", "simulated"),
        ("simulation", "simulated"),
        ("", "other"),
        ("unknown", "other"),
    ],
)
def test_kinds(kind: str, expected: str) -> None:
    assert kind_group(kind) == expected


@pytest.mark.parametrize(
    ("told", "side", "view"),
    [
        ("L-CC", "L", "CC"),
        ("RMLO", "R", "MLO"),
        ("right mlo", "R", "MLO"),
        ("MLO", None, "MLO"),
        ("see image", None, None),
        ("", None, None),
    ],
)
def test_views(tmp_path: Path, told: str, side: str | None, view: str | None) -> None:
    (tmp_path / "a.png").touch()
    listed(tmp_path, {"image": "a.png", "label": "negative", "view": told})
    (image,) = read_labelled(tmp_path).images
    assert (image.view.laterality, image.view.view) == (side, view)


def test_a_list_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "images.csv").write_text("image,label\r\n a.png ,Negative\r\n,\r\n", encoding="utf-8-sig")
    (image,) = read_labelled(tmp_path).images
    assert (image.view.path, image.label, image.patient) == ("a.png", "negative", "a.png")
    (tmp_path / "images.csv").write_text("image;label\na.png;negative\n")
    with pytest.raises(TrainingError, match="separated by semicolons"):
        read_labelled(tmp_path)
