"""What is too heavy to be calcium is left out; arteries stay, whatever lies beside them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from pydicom.dataset import Dataset

from bac_imaging.grid.tiles import cut_tiles
from bac_imaging.mass.metal import find_metal
from bac_imaging.mass.weigh import VesselMass, most_calcium
from bac_imaging.pipeline import Quantified, prepare, quantify, to_working_mask
from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.find import find_vessels
from bac_phantom.beams import Beam
from bac_phantom.body.anatomy import Anatomy
from bac_phantom.calcium.metal import scar
from bac_phantom.render import Exposure, expose

SHAPE = (700, 600)  # of 0.1 mm
ARTERY = np.s_[500:510, 100:350]
ARTERY_MG_MM2 = 0.2
MEASURED = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1",
    "PresentationIntentType": "FOR PROCESSING",
    "PixelIntensityRelationship": "LIN",
    "PixelIntensityRelationshipSign": 1,
    "AnodeTargetMaterial": "TUNGSTEN",
    "FilterMaterial": "RHODIUM",
    "FilterThicknessMinimum": 0.05,
    "FilterThicknessMaximum": 0.05,
    "Grid": ["RECIPROCATING", "FOCUSED"],
    "FieldOfViewDimensions": [70, 60],
    "DetectorType": "DIRECT",
    "BitsStored": 14,
    "HighBit": 13,
}
Make = Callable[..., Dataset]


def _anatomy() -> Anatomy:
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    inside = (x / 480.0) ** 2 + ((y - 350.0) / 320.0) ** 2 < 1
    depth = np.where(inside, 100.0, 0.0).astype(np.float32)
    adipose, gland = (np.where(inside, mm, 0.0).astype(np.float32) for mm in (40.0, 7.0))
    return Anatomy(adipose, gland, inside, depth, (35.0, 47.0))


def _wire(seed: int) -> np.ndarray:
    """Draw the phantom's metal thread along a scar; mg/mm2."""
    canvas = np.zeros(SHAPE, dtype=np.float32)
    assert scar(np.random.default_rng(seed), canvas, _anatomy(), 0.1, "CC")
    return canvas


def _view(calcium: np.ndarray, dataset: Make, to_bytes: Callable[..., bytes]) -> Quantified:
    """Expose what is drawn, and let a perfect network take all of it for arteries."""
    exposure = Exposure(Beam("W", "Rh", 0.050, 28), True, 0.12, 0.035, 3e5, 0.0)
    signal = expose(np.random.default_rng(1), _anatomy(), calcium, exposure, 0.1)
    prepared = prepare(to_bytes(dataset(np.rint(signal).astype(np.uint16), **MEASURED)))
    found = to_working_mask(calcium > 0.02, prepared.context)
    return quantify(
        cut_tiles(found.astype(np.float32), prepared.breast)[0], prepared.signal, prepared.context
    )


def _artery() -> np.ndarray:
    canvas = np.zeros(SHAPE, dtype=np.float32)
    canvas[ARTERY] = ARTERY_MG_MM2
    return canvas


def test_the_most_calcium_by_hand() -> None:
    # 1 mm of outline and a pixel on either side: a cylinder of 1.2 mm x 30 mm, of 3.16 mg/mm3 of which
    # 39.9 % is calcium.
    by_hand = math.pi * 0.6**2 * 30.0 * 3.16 * 0.399
    assert most_calcium(area_mm2=30.0, length_mm=30.0) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(42.78, abs=0.01)


@pytest.mark.parametrize(("scale_known", "metal"), [(True, (2,)), (False, ())])
def test_heavier_than_solid_by_half_is_metal_unless_the_scale_may_be_two_fold_off(
    scale_known: bool, metal: tuple[int, ...]
) -> None:
    vessels = np.zeros((300, 400), dtype=np.float32)
    vessels[100:110, 50:350] = vessels[200:210, 50:350] = 1.0
    found = find_vessels(vessels, (0.1, 0.1), PostProcessing())
    masses = [VesselMass(share * 42.78, 0.0, 0.0) for share in (0.9, 1.5)]
    assert find_metal(found, masses, (0.1, 0.1), 1.0, scale_known=scale_known) == metal


@pytest.fixture(scope="module")
def alone(dataset: Make, to_bytes: Callable[..., bytes]) -> Quantified:
    return _view(_artery(), dataset, to_bytes)


# A wire that lets a few per cent of the beam through, and an opaque one.
@pytest.mark.parametrize("seed", [4, 28])
def test_a_wire_is_left_out_and_the_artery_stays(
    alone: Quantified, dataset: Make, to_bytes: Callable[..., bytes], seed: int
) -> None:
    wire = _wire(seed)
    both = _view(_artery() + wire, dataset, to_bytes)
    for name in ("calcium_mass_mg", "area_mm2", "length_mm"):
        assert getattr(both.report, name) == pytest.approx(getattr(alone.report, name), rel=0.02)
    assert len(both.report.vessels) == 1
    assert both.mask[505, 200]
    assert not both.mask[wire > 0.02].any()
    assert not both.density[wire > 0.02].any()
    assert [warning.code for warning in alone.report.warnings] == []
    assert [warning.code for warning in both.report.warnings] == ["BAC-W-METAL"]


def test_a_clip_on_an_artery_is_told(
    alone: Quantified, dataset: Make, to_bytes: Callable[..., bytes]
) -> None:
    clip = np.zeros(SHAPE, dtype=np.float32)
    clip[500:508, 200:225] = 4.0
    both = _view(_artery() + clip, dataset, to_bytes)
    assert [warning.code for warning in both.report.warnings] == ["BAC-W-METAL-TOUCHES"]
    assert len(both.report.vessels) == 1
    # The clip is weighed along, as the warning says.
    assert both.report.calcium_mass_mg > 1.2 * alone.report.calcium_mass_mg


def test_an_image_of_metal_alone_shows_no_bac(dataset: Make, to_bytes: Callable[..., bytes]) -> None:
    found = _view(_wire(28), dataset, to_bytes)
    assert found.report.bac_detected is False
    assert found.report.bac_probability < 0.5
    assert found.report.calcium_mass_mg == 0.0
    assert found.report.calcium_mass_interval_mg == (0.0, 0.0)
    assert found.report.area_mm2 == 0.0
    assert not found.mask.any()
    (warning,) = found.report.warnings
    assert warning.text.startswith("a long find is heavier than solid calcium salt")


def test_what_counted_only_beside_metal_falls_with_it(dataset: Make, to_bytes: Callable[..., bytes]) -> None:
    exposure = Exposure(Beam("W", "Rh", 0.050, 28), True, 0.12, 0.035, 3e5, 0.0)
    wire = _wire(28)
    signal = expose(np.random.default_rng(1), _anatomy(), _artery() + wire, exposure, 0.1)
    prepared = prepare(to_bytes(dataset(np.rint(signal).astype(np.uint16), **MEASURED)))
    sure, less = (to_working_mask(drawn > 0.02, prepared.context) for drawn in (wire, _artery()))
    answer = np.where(sure, 1.0, np.where(less, 0.995, 0.0)).astype(np.float32)
    demands = PostProcessing(seed=0.9975, companion=0.99)
    tiles = cut_tiles(answer, prepared.breast)[0]
    assert len(find_vessels(answer, prepared.context.working_spacing_mm, demands).lengths_mm) == 2
    found = quantify(tiles, prepared.signal, prepared.context, demands)
    assert found.report.bac_detected is False
    assert found.report.calcium_mass_mg == 0.0
    assert not found.mask.any()
    assert not found.density.any()


def test_walls_outlined_alone_are_no_metal() -> None:
    # A lumen of 3 mm and a wall of 0.4 mm, half as dense as solid salt. Seen edge-on, the wall's
    # inner half is a circular segment from 1.5 to 1.7 mm of a radius of 1.9 mm.
    def segment(distance: float) -> float:
        return 1.9**2 * math.acos(distance / 1.9) - distance * math.sqrt(1.9**2 - distance**2)

    by_hand = (segment(1.5) - segment(1.7)) / 0.2 * 0.5 * 3.16 * 0.399
    assert by_hand == pytest.approx(1.28, abs=0.01)
    rims = np.zeros((300, 400), dtype=np.float32)
    rims[100:102, 50:350] = rims[134:136, 50:350] = 1.0
    found = find_vessels(rims, (0.1, 0.1), PostProcessing())
    masses = [VesselMass(by_hand * 0.2 * 30.0, 0.0, 0.0)] * len(found.lengths_mm)
    assert masses
    assert masses[0].mass_mg > most_calcium(0.2 * 30.0, 30.0)
    assert find_metal(found, masses, (0.1, 0.1), 1.0, scale_known=True) == ()
