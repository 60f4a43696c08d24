"""Plain images of digital mammograms as DICOM FOR PRESENTATION; real images with the network that serves."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from typer.testing import CliRunner

from bac_imaging.pipeline import prepare
from bac_phantom import PhantomConfig, write_dataset
from bac_terms.errors import RefusedError
from bac_training.data.digital import as_presentation
from bac_training.data.truth import View
from bacctl.cli.app import app

REAL = Path(__file__).parents[3] / "shared" / "mammograms" / "real"


def encoded(pixels: np.ndarray[Any, np.dtype[Any]], kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def test_the_header_says_what_is_known_and_nothing_else() -> None:
    pixels = np.arange(100 * 81, dtype=np.uint16).reshape(100, 81)
    view = View("a.png", "", None, (0.07, 0.07), laterality="R", view="MLO")
    told = pydicom.dcmread(io.BytesIO(as_presentation(encoded(pixels), view)))
    assert np.array_equal(told.pixel_array, pixels)
    assert (told.Modality, told.PresentationIntentType) == ("MG", "FOR PRESENTATION")
    assert told.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.2"
    assert list(told.ImagerPixelSpacing) == [0.07, 0.07]
    assert (told.ImageLaterality, told.ViewPosition) == ("R", "MLO")
    # 8099 takes 13 bits.
    assert (told.BitsAllocated, told.BitsStored, told.HighBit) == (16, 13, 12)
    assert told.PhotometricInterpretation == "MONOCHROME2"
    for unknown in ("KVP", "BodyPartThickness", "WindowCenter", "Manufacturer", "LossyImageCompression"):
        assert unknown not in told
    bare = pydicom.dcmread(
        io.BytesIO(as_presentation(encoded(pixels.astype(np.uint8), "JPEG"), View("a.jpg", "")))
    )
    assert (bare.BitsAllocated, bare.BitsStored, bare.LossyImageCompression) == (8, 8, "01")
    assert not {"ImagerPixelSpacing", "ImageLaterality", "ViewPosition"} & set(bare.dir())


def test_colour_and_torn_files_keep_their_codes() -> None:
    colour = np.zeros((100, 100, 3), dtype=np.uint8)
    colour[..., 0] = 200
    with pytest.raises(RefusedError) as refused:
        as_presentation(encoded(colour), View("a.png", ""))
    assert refused.value.code == "BAC-COLOUR"
    with pytest.raises(RefusedError) as refused:
        as_presentation(encoded(np.zeros((100, 100), dtype=np.uint8))[:60], View("a.png", ""))
    assert refused.value.code == "BAC-FILE-TRUNCATED"


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The views of one woman for presentation, as PNG with labels."""
    made = tmp_path_factory.mktemp("phantom")
    write_dataset(made, 1, 71, PhantomConfig(look="presentation"))
    out = tmp_path_factory.mktemp("labelled")
    (woman,) = json.loads((made / "truth.json").read_text())["women"]
    with (out / "images.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "label", "kind", "pixel_spacing_mm", "view", "patient"))
        for number, entry in enumerate(woman["images"][:2]):
            dicom = pydicom.dcmread(made / entry["path"])
            pixels = dicom.pixel_array
            if dicom.PhotometricInterpretation == "MONOCHROME1":
                pixels = pixels.max() - pixels
            Image.fromarray(pixels).save(out / f"{number}.png")
            label = "positive" if entry["calcium_mass_mg"] else "negative"
            told = f"{entry['laterality']}-{entry['view']}"
            writer.writerow((f"{number}.png", label, "digital", dicom.ImagerPixelSpacing[0], told, "W1"))
            shutil.copy(made / entry["path"], out / f"{number}.dcm")
    return out


@pytest.mark.slow
def test_a_plain_copy_is_prepared_like_its_dicom_object(phantom: Path) -> None:
    own = prepare((phantom / "0.dcm").read_bytes())
    header = pydicom.dcmread(phantom / "0.dcm", stop_before_pixels=True)
    view = View("0.png", "", None, (float(header.ImagerPixelSpacing[0]),) * 2)
    copy = prepare(as_presentation((phantom / "0.png").read_bytes(), view))
    assert copy.context.presentation_intent == "FOR PRESENTATION"
    assert copy.context.pixel_spacing_mm == own.context.pixel_spacing_mm
    # The window only scales, and local normalisation takes that out.
    both = own.breast & copy.breast
    assert both.sum() > 0.98 * max(own.breast.sum(), copy.breast.sum())
    assert np.corrcoef(own.normalised[both], copy.normalised[both])[0, 1] > 0.99


def judged(folder: Path, out: Path) -> dict[str, Any]:
    done = CliRunner().invoke(
        app, ["evaluate", str(folder), "--report", str(out), "--processes", "2", "--quiet"]
    )
    assert done.exit_code == 0, done.output
    return dict(json.loads((out / "report.json").read_text()))


@pytest.mark.slow
def test_phantom_views_with_the_network_that_serves(phantom: Path, tmp_path: Path) -> None:
    report = judged(phantom, tmp_path / "out")
    (whole, part) = report["groups"]
    assert (whole["name"], part["kind"]) == ("digital", "digital")
    assert [image["status"] for image in report["images"]] == ["ok", "ok"]
    # Right on its own phantom: found where BAC was put in, and nowhere else.
    assert [image["found"] for image in report["images"]] == [
        image["label"] == "positive" for image in report["images"]
    ]


@pytest.mark.slow
def test_real_images_of_each_kind(tmp_path: Path) -> None:
    if not REAL.is_dir():
        pytest.skip("no real mammograms here")
    names = ("nyu_birads__L-CC.png", "mias__mdb133.png", "monai__sample_B3.jpg")
    with (REAL / "images.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["image"] in names]
    for name in names:
        shutil.copy(REAL / name, tmp_path / name)
    with (tmp_path / "images.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    shutil.copy(REAL / "centre_lines.json", tmp_path)
    report = judged(tmp_path, tmp_path / "out")
    groups = {(group["name"], group["kind"]): group for group in report["groups"]}
    digital, film = groups["digital", None], groups["film", None]
    assert digital["views"] == {"negative": 1, "positive": 0, "uncertain": 1}
    assert digital["measured"] == 1
    assert (film["views"]["positive"], film["found"]) == (1, 1)
    # The drawn lines measure 11 cm; today's networks cover more than half of them.
    assert film["line_mm"] == pytest.approx(112, abs=2)
    assert film["figures"]["line_recall"]["value"] > 0.5
