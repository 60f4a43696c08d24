from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bac_evaluation.dataset import read_dataset
from bac_evaluation.measure import measure
from bac_evaluation.settings import Settings, read_settings
from bac_training.errors import TrainingError
from bac_training.network.backends import Segmenter
from bacctl.cli.app import app


def write(folder: Path, *names: str, size: tuple[int, int] = (40, 30)) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.fromarray(np.zeros(size, dtype=np.uint8)).save(folder / name)


def test_a_truth_file_tells_what_it_knows(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "a.mask.png", "b.png", "b.mask.png")
    full = {
        "path": "a.png",
        "mask": "a.mask.png",
        "laterality": "L",
        "view": "CC",
        "look": "presentation",
        "style": "multiscale",
        "density": "C",
        "thickness_mm": 51,
        "calcium_mass_mg": 3.5,
        "detector_pitch_mm": 0.07,
        "hard_negatives": ["rods", "clip", "rods"],
        "arteries": [
            {"outer_width_mm": 2.0, "visible_length_mm": 30.0, "magnification": 1.1},
            {"outer_width_mm": 1.0, "visible_length_mm": 10.0, "magnification": 1.3},
        ],
    }
    bare = {"path": "b.png", "mask": "b.mask.png"}
    women = [
        {"study_instance_uid": "1", "calcium_mass_mg": 3.5, "breasts": {"L": 3.5}, "images": [full]},
        {"study_instance_uid": "2", "images": [bare]},
    ]
    (tmp_path / "truth.json").write_text(json.dumps({"women": women}))
    first, second = read_dataset(tmp_path).women
    view = first.views[0]
    assert (view.look, view.density, view.thickness_mm) == ("presentation multiscale", "C", 51.0)
    assert view.hard_negatives == {"rods", "clip"}
    assert view.spacing_mm == (0.07, 0.07)
    assert view.options is None  # the pitch is truth, not an option of the pipeline
    assert view.magnification == pytest.approx(1.2)
    assert view.width_mm == pytest.approx((2.0 * 30 + 1.0 * 10) / 40)
    assert (second.mass_mg, second.views[0].mass_mg, second.views[0].hard_negatives) == (None, None, None)
    assert second.views[0].width_mm is None


def test_a_table_of_images_has_no_masses(tmp_path: Path) -> None:
    write(tmp_path, *(f"{name}{end}" for name in "abc" for end in (".png", ".mask.png")))
    (tmp_path / "images.csv").write_text(
        "image,mask,pixel_spacing_mm,woman\n"
        "a.png,a.mask.png,0.1,W1\nb.png,b.mask.png,0.1 0.2,W1\nc.png,c.mask.png,,\n"
    )
    dataset = read_dataset(tmp_path)
    assert [(woman.name, len(woman.views), woman.mass_mg) for woman in dataset.women] == [
        ("W1", 2, None),
        ("c.png", 1, None),
    ]
    assert [view.options for view in dataset.views] == [
        {"pixel_spacing_mm": [0.1, 0.1]},
        {"pixel_spacing_mm": [0.1, 0.2]},
        None,
    ]


def test_masks_and_images_that_do_not_fit_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a.mask.png", size=(20, 20))
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:500, :320]
    breast = ((row - 250) / 200) ** 2 + (column / 230) ** 2 < 1
    pixels = 20 + 100 * breast + 6 * rng.normal(size=breast.shape) * breast
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "images.csv").write_text("image,mask,pixel_spacing_mm\na.png,a.mask.png,0.2\n")
    (view,) = read_dataset(tmp_path).views
    network = Segmenter("0" * 64, 0.5, "made", np.zeros_like)
    with pytest.raises(TrainingError, match=r"a\.mask\.png has 20 x 20 pixels, its image 500 x 320"):
        measure(tmp_path, view, network, Settings(0.5))
    # A fault of the network is a failure, an image that is none a refusal.
    broken = Segmenter("0" * 64, 0.5, "made", lambda tiles: tiles[:, 0])
    row = measure(tmp_path, view, broken, Settings(0.5))
    assert (row.result["status"], row.result["code"]) == ("failed", "BAC-INTERNAL")
    (tmp_path / "a.png").write_bytes(b"no image")
    row = measure(tmp_path, view, network, Settings(0.5))
    assert (row.result["status"], row.result["code"]) == ("refused", "BAC-FILE-NOT-IMAGE")


@pytest.mark.parametrize("kind", ["labels", "palette"])
def test_a_mask_that_would_pass_for_empty_is_refused(tmp_path: Path, kind: str) -> None:
    label = Image.fromarray(np.eye(20, dtype=np.uint8))  # 0 and 1
    (label if kind == "labels" else label.convert("P")).save(tmp_path / "a.mask.png")
    write(tmp_path, "a.png", size=(20, 20))
    (tmp_path / "images.csv").write_text("image,mask,pixel_spacing_mm\na.png,a.mask.png,0.2\n")
    (view,) = read_dataset(tmp_path).views
    with pytest.raises(TrainingError, match=r"a\.mask\.png holds other values than 0 and 255"):
        measure(tmp_path, view, Segmenter("0" * 64, 0.5, "made", np.zeros_like), Settings(0.5))


def bad_inputs(tmp_path: Path) -> dict[str, tuple[list[str], str]]:
    empty, torn, lost, none, model = (
        tmp_path / name for name in ("empty", "torn", "lost", "none", "model.onnx")
    )
    for folder in (empty, torn, lost, none):
        folder.mkdir()
    (torn / "truth.json").write_text('{"women": [{"images"')
    entry = {"path": "a.dcm", "mask": "a.png"}
    (lost / "truth.json").write_text(json.dumps({"women": [{"study_instance_uid": "1", "images": [entry]}]}))
    (none / "truth.json").write_text(json.dumps({"women": []}))
    whole = tmp_path / "whole"
    write(whole, "a.png", "a.mask.png")
    (whole / "images.csv").write_text("image,mask\na.png,a.mask.png\n")
    model.write_bytes(b"no network")
    (tmp_path / "settings.json").write_text("{}")
    return {
        "no truth": ([str(empty)], "neither truth.json nor images.csv"),
        "torn": ([str(torn)], "is damaged"),
        "missing": ([str(lost)], "names 2 files that are missing: a.dcm, a.png"),
        "none": ([str(none)], "names no image"),
        "model": ([str(whole), "--model", str(model)], "model.onnx is not a network"),
        "settings": ([str(whole), "--settings", str(tmp_path / "settings.json")], "holds no settings"),
    }


@pytest.mark.parametrize("case", ["no truth", "torn", "missing", "none", "model", "settings"])
def test_bad_input_is_one_line(tmp_path: Path, case: str) -> None:
    arguments, expected = bad_inputs(tmp_path)[case]
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    assert done.exit_code == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert expected in line


def test_wrong_usage(tmp_path: Path) -> None:
    for arguments in (["--threshold", "1.5"], ["--resume"]):
        assert CliRunner().invoke(app, ["evaluate", str(tmp_path), *arguments]).exit_code == 2


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="min_lenght_mm"):
        Settings(0.5, {"min_lenght_mm": 4.0})
    with pytest.raises(TrainingError, match="not a probability"):
        Settings(1.0)
    path = tmp_path / "s.json"
    content = {"schema": "bac_training.settings/1", "threshold": 0.7, "post_processing": {"min_area_mm2": 3}}
    path.write_text(json.dumps(content))
    settings = read_settings(path)
    parameters = settings.parameters()
    assert (parameters.outline, parameters.min_area_mm2, parameters.seed) == (0.7, 3.0, 0.7)
    assert Settings(0.4, {"seed": 0.9}).parameters().seed == 0.9
