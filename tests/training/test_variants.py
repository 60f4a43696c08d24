"""Renderings of real images: what changes, and what must not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bac_training import variants
from bac_training.cache import BAC, read_cases
from bac_training.data.labelled import read_labelled
from bac_training.variants import VariantSource, process_again, visible

MM = 0.2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three breasts without BAC, of two patients, and one with a label that is uncertain."""
    real = tmp_path / "real"
    real.mkdir()
    rows = []
    for number, (label, kind) in enumerate(
        [("negative", "digital FFDM"), ("negative", "film"), ("negative", "film"), ("uncertain", "film")]
    ):
        rng = np.random.default_rng(number)
        row, column = np.mgrid[:500, :340]
        depth = 1 - ((row - 250) / 220) ** 2 - (column / 300) ** 2
        pixels = np.where(
            depth > 0, 60 + 80 * np.sqrt(np.clip(depth, 0, 1)) + 8 * rng.normal(size=depth.shape), 0
        )
        name = f"view-{number}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(real / name)
        rows.append([name, label, kind, f"{MM}", "one" if number < 2 else "two"])
    with (real / "images.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "label", "kind", "pixel_spacing_mm", "patient"], *rows])
    return real


def make(folder: Path, cache: Path, *more: str) -> int:
    return variants._main([str(cache), str(folder), "--variants", "4", "--inserted", "1", *more])


@pytest.mark.slow
def test_each_negative_image_is_shown_as_it_is_and_in_other_ways(folder: Path, tmp_path: Path) -> None:
    assert make(folder, tmp_path / "cache") == 0
    cases = {case.name: case for case in read_cases(tmp_path / "cache")}
    assert set(cases) == {f"view-{number}-v{variant}" for number in range(3) for variant in range(4)}
    # Arteries are put into all renderings but the first, which stays without BAC.
    assert all(cases[f"view-{number}-v0"].bac_px == 0 for number in range(3))
    with_bac = [name for name, case in cases.items() if case.bac_px]
    assert len(with_bac) >= 6
    planes = np.load(tmp_path / "cache" / f"{with_bac[0]}.npy")
    assert ((planes[1] & BAC) > 0).sum() == cases[with_bac[0]].bac_px


@pytest.mark.slow
def test_the_same_seed_draws_the_same_renderings(folder: Path) -> None:
    images = [image for image in read_labelled(folder).images if image.label == "negative"]
    first, again, other = (VariantSource(folder, images, 3, 0.5, seed) for seed in (1, 1, 2))
    for unit in first.units():
        (a,), (b,) = first.load(unit), again.load(unit)
        assert (a.name, a.data, a.options) == (b.name, b.data, b.options)
        assert np.array_equal(a.mask, b.mask)
    (a,), (b,) = first.load("1-2"), other.load("1-2")
    assert a.data != b.data


def test_a_digital_image_gets_a_header_and_a_film_gets_none(folder: Path) -> None:
    images = [image for image in read_labelled(folder).images if image.label == "negative"]
    source = VariantSource(folder, images, 1, 0.0)
    (digital,), (film,) = source.load("0-0"), source.load("1-0")
    assert digital.data[128:132] == b"DICM"
    assert digital.options is None
    assert film.data.startswith(b"\x89PNG")
    assert film.options == {"pixel_spacing_mm": [MM, MM]}


def test_the_fold_that_is_left_out_is_in_no_rendering(folder: Path, tmp_path: Path) -> None:
    folds = tmp_path / "folds.csv"
    folds.write_text("patient,fold\none,a\ntwo,b\n")
    assert make(folder, tmp_path / "cache", "--folds", str(folds), "--leave-out", "a") == 0
    assert {case.name.rpartition("-v")[0] for case in read_cases(tmp_path / "cache")} == {"view-2"}
    told = json.loads((tmp_path / "cache" / "cache.json").read_text())["source"]
    assert told["images"] == 1


def test_only_one_kind_of_images(folder: Path, tmp_path: Path) -> None:
    assert make(folder, tmp_path / "cache", "--kind", "digital") == 0
    assert {case.name.rpartition("-v")[0] for case in read_cases(tmp_path / "cache")} == {"view-0"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--kind", "simulated"], "no image without BAC is left"),
        (["--folds", "FOLDS", "--leave-out", "z"], "has no fold z"),
    ],
)
def test_nothing_to_vary_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    folds = tmp_path / "folds.csv"
    folds.write_text("patient,fold\none,a\ntwo,b\n")
    assert make(folder, tmp_path / "cache", *(str(folds) if word == "FOLDS" else word for word in more)) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_an_image_without_spacing_is_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (folder / "images.csv").read_text().replace(f"film,{MM}", "film,")
    (folder / "images.csv").write_text(text)
    assert make(folder, tmp_path / "cache") == 1
    assert "view-1.png: has no pixel_spacing_mm" in capsys.readouterr().err


def test_air_stays_black_and_brightness_within_bounds() -> None:
    image = np.zeros((300, 200), dtype=np.float32)
    image[50:250, :150] = 0.5
    image[140:144, 20:120] = 0.7
    for seed in range(12):
        shown = process_again(image, 0.1, np.random.default_rng(seed))
        assert shown.dtype == np.float32
        assert np.array_equal(shown[image == 0], image[image == 0])
        assert shown.min() >= 0
        assert shown.max() <= 1
        # A bright line stays brighter than what lies beside it.
        assert shown[140:144, 40:100].mean() > shown[180:184, 40:100].mean()


def test_an_image_without_any_brightness_is_left_alone() -> None:
    black = np.zeros((20, 20), dtype=np.float32)
    assert np.array_equal(process_again(black, 0.1, np.random.default_rng(0)), black)


def test_a_piece_within_the_noise_is_not_kept() -> None:
    # White noise of SD 10 is nearly all detail, so that 40 is four standard deviations and 8 less than one.
    before = np.random.default_rng(0).normal(100, 10, (200, 200)).astype(np.float32)
    clear, faint = np.zeros((2, 200, 200), dtype=bool)
    clear[60:64, 40:160] = True
    faint[140:144, 40:160] = True
    added = (40 * clear + 8 * faint).astype(np.float32)
    assert np.array_equal(visible(added, before, clear | faint, 0.1), clear)
    assert not visible(added, before, faint, 0.1).any()
