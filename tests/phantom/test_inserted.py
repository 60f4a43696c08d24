"""Arteries put into images that are not the phantom's own."""

import csv

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from typer.testing import CliRunner

from bac_backgrounds import BackgroundError, insert, read_background, write_inserted
from bac_phantom.inserted import draw_arteries
from bacctl.cli.app import app

PITCH_MM = 0.2
DRAWN = (draw_arteries, 0.5, (2.0, 80.0))


def background(dtype: type = np.uint8) -> np.ndarray:
    """A half ellipse of grey tissue at the right border of a dark film."""
    rows, columns = np.indices((600, 400))
    inside = ((rows - 300) / 250) ** 2 + ((columns - 400) / 330) ** 2 < 1
    noise = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal(inside.shape), 2)
    level = np.where(inside, 0.45 + 0.2 * noise, 0.02)
    return (np.clip(level, 0, 1) * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arteries_brighten_the_tissue_and_leave_the_rest_alone(dtype: type) -> None:
    before = background(dtype)
    result = insert(before, PITCH_MM, 12.0, np.random.default_rng(3), draw_arteries)
    assert result.pixels.dtype == dtype
    assert result.calcium_mass_mg == pytest.approx(12.0)
    assert result.mask.any()
    gain = result.pixels.astype(float) - before
    far = ~ndimage.binary_dilation(result.mask, iterations=20)
    # Plain stretches of the artery hold no calcium, so nothing changes there either.
    assert (gain[far] == 0).mean() > 0.99
    assert gain[result.mask].mean() > 0.02 * np.iinfo(dtype).max
    # Rounding aside, calcium only brightens.
    assert gain.min() >= -1
    # The breast ends at the right: arteries lie well under its skin.
    rows, columns = np.nonzero(result.mask)
    assert (((rows - 300) / 250) ** 2 + ((columns - 400) / 330) ** 2).max() < 1


@pytest.mark.slow
def test_a_folder_to_train_on_comes_out(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    Image.fromarray(background()).save(tmp_path / "real" / "a.png")
    table = write_inserted(tmp_path / "out", tmp_path / "real", 4, 5, PITCH_MM, *DRAWN)
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 4
    for row in rows:
        mask = np.asarray(Image.open(tmp_path / "out" / row["mask"]))
        assert mask.shape == np.asarray(Image.open(tmp_path / "out" / row["image"])).shape
        assert set(np.unique(mask)) <= {0, 255}
        assert row["pixel_spacing_mm"] == "0.2"


def test_arteries_of_the_other_generator_go_into_the_same_folder_form(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    Image.fromarray(background()).save(tmp_path / "real" / "a.png")
    options = [
        "--backgrounds",
        str(tmp_path / "real"),
        "--pixel-spacing",
        "0.2",
        "--women",
        "3",
        "--seed",
        "4",
    ]
    made = {}
    for generator in ("phantom", "randfield"):
        out = tmp_path / generator
        done = CliRunner().invoke(app, ["phantom", str(out), *options, "--generator", generator])
        assert done.exit_code == 0, done.output
        rows = list(csv.DictReader((out / "images.csv").open()))
        assert len(rows) == 3
        made[generator] = [np.asarray(Image.open(out / row["mask"])) for row in rows]
    assert any(mask.any() for mask in made["randfield"])
    assert not any(
        mask.any() and np.array_equal(mask, other) for mask, other in zip(*made.values(), strict=True)
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.png", b"no image", "a.png: cannot be read"),
        ("b.txt", b"text", "no .png"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BackgroundError, match=says):
        write_inserted(tmp_path / "out", tmp_path, 1, 0, PITCH_MM, *DRAWN)


def test_the_indices_of_a_palette_are_no_brightness(tmp_path) -> None:
    Image.fromarray(background()).convert("P").save(tmp_path / "a.png")
    with pytest.raises(BackgroundError, match=r"a\.png: not an 8- or 16-bit greyscale image"):
        read_background(tmp_path / "a.png")


@pytest.mark.parametrize(
    "options",
    [
        ["--backgrounds", "real"],
        ["--backgrounds", "real", "--pixel-spacing", "0.05", "--look", "raw"],
        ["--backgrounds", "real", "--pixel-spacing", "0.05", "--without", "rods"],
        ["--backgrounds", "real", "--pixel-spacing", "0.05", "--processes", "2"],
        ["--pixel-spacing", "0.05"],
    ],
)
def test_options_that_would_do_nothing_are_wrong_usage(tmp_path, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["phantom", str(tmp_path / "out"), *options])
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_a_black_image_holds_no_breast() -> None:
    with pytest.raises(BackgroundError, match="breast"):
        insert(np.zeros((300, 300), np.uint8), PITCH_MM, 5.0, np.random.default_rng(0), draw_arteries)
