"""A phantom exam as a user gets it: files, truth, repeatability."""

import dataclasses
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from bac_phantom import PhantomConfig, Woman, looks, make_woman, write_dataset
from bac_phantom.config import DETECTORS, Detector

pytestmark = pytest.mark.slow

SMALL = "small-test"


@pytest.fixture(scope="module", autouse=True)
def small_detector() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DETECTORS, SMALL, Detector("a-Se", 0.2, 900, 700, (("W", "Rh"),)))
        yield


def config(look: str = "raw") -> PhantomConfig:
    return PhantomConfig(look=look, detectors=(SMALL,))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def woman(small_detector: None) -> Woman:
    return make_woman(13, config(), mass_mg=20.0)


@pytest.fixture(scope="module")
def without(small_detector: None) -> Woman:
    return make_woman(3, config(), positive=False)


def test_same_seed_same_bytes_other_seed_other_bytes(woman: Woman, without: Woman) -> None:
    again = make_woman(13, config(), mass_mg=20.0)
    assert [v.encode() for v in woman.views] == [v.encode() for v in again.views]
    assert woman.views[0].encode() != without.views[0].encode()
    assert woman.views[0].sop_instance_uid != without.views[0].sop_instance_uid


def test_an_exam_is_four_for_processing_views_with_the_facts_a_measurement_needs(woman: Woman) -> None:
    assert [(v.laterality, v.view) for v in woman.views] == [
        ("L", "CC"),
        ("L", "MLO"),
        ("R", "CC"),
        ("R", "MLO"),
    ]
    for view in woman.views:
        ds = pydicom.dcmread(io.BytesIO(view.encode()))
        assert ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.2.1"
        assert ds.PresentationIntentType == "FOR PROCESSING"
        assert ds.PixelIntensityRelationship == "LIN"
        assert ds.ImageLaterality == view.laterality
        assert ds.ViewPosition == view.view
        assert float(ds.BodyPartThickness) > 20
        assert ds.pixel_array.shape == view.mask.shape == (900, 700)
        chest_wall = ds.pixel_array[:, :20] if view.laterality == "L" else ds.pixel_array[:, -20:]
        # Linear in exposure: tissue is dark in numbers, air at the other side is high.
        assert np.median(chest_wall[300:600]) < 0.5 * np.median(ds.pixel_array[:20, :])
    assert woman.calcium_mass_mg == pytest.approx(20.0, rel=0.02)


def test_the_mask_lies_on_attenuating_pixels_in_the_stored_matrix() -> None:
    woman = make_woman(11, config(), mass_mg=80.0)
    for view in woman.views:
        if not view.mask.any():
            continue
        log = -np.log(view.stored.pixels.astype(float))
        from scipy import ndimage

        ring = ndimage.binary_dilation(view.mask, iterations=6) & ~ndimage.binary_dilation(
            view.mask, iterations=3
        )
        assert log[view.mask].mean() > log[ring].mean() + 0.03
        boxed = np.zeros_like(view.mask)
        for artery in view.truth()["arteries"]:
            if artery["bbox_px"] is not None:
                top, left, bottom, right = artery["bbox_px"]
                # Tight, also in the mirrored matrix of a right breast: the mask reaches all four sides.
                part = view.mask[top:bottom, left:right]
                assert part[[0, -1]].any(axis=1).all()
                assert part[:, [0, -1]].any(axis=0).all()
                boxed[top:bottom, left:right] = True
        assert not (view.mask & ~boxed).any()


def test_a_woman_without_calcification_has_none(without: Woman) -> None:
    assert without.calcium_mass_mg == 0
    assert not any(v.mask.any() for v in without.views)


@pytest.mark.parametrize("look", ["presentation", "film"])
def test_other_looks_keep_the_truth(woman: Woman, look: str) -> None:
    shown = make_woman(13, config(look), mass_mg=20.0)
    for a, b in zip(woman.views, shown.views, strict=True):
        covered = np.zeros_like(a.mask) if b.stored.covered is None else b.stored.covered
        assert np.array_equal(a.mask & ~covered, b.mask)
    if look == "film":
        image = Image.open(io.BytesIO(shown.views[0].encode()))
        assert image.format == "TIFF"
        assert image.mode in ("L", "I;16")
        assert shown.views[0].pixel_spacing_mm == (0.2, 0.2)


def test_what_a_film_covers_is_in_no_view_and_still_in_the_breast(monkeypatch: pytest.MonkeyPatch) -> None:
    def exam(*, upper: bool) -> Woman:
        film = looks.film

        def half(*arguments: Any) -> looks.Stored:
            stored = film(*arguments)
            rows = np.arange(len(stored.pixels))[:, None] < 0.45 * len(stored.pixels)
            covered = np.broadcast_to(rows if upper else ~rows, stored.pixels.shape)
            return dataclasses.replace(stored, covered=covered)

        with monkeypatch.context() as patch:
            patch.setattr(looks, "film", half)
            return make_woman(13, config("film"), mass_mg=20.0)

    halves = exam(upper=True), exam(upper=False)
    for woman in halves:
        assert woman.calcium_mass_mg == pytest.approx(20.0, rel=1e-6)
    parted = 0
    for one, other in zip(halves[0].views, halves[1].views, strict=True):
        masses = np.array([one.calcium_mass_mg, other.calcium_mass_mg])
        assert masses.sum() == pytest.approx(halves[0].breasts[one.laterality])
        # The calcium lies where the mask does.
        areas = np.array([one.mask.sum(), other.mask.sum()])
        assert masses / masses.sum() == pytest.approx(areas / areas.sum(), abs=0.15)
        parted += bool((areas > 0.1 * areas.sum()).all())
        for view in (one, other):
            listed = [artery["calcium_mass_mg"] for artery in view.truth()["arteries"]]
            assert sum(listed) == pytest.approx(view.calcium_mass_mg, abs=1e-3)
    assert parted >= 2


def test_a_data_set_on_disk_is_complete(tmp_path) -> None:
    truth = json.loads(write_dataset(tmp_path / "set", 2, 21, config()).read_text())
    assert truth["schema"] == "bac_phantom.truth/1"
    assert [w["seed"] for w in truth["women"]] == [21, 22]
    for woman in truth["women"]:
        for image in woman["images"]:
            ds = pydicom.dcmread(tmp_path / "set" / image["path"])
            mask = np.asarray(Image.open(tmp_path / "set" / image["mask"]))
            assert mask.shape == ds.pixel_array.shape
            assert set(np.unique(mask)) <= {0, 255}
            assert (image["area_mm2"] > 0) == bool(mask.any())
        per_breast = {
            side: np.mean([i["calcium_mass_mg"] for i in woman["images"] if i["laterality"] == side])
            for side in "LR"
        }
        assert per_breast == pytest.approx(woman["breasts"], abs=1e-3)
