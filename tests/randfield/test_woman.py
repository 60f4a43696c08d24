"""Exams of the random-field phantom: same seed, same bytes; truth that fits; looks that the product takes."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from bac_imaging.pipeline import prepare, to_working_mask
from bac_randfield import RandomFieldConfig, View, Woman, write_dataset
from bac_randfield.image.processing import STYLES
from bac_randfield.woman import Exam, store_exam, take_exam
from bac_training.data.sources import RandomFieldSource
from bac_training.data.truth import read_truth

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config(coarse: str) -> RandomFieldConfig:
    return RandomFieldConfig(
        systems=(coarse,), two_view_share=0.0, positive_share=1.0, mass_range_mg=(20, 60)
    )


@pytest.fixture(scope="module")
def exam(config: RandomFieldConfig) -> Exam:
    return take_exam(5, config)


@pytest.fixture(scope="module")
def raw(exam: Exam, config: RandomFieldConfig) -> Woman:
    return store_exam(exam, config, "raw")


@pytest.fixture(scope="module")
def shown(exam: Exam, config: RandomFieldConfig) -> Woman:
    return store_exam(exam, config, "presentation")


def options(view: View) -> dict[str, list[float]] | None:
    return None if view.pixel_spacing_mm is None else {"pixel_spacing_mm": list(view.pixel_spacing_mm)}


def test_a_woman_has_calcium_in_either_view_of_a_breast(raw: Woman) -> None:
    assert [v.laterality + v.view for v in raw.views] == ["LCC", "LMLO", "RCC", "RMLO"]
    assert raw.calcium_mass_mg > 5
    for side in ("L", "R"):
        both = [v for v in raw.views if v.laterality == side]
        masses = [v.calcium_mass_mg for v in both]
        # One body's arteries: what differs is how the grains fell.
        assert masses[0] == pytest.approx(masses[1], rel=0.1, abs=0.05)
        assert raw.breasts[side] == pytest.approx(np.mean(masses))
        for v in both:
            assert v.mask.any() == (v.area_mm2 > 0)
            assert sum(a["calcium_mass_mg"] for a in v.truth()["arteries"]) == pytest.approx(
                v.calcium_mass_mg, abs=1e-3
            )


def test_boxes_hold_the_mask(raw: Woman) -> None:
    for view in raw.views:
        boxed = np.zeros_like(view.mask)
        for artery in view.truth()["arteries"]:
            if artery["bbox_px"]:
                r0, c0, r1, c1 = artery["bbox_px"]
                boxed[r0:r1, c0:c1] = True
        assert not (view.mask & ~boxed).any()


def test_looks_show_one_woman(raw: Woman, shown: Woman) -> None:
    assert raw.study_instance_uid != shown.study_instance_uid
    for a, b in zip(raw.views, shown.views, strict=True):
        assert (a.mask == b.mask).all()
        assert a.calcium_mass_mg == b.calcium_mass_mg
        assert a.sop_instance_uid != b.sop_instance_uid


@pytest.mark.parametrize(
    ("look", "style"),
    [("raw", "flat"), ("film", "flat"), ("copy", "crisp")] + [("presentation", s) for s in STYLES],
)
def test_the_product_takes_every_look(exam: Exam, look: str, style: str) -> None:
    config = RandomFieldConfig(styles=(style,))
    both = dataclasses.replace(exam, taken=exam.taken[1:3])
    for view in store_exam(both, config, look).views:
        prepared = prepare(view.encode(), options(view))
        mask = to_working_mask(view.mask, prepared.context)
        assert (mask & prepared.breast).sum() >= 0.85 * mask.sum()
        assert prepared.breast.sum() * 0.01 > 2000  # mm2


def test_the_raw_header_is_what_a_calibration_needs(raw: Woman) -> None:
    view = raw.views[0]
    ds = pydicom.dcmread(io.BytesIO(view.encode()))
    assert ds.PresentationIntentType == "FOR PROCESSING"
    assert (ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign) == ("LIN", 1)
    assert view.truth()["beam"]["kvp"] == ds.KVP
    assert ds.AnodeTargetMaterial in ("MOLYBDENUM", "RHODIUM")
    assert 0.02 <= float(ds.FilterThicknessMinimum) <= 0.035
    assert abs(float(ds.BodyPartThickness) - view.truth()["thickness_mm"]) <= 3.6
    assert ds.Grid in ("NONE", ["RECIPROCATING", "FOCUSED"])
    assert [float(v) for v in ds.ImagerPixelSpacing] == [0.2, 0.2]
    prepared = prepare(view.encode())
    assert prepared.context.presentation_intent == "FOR PROCESSING"


def test_right_views_lie_at_the_other_edge_with_letters_that_read(shown: Woman) -> None:
    left, _, right, _ = shown.views
    for view, edge in ((left, slice(0, 60)), (right, slice(-60, None))):
        prepared = prepare(view.encode())
        columns = np.flatnonzero(prepared.breast.any(axis=0))
        at_edge = columns[0] < 20 if edge.start == 0 else columns[-1] > prepared.breast.shape[1] - 20
        assert at_edge


def test_a_data_set_is_read_by_evaluation_and_a_pair_is_two_exams(coarse: str, tmp_path: Path) -> None:
    config = RandomFieldConfig(look="paired", systems=(coarse,), two_view_share=1.0, positive_share=1.0)
    path = write_dataset(tmp_path, 1, 7, config)
    seed, women = read_truth(path)
    assert seed == 7
    assert women[0].views[0].look == "raw"
    assert women[0].mass_mg == women[1].mass_mg
    assert all(len(woman.views) == 2 for woman in women)
    for woman in women:
        for view in woman.views:
            assert view.hard_negatives is not None
            with Image.open(tmp_path / view.mask) as mask:
                assert set(np.unique(np.asarray(mask))) <= {0, 255}
    assert json.loads(path.read_text())["generator"] == "randfield"


def test_the_same_seed_gives_the_same_bytes_as_a_source(coarse: str) -> None:
    source = RandomFieldSource([3], look="presentation", styles=("flat",), systems=(coarse,))
    assert source.units() == ["randfield-3"]
    first, second = (list(source.load("randfield-3")) for _ in range(2))
    assert [s.name for s in first] == [s.name for s in second]
    assert [s.data for s in first] == [s.data for s in second]
    assert source.describe()["config"]["styles"] == ["flat"]
