from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bac_training import loading as data
from bac_training.cache import read_cases
from bac_training.config import load_config
from bac_training.data.folder import read_list
from bac_training.data.sources import read_mask
from bac_training.errors import DataSetError, TrainingError
from bac_training.loading import open_data

SHAPE = (250, 160)
HEADER = "image,mask,pixel_spacing_mm\n"
CONFIG = load_config().data


def write_image(path: Path, seed: int = 0) -> None:
    """A half ellipse of tissue on dark film at 0.4 mm."""
    row, column = np.mgrid[: SHAPE[0], : SHAPE[1]]
    breast = ((row - 125) / 100) ** 2 + (column / 115) ** 2 < 1
    image = 20 + (100 + 8 * np.random.default_rng(seed).normal(size=SHAPE)) * breast
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(path)


def write_mask(path: Path, *, bac: bool = True, value: int = 255) -> None:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    if bac:
        mask[100:150, 48:52] = value
    Image.fromarray(mask).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image with BAC, `a`, and one without, `b`."""
    path = tmp_path / "set"
    path.mkdir()
    for number, name in enumerate("ab"):
        write_image(path / f"{name}.png", number)
        write_mask(path / f"{name}_mask.png", bac=name == "a")
    (path / "images.csv").write_text(HEADER + "a.png,a_mask.png,0.4\nb.png,b_mask.png,0.4\n")
    return path


def problems(out: Path, training: Sequence[Path], validation: Sequence[Path] = ()) -> tuple[str, ...]:
    with pytest.raises(DataSetError) as caught:
        open_data(CONFIG, out, training, validation)
    assert all("\n" not in line for line in caught.value.problems)
    return caught.value.problems


def test_a_folder_of_images_and_masks(folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    found = open_data(CONFIG, tmp_path / "run", [folder], notice=told.append)
    with_bac, without = read_cases(found.training[0])
    # Pixels of 0.4 mm become 16 of 0.1 mm.
    assert (with_bac.bac_px, without.bac_px) == (16 * 50 * 4, 0)
    assert read_mask(folder / "a_mask.png").sum() == 50 * 4
    assert [text for text in told if "no validation" in text] == told


def test_a_second_start_prepares_only_what_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    build = data.build

    def spied(source: Any, *args: Any, **options: Any) -> Any:
        load = type(source).load
        monkeypatch.setattr(
            type(source), "load", lambda self, unit: (made.append(unit.split()[0]), load(self, unit))[1]
        )
        try:
            return build(source, *args, **options)
        finally:
            monkeypatch.setattr(type(source), "load", load)

    monkeypatch.setattr(data, "build", spied)
    for change, expected in (
        (lambda: None, ["a.png", "b.png"]),
        (lambda: None, []),
        (lambda: write_mask(folder / "b_mask.png", bac=True, value=255), ["b.png"]),
    ):
        change()
        made.clear()
        (cache,) = open_data(CONFIG, tmp_path / "run", [folder]).training
        assert made == expected
    assert [case.bac_px for case in read_cases(cache)] == [3200, 3200]


def test_names_that_differ_only_in_their_folder_or_ending_stay_apart(folder: Path, tmp_path: Path) -> None:
    (folder / "x").mkdir()
    for path in ("x/a.png", "x_a.png", "x_a.tif"):
        write_image(folder / path)
        write_mask(folder / f"{path}.mask.png")
    lines = (f"{p},{p}.mask.png,0.4\n" for p in ("x/a.png", "x_a.png", "x_a.tif"))
    (folder / "images.csv").write_text(HEADER + "".join(lines))
    (cache,) = open_data(CONFIG, tmp_path / "run", [folder]).training
    assert len({case.name for case in read_cases(cache)}) == 3


def test_every_fault_of_both_sets_is_told_at_once(folder: Path, tmp_path: Path) -> None:
    lost, small, cut = folder / "lost", folder / "small", folder / "cut"
    write_image(lost.with_suffix(".png"))
    write_image(small.with_suffix(".png"))
    Image.new("L", (10, 20)).save(folder / "small_mask.png")
    data = (folder / "a.png").read_bytes()
    cut.with_suffix(".png").write_bytes(data[: len(data) // 2])
    write_mask(folder / "cut_mask.png", bac=False)
    write_mask(folder / "ones_mask.png", value=1)
    Image.new("RGB", SHAPE[::-1]).save(folder / "colour_mask.png")
    (folder / "empty_mask.png").write_bytes(b"")
    Image.new("L", SHAPE[::-1], 255).save(folder / "inverted_mask.png")
    for name in ("ones", "colour", "empty", "inverted", "wide", "bare"):
        write_image(folder / f"{name}.png")
    for name in ("wide", "bare"):
        write_mask(folder / f"{name}_mask.png", bac=False)
    write_mask(folder / "black.png", bac=False)
    names = ("b", "lost", "small", "cut", "ones", "colour", "empty", "inverted")
    lines = [f"{name}.png,{name}_mask.png,0.4" for name in names]
    lines += [
        "wide.png,wide_mask.png,400",
        "bare.png,bare_mask.png,",
        "b.png,black.png,0.4",
        "gone.png,black.png,0.4",
    ]
    (folder / "images.csv").write_text(HEADER + "\n".join(lines) + "\n")
    held = tmp_path / "held"
    held.mkdir()
    (held / "images.csv").write_text("picture;mask\n")
    found = problems(tmp_path / "run", [folder], [held])
    expected = [
        ("lost_mask.png", "is listed but missing"),
        ("small_mask.png", "is 20 x 10 pixels, its image 250 x 160"),
        ("ones_mask.png", "holds the values 0, 1; write 0 for no BAC and 255 for BAC"),
        ("colour_mask.png", "has colour; write it as 8-bit grey PNG"),
        ("empty_mask.png", "is empty"),
        ("inverted_mask.png", "marks 100% of the image"),
        ("wide.png", "BAC-SPACING-INVALID"),
        ("bare.png", "BAC-SPACING-MISSING"),
        ("b.png", "is listed twice"),
        ("gone.png", "is listed but missing"),
        ("images.csv", "separated by semicolons"),
        ("set", "none of the 4 training images has BAC"),
        ("cut.png", "BAC-FILE-TRUNCATED"),
    ]
    assert len(found) == len(expected), found
    for line, (name, fault) in zip(found, expected, strict=True):
        assert line.split(": ")[0].endswith(name), line
        assert fault in line
    assert not list((tmp_path / "run").glob("*.pt"))


def test_the_list_of_faults_is_capped_with_a_count() -> None:
    text = str(DataSetError([f"{i}.png: is missing; add it" for i in range(33)])).splitlines()
    assert text[0].startswith("33 problems")
    assert len(text) == 22
    assert text[-1] == "and 13 more"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "is empty"),
        ("a.png,a_mask.png,0.4\n", "no header line"),
        (HEADER, "lists no image"),
        ("image,pixel_spacing_mm\na.png,0.4\n", "no column mask"),
        ("image,mask,mask\na.png,a_mask.png,a\n", "mask more than once"),
        ("image,mask,pixel_spacing\na.png,a_mask.png,0.4\n", "rename it to pixel_spacing_mm"),
        ("image\tmask\na.png\ta_mask.png\n", "separated by tabs"),
        (HEADER + "a.png,,0.2\n", "line 2 has no mask"),
        (HEADER + "a.png,a_mask.png,0,05\n", "line 2 has 4 fields"),
        (HEADER + "a.png,a_mask.png,wide\n", "line 2: pixel_spacing_mm is 'wide'"),
        (HEADER + "a.png,a_mask.png,-1\n", "line 2: pixel_spacing_mm is '-1'"),
        (HEADER + "a.png,a_mask.png,nan\n", "line 2: pixel_spacing_mm is 'nan'"),
        (HEADER + 'a.png,"a_mask.png\n', "not CSV"),
    ],
)
def test_a_faulty_list_is_named(folder: Path, content: str, fault: str) -> None:
    (folder / "images.csv").write_text(content)
    entries, found = read_list(folder)
    assert not entries
    assert len(found) == 1
    assert found[0].startswith(str(folder / "images.csv"))
    assert fault in found[0]


def test_what_spreadsheets_write_is_read(folder: Path) -> None:
    text = "image,mask,pixel_spacing_mm,age\r\na.png,a_mask.png,0.05 0.06,61\r\n\r\n"
    (folder / "images.csv").write_text(text, encoding="utf-8-sig", newline="")
    entries, found = read_list(folder)
    assert not found
    assert entries[0].spacing_mm == (0.05, 0.06)
    (folder / "images.csv").write_text(text, encoding="utf-16")
    assert "UTF-8" in read_list(folder)[1][0]


def test_folders_without_a_list_or_that_are_none(folder: Path, tmp_path: Path) -> None:
    (folder / "images.csv").unlink()
    (first, second) = problems(tmp_path / "run", [folder, tmp_path / "lost"])
    assert "neither" in first
    assert "no such folder" in second
    (folder / "truth.json").write_text('{"women": [{}]}')
    assert "damaged" in problems(tmp_path / "run", [folder])[0]
    with pytest.raises(TrainingError, match="without training data"):
        open_data(CONFIG, tmp_path / "run", [], [folder])


def test_a_phantom_data_set_is_read(folder: Path, tmp_path: Path) -> None:
    images = [{"path": f"{n}.png", "mask": f"{n}_mask.png", "pixel_spacing_mm": [0.4, 0.4]} for n in "ab"]
    truth = {"women": [{"study_instance_uid": "1.2", "images": images}]}
    (folder / "truth.json").write_text(json.dumps(truth))
    (cache,) = open_data(CONFIG, tmp_path / "run", [folder]).training
    assert len(read_cases(cache)) == 2


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        (lambda name: f"../set/{name}.png,../set/{name}_mask.png,0.4,", "the image is in the training data"),
        (lambda name: f"{name}.png,{name}_mask.png,0.4,W1", "the woman is in the training data"),
    ],
)
def test_a_woman_is_on_one_side_only(
    folder: Path, tmp_path: Path, columns: Callable[[str], str], fault: str
) -> None:
    (folder / "images.csv").write_text(
        "image,mask,pixel_spacing_mm,woman\na.png,a_mask.png,0.4,W1\nb.png,b_mask.png,0.4,W2\n"
    )
    held = tmp_path / "held"
    held.mkdir()
    write_image(held / "a.png", 5)
    write_mask(held / "a_mask.png")
    (held / "images.csv").write_text("image,mask,pixel_spacing_mm,woman\n" + columns("a") + "\n")
    (line,) = problems(tmp_path / "run", [folder], [held])
    assert fault in line


def test_classes_of_each_side(folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    held = tmp_path / "held"
    held.mkdir()
    write_image(held / "c.png", 7)
    write_mask(held / "c_mask.png", bac=False)
    (held / "images.csv").write_text(HEADER + "c.png,c_mask.png,0.4\n")
    (line,) = problems(tmp_path / "run", [folder], [held])
    assert "none of the 1 validation images has BAC" in line
    write_mask(held / "c_mask.png")
    open_data(CONFIG, tmp_path / "run", [folder], [held], told.append)
    assert len(told) == 1
    assert "all validation images have BAC" in told[0]


def test_a_mask_with_bac_serves_one_image(folder: Path, tmp_path: Path) -> None:
    (folder / "images.csv").write_text(HEADER + "a.png,a_mask.png,0.4\nb.png,a_mask.png,0.4\n")
    (line,) = problems(tmp_path / "run", [folder])
    assert "a_mask.png: is the mask of" in line


def test_ctrl_c_tells_what_is_known(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_data(CONFIG, tmp_path / "run", [folder])
    (folder / "a_mask.png").unlink()
    assert any("a_mask.png" in line for line in problems(tmp_path / "run", [folder]))
