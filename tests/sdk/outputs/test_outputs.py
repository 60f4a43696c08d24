"""Files that an analysis leaves: their names, that they are whole, and what they show."""

from __future__ import annotations

import csv
import io
import json
import os
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from bac_imaging.files import write_whole
from bacctl.drawing.overlay import overlay_png
from bacctl.outputs.document import analysis_csv, analysis_document, document_text
from bacctl.outputs.files import NameTable, safe_name
from bacctl.outputs.mask import mask_png
from bacctl.results import ImageResult, Notice, Vessel
from bacctl.wording import escaped, milligrams


def found(**values: object) -> ImageResult:
    """An image with a finding, on a matrix of 60 rows and 40 columns."""
    mask = np.zeros((60, 40), bool)
    mask[20:24, 5:30] = True
    settings: dict[str, object] = {
        "status": "ok",
        "sop_instance_uid": "1.2.3",
        "study_instance_uid": "1.2",
        "laterality": "L",
        "view": "CC",
        "rows": 60,
        "columns": 40,
        "bac_detected": True,
        "bac_probability": 0.9,
        "calcium_mass_mg": 12.5,
        "calcium_mass_interval_mg": (10.0, 15.0),
        "mass_basis": "calibrated",
        "area_mm2": 1.0,
        "length_mm": 2.5,
        "vessels": (Vessel(2.5, 1.0, 0.4, 12.5, (20, 5, 24, 30)),),
        "pixel_spacing_mm": (0.1, 0.1),
        "spacing_source": "ImagerPixelSpacing",
        "magnification": 1.0,
        "path": Path("a.dcm"),
        "mask": mask,
    }
    return ImageResult(**{**settings, **values})  # type: ignore[arg-type]


def test_mask_has_the_stored_matrix_and_two_values() -> None:
    with Image.open(io.BytesIO(mask_png(found().mask))) as png:  # type: ignore[arg-type]
        assert png.mode == "L"
        assert png.size == (40, 60)
        pixels = np.asarray(png)
        assert "esearch use only" in png.info["Description"]
    assert set(np.unique(pixels)) == {0, 255}
    # Half-open rows 20 to 24 and columns 5 to 30, row first.
    assert np.argwhere(pixels == 255).min(0).tolist() == [20, 5]
    assert np.argwhere(pixels == 255).max(0).tolist() == [23, 29]


@pytest.mark.parametrize("shape", [(60, 40), (3000, 1200), (1200, 3000), (3, 2000)])
def test_overlay_fits_a_screen_and_has_a_legend_below(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, bool)
    mask[1:2, 10:30] = True
    signal = np.linspace(0, 1, mask.size, dtype=np.float32).reshape(shape)
    with Image.open(io.BytesIO(overlay_png(signal, np.ones(shape, bool), mask, found()))) as png:
        assert png.mode == "RGB"
        assert max(png.width, png.height - 200) <= 2048
        picture_height = round(shape[0] * png.width / shape[1])
        assert png.height > picture_height


def test_overlay_outline_surrounds_the_mask_and_leaves_the_rest_grey() -> None:
    shape = (1000, 800)
    mask = np.zeros(shape, bool)
    mask[400:440, 200:600] = True
    signal = np.random.default_rng(0).normal(1, 0.1, shape).astype(np.float32)
    with Image.open(io.BytesIO(overlay_png(signal, np.ones(shape, bool), mask, found()))) as png:
        pixels = np.asarray(png).astype(int)[:1000]
    coloured = pixels[..., 0] - pixels[..., 2] > 100
    rows, columns = np.nonzero(coloured)
    assert 390 <= rows.min() < 400
    assert 440 <= rows.max() < 450
    assert 190 <= columns.min() < 200
    assert 600 <= columns.max() < 610
    # The calcium itself must not be painted over.
    assert not coloured[405:435, 205:595].any()
    outside = np.ones(shape, bool)
    outside[385:455, 185:615] = False
    assert (np.ptp(pixels[outside], axis=-1) == 0).all()


def test_overlay_survives_pixels_without_any_contrast_or_validity() -> None:
    shape = (50, 50)
    mask, empty = np.zeros(shape, bool), found(bac_detected=False)
    for signal in (np.full(shape, 7, np.float32), np.full(shape, np.nan, np.float32)):
        assert overlay_png(signal, np.ones(shape, bool), mask, empty)
        assert overlay_png(signal, np.zeros(shape, bool), mask, empty)


def test_overlay_refuses_a_mask_of_another_image() -> None:
    for mask in (found().mask, None):
        with pytest.raises(ValueError, match="same image"):
            overlay_png(np.zeros((9, 9), np.float32), np.ones((9, 9), bool), mask, found())


def test_document_follows_the_schema() -> None:
    schema = json.loads(files("bacctl").joinpath("schema/analysis-1.json").read_text())
    refused = ImageResult("refused", "BAC-FILE-EMPTY", "empty", path=Path("b.dcm"))
    document = analysis_document(
        [found(warnings=(Notice("BAC-W-CLIPPED", "x"),)), refused],
        [],
        skipped=3,
        server={"model": "ab" * 32, "triton": "2.51.0"},
    )
    jsonschema.validate(json.loads(document_text(document)), schema)
    unreached = analysis_document([refused], [], skipped=0, server=None)
    jsonschema.validate(json.loads(document_text(unreached)), schema)


def test_document_text_is_ascii_even_for_names_that_are_no_text() -> None:
    odd = Path(os.fsdecode(b"caf\xe9\n.dcm"))
    text = document_text(analysis_document([found(path=odd)], [], skipped=0, server=None))
    assert text.isascii()
    assert json.loads(text)["images"][0]["path"] == str(odd)


def test_csv_has_one_row_an_image_and_says_what_it_is_for() -> None:
    refused = ImageResult("refused", "BAC-FILE-EMPTY", "empty, really", path=Path("b.dcm"))
    rows = list(csv.DictReader(io.StringIO(analysis_csv([found(), refused]))))
    assert [row["status"] for row in rows] == ["ok", "refused"]
    assert rows[0]["calcium_mass_low_mg"] == "10.0"
    assert rows[0]["vessels"] == "1"
    assert rows[1]["calcium_mass_mg"] == rows[1]["bac_detected"] == rows[1]["vessels"] == ""
    assert rows[1]["reason"] == "empty, really"
    assert {row["intended_use"] for row in rows} == {"research use only"}


def test_names_come_from_uid_or_stem_and_never_twice() -> None:
    names = NameTable()
    nameless = found(sop_instance_uid=None, path=Path("x/film.v2.png"))
    assert names.stem(found()) == "1.2.3"
    assert names.stem(found()) == "1.2.3-2"
    assert names.stem(found()) == "1.2.3-3"
    assert names.stem(nameless) == "film.v2"
    assert names.take("1.2.3-2") == "1.2.3-2-2"


@pytest.mark.parametrize(
    ("wanted", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/abs", "_abs"),
        (".hidden", "hidden"),
        ("a\nb\0c", "a_b_c"),
        ("", "image"),
        ("..", "image"),
        ("Müller 1", "Müller 1"),
    ],
)
def test_safe_names_stay_in_their_folder(wanted: str, safe: str) -> None:
    assert safe_name(wanted) == safe


def test_safe_names_leave_room_for_kind_and_extension() -> None:
    assert len((safe_name("ü" * 500) + "-2.overlay.png").encode()) <= 255


def test_atomic_write_replaces_and_follows_the_umask(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")
    before = os.umask(0o022)
    try:
        write_whole(target, b"new")
    finally:
        os.umask(before)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(target, b"new")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_wording() -> None:
    assert milligrams(12.345, (10.0, 15.06)) == "12.3 [10.0, 15.1]"
    assert milligrams(None) == "-"
    assert escaped("a\nb\x1b[31m\udce9") == r"a\nb\x1b[31m\udce9"
