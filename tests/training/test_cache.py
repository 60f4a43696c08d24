from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bac_training import cache as cache_module
from bac_training.cache import BAC, BREAST, _main, build, decode_image, is_cache, read_cases
from bac_training.config import load_config
from bac_training.data.sources import PhantomSource, Sample
from bac_training.errors import TrainingError
from bac_training.loading import open_data
from bac_training.patches.draw import PatchSampler

ROWS, COLUMNS = 500, 320
SPACING = 0.2


def film(seed: int) -> tuple[bytes, np.ndarray[Any, Any]]:
    """A half ellipse of tissue on dark film at 0.2 mm, with a bright vertical artery, as PNG."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:ROWS, :COLUMNS]
    breast = ((row - 250) / 200) ** 2 + (column / 230) ** 2 < 1
    mask = (abs(column - 100) < 4) & (abs(row - 250) < 80)
    image = 20 + 100 * breast + 8 * rng.normal(size=breast.shape) * breast + 60 * mask
    file = io.BytesIO()
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue(), mask


class MadeSource:
    """Units of one film each; counts how often each is made."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.made: list[str] = []

    def describe(self) -> dict[str, Any]:
        return {"kind": "made"}

    def units(self) -> Sequence[str]:
        return self.names

    def load(self, unit: str) -> Iterator[Sample]:
        self.made.append(unit)
        data, mask = film(len(self.made))
        yield Sample(unit, data, {"pixel_spacing_mm": [SPACING, SPACING]}, mask)


def test_a_case_holds_the_breast_on_the_working_grid(tmp_path: Path) -> None:
    (case,) = build(MadeSource(["a"]), tmp_path)
    assert is_cache(tmp_path)
    planes = np.load(tmp_path / "a.npy")
    assert planes.dtype == np.uint8
    assert planes.shape == (2, *case.shape)
    # 0.2 mm pixels become four of 0.1 mm: 7 x 159 pixels of mask.
    assert case.bac_px == 4 * 7 * 159
    assert ((planes[1] & BAC) > 0).sum() == case.bac_px
    breast_mm2 = ((planes[1] & BREAST) > 0).sum() * 0.01
    assert breast_mm2 == pytest.approx(0.5 * np.pi * 40 * 46, rel=0.1)
    image = decode_image(planes[0])
    assert np.all(image[(planes[1] & BREAST) == 0] == 0)
    assert image[(planes[1] & BAC) > 0].mean() > image[planes[1] == BREAST].mean() + 2
    points = np.load(tmp_path / "a.npz")
    assert np.all(planes[1][tuple(points["positive"].T)] & BAC)
    for kind in ("hard", "lines"):
        assert not np.any(planes[1][tuple(points[kind].T)] & BAC)


def test_building_goes_on_where_it_stopped(tmp_path: Path) -> None:
    build(MadeSource(["a"]), tmp_path)
    with (tmp_path / "cases.jsonl").open("a") as log:
        log.write('{"unit": "b", "cas')
    assert [case.name for case in read_cases(tmp_path)] == ["a"]
    source = MadeSource(["a", "b", "c"])
    seen: list[tuple[int, int]] = []
    cases = build(source, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert source.made == ["b", "c"]
    assert seen == [(2, 3), (3, 3)]
    assert [case.name for case in cases] == ["a", "b", "c"]


def test_a_cache_takes_one_source_only(tmp_path: Path) -> None:
    build(MadeSource(["a"]), tmp_path)
    other = MadeSource(["a"])
    other.describe = lambda: {"kind": "other"}  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="another source"):
        build(other, tmp_path)


def test_a_cache_can_follow_what_its_source_lists(tmp_path: Path) -> None:
    build(MadeSource(["a", "b"]), tmp_path, exact=True)
    source = MadeSource(["b", "c"])
    cases = build(source, tmp_path, exact=True)
    assert source.made == ["c"]
    assert [case.name for case in cases] == ["b", "c"]
    assert sorted(path.name for path in tmp_path.glob("*.np?")) == ["b.npy", "b.npz", "c.npy", "c.npz"]


def test_what_cannot_be_prepared_is_told_and_tried_again(tmp_path: Path) -> None:
    class Mirrored(MadeSource):
        def load(self, unit: str) -> Iterator[Sample]:
            for sample in super().load(unit):
                yield Sample(sample.name, sample.data, sample.options, np.roll(sample.mask, 200, axis=1))

    for source, expected in ((Mirrored(["a"]), "outside the breast"), (MadeSource(["a"]), None)):
        refused: list[tuple[str, str]] = []
        build(source, tmp_path, refused=refused)
        assert source.made == ["a"]
        assert [unit for unit, _ in refused] == (["a"] if expected else [])
        assert all(expected and expected in reason for _, reason in refused)
    with pytest.raises(TrainingError, match="a: most of the mask"):
        build(Mirrored(["a"]), tmp_path / "other")


def test_a_run_with_more_women_validates_on_none_that_it_trains_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(source: PhantomSource, unit: str, folder: Path) -> dict[str, Any]:
        return {"unit": unit, "cases": [{"name": unit, "shape": [1, 1], "bac_px": 1}], "skipped": []}

    monkeypatch.setattr(cache_module, "_make_unit", made)
    config = replace(load_config().data, phantom_seed=1, validation_women=2)
    for women in (3, 6):
        data = open_data(replace(config, phantom_women=women), tmp_path)
        training, validation = (
            {case.name for case in read_cases(folder)} for folder in (*data.training, *data.validation)
        )
        assert training == {f"woman-{seed}" for seed in range(1, women + 1)}
        assert validation == {f"woman-{women + 1}", f"woman-{women + 2}"}


def test_caches_that_share_women_are_not_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(source: PhantomSource, unit: str, folder: Path) -> dict[str, Any]:
        case = {"name": f"{unit}-LCC", "shape": [1, 1], "bac_px": 1}
        return {"unit": unit, "cases": [case], "skipped": []}

    monkeypatch.setattr(cache_module, "_make_unit", made)
    raw, film, other = (tmp_path / name for name in ("raw", "film", "other"))
    build(PhantomSource(range(1, 4), "raw"), raw)
    build(PhantomSource(range(3, 5), "film"), film)
    build(PhantomSource(range(4, 5), "film"), other)
    with pytest.raises(TrainingError, match="share 1 phantom women, such as woman-3; make one of them"):
        open_data(load_config().data, tmp_path / "run", [raw], [film])
    assert open_data(load_config().data, tmp_path / "run", [raw], [other]).validation == (other,)


def test_seeds_that_are_no_range_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _main([str(tmp_path / "c"), "--seeds", "5"])
    assert "--seeds" in capsys.readouterr().err


def test_the_command_makes_women_of_the_look_asked_for(tmp_path: Path) -> None:
    assert _main([str(tmp_path / "c"), "--seeds", "3:3", "--look", "film"]) == 1  # no woman at all
    header = json.loads((tmp_path / "c" / "cache.json").read_text())
    assert header["source"]["config"]["look"] == "film"


def test_patches_are_drawn_as_asked(cache: Path) -> None:
    rng = np.random.default_rng(0)
    positive = PatchSampler([cache], 1.0, 0.0, 0.0)
    assert len(positive) == 3
    patches = [positive.draw(rng, 64) for _ in range(20)]
    assert all(p.bac.any() for p in patches)
    assert all(p.image.shape == p.bac.shape == p.breast.shape == (64, 64) for p in patches)
    assert all(np.all(p.image[~p.breast] == 0) for p in patches)
    centres = {tuple(np.argwhere(p.bac).mean(0).astype(int) // 16) for p in patches}
    assert len(centres) > 3, "position must say nothing"
    other = PatchSampler([cache], 0.0, 0.0, 0.0)
    assert all(other.draw(rng, 300).breast.any() for _ in range(10))


def test_new_cases_are_seen_after_a_refresh(tmp_path: Path) -> None:
    build(MadeSource(["a"]), tmp_path)
    sampler = PatchSampler([tmp_path])
    build(MadeSource(["a", "b"]), tmp_path)
    assert len(sampler) == 1
    sampler.refresh()
    assert len(sampler) == 2


def test_cases_without_bac_cannot_train(tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text("{}")
    case = {"name": "a", "shape": [9, 9], "bac_px": 0}
    (tmp_path / "cases.jsonl").write_text(json.dumps({"unit": "a", "cases": [case], "skipped": []}) + "\n")
    with pytest.raises(TrainingError, match="none with BAC"):
        PatchSampler([tmp_path])


def test_each_kind_of_point_is_drawn_and_an_old_cache_still_serves(cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    shutil.copytree(cache, folder)
    for number, path in enumerate(sorted(folder.glob("*.npz"))):
        # Away from the rim, so that all points of a kind lie within the patches drawn around them.
        np.savez(path, positive=[[60, 60]], hard=[[110, 90]], **({"lines": [[110, 90]]} if number else {}))
    image = np.zeros((2, 220, 180), dtype=np.uint8)
    image[0], image[0, 110, 90] = 64, 64 + 16 * 5
    for path in folder.glob("*.npy"):
        np.save(path, image)
    rng = np.random.default_rng(0)
    for shares in ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        sampler = PatchSampler([folder], *shares)
        assert all(sampler.draw(rng, 48).image.max() == 5 for _ in range(20))
