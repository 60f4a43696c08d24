from __future__ import annotations

import numpy as np
import pytest

from bac_imaging.vessels.demands import PostProcessing
from bac_imaging.vessels.evidence import evidence_of
from bac_imaging.vessels.find import find_vessels, leave_out, peak_of
from bac_imaging.vessels.probability import probabilities

SPACING = (0.1, 0.1)
ANYTHING = PostProcessing(min_area_mm2=0.0, min_length_mm=0.0, min_elongation=0.0)


def _tube(
    angle_deg: float, length_mm: float, width_mm: float, spacing: tuple[float, float] = SPACING
) -> np.ndarray:
    """Probability 0.9 in a straight tube through the middle of a field of 50 mm x 50 mm."""
    rows, columns = round(50 / spacing[0]), round(50 / spacing[1])
    y = (np.arange(rows)[:, None] + 0.5) * spacing[0] - 25
    x = (np.arange(columns)[None, :] + 0.5) * spacing[1] - 25
    angle = np.deg2rad(angle_deg)
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    inside = (np.abs(along) <= length_mm / 2) & (np.abs(across) <= width_mm / 2)
    return np.where(inside, 0.9, 0.0).astype(np.float32)


@pytest.mark.parametrize("angle", [0.0, 17.0, 30.0, 45.0, 68.0, 90.0])
@pytest.mark.parametrize("width", [0.6, 1.2, 2.4])
def test_length_of_a_straight_tube(angle: float, width: float) -> None:
    found = find_vessels(_tube(angle, 30.0, width), SPACING, PostProcessing())
    assert len(found.lengths_mm) == 1
    assert found.lengths_mm[0] == pytest.approx(30.0, rel=0.05)


def test_length_with_unequal_spacing() -> None:
    spacing = (0.1, 0.08)
    for angle in (0.0, 45.0, 90.0):
        found = find_vessels(_tube(angle, 30.0, 1.0, spacing), spacing, PostProcessing())
        assert sum(found.lengths_mm) == pytest.approx(30.0, rel=0.05)


def test_length_of_an_arc() -> None:
    y, x = np.ogrid[:500, :500]
    radius = np.hypot(y - 0.0, x - 0.0) * 0.1
    quarter = np.where(np.abs(radius - 30.0) < 0.5, 0.9, 0.0).astype(np.float32)
    found = find_vessels(quarter, SPACING, PostProcessing())
    assert found.lengths_mm[0] == pytest.approx(np.pi / 2 * 30.0, rel=0.04)


@pytest.mark.parametrize(("gap_mm", "vessels"), [(0.5, 1), (1.5, 1), (3.0, 2)])
def test_gaps_under_2_mm_are_bridged(gap_mm: float, vessels: int) -> None:
    tube = _tube(0.0, 30.0, 1.0)
    half = round(gap_mm / 0.1 / 2)
    tube[:, 250 - half : 250 + half] = 0.0
    found = find_vessels(tube, SPACING, PostProcessing())
    assert len(found.lengths_mm) == vessels
    assert not found.mask[:, 250 - half : 250 + half].any()


def test_specks_round_and_weak_things_are_dropped() -> None:
    image = np.zeros((400, 400), dtype=np.float32)
    y, x = np.ogrid[:400, :400]
    image[np.hypot(y - 80, x - 80) < 25] = 0.95  # a benign round calcification of 5 mm
    image[200:203, 50:62] = 0.95  # a rod of 1.2 mm
    image[300:306, 100:300] = 0.55  # an outline without a seed
    found = find_vessels(image, SPACING, PostProcessing())
    assert found.lengths_mm == ()
    assert not found.mask.any()
    assert not found.zones.any()


def test_a_weak_stretch_is_kept_where_it_hangs_on_a_seed() -> None:
    image = np.zeros((200, 400), dtype=np.float32)
    image[100:106, 50:350] = 0.55
    image[100:106, 180:200] = 0.9
    found = find_vessels(image, SPACING, PostProcessing())
    assert found.mask[103, 50:350].all()


def test_an_outline_is_wider_than_its_core_and_finds_nothing_by_itself() -> None:
    """A core 6 pixels wide in a halo of 0.3: the outline takes 0.2 mm of it, and no piece without a core."""
    image = np.zeros((300, 400), dtype=np.float32)
    image[90:116, 40:360] = 0.3
    image[100:106, 50:350] = 0.95
    image[200:206, 50:350] = 0.8
    cautious = PostProcessing(core=0.9, seed=0.9).with_outline(0.25)
    found = find_vessels(image, SPACING, cautious)
    expected = np.zeros(image.shape, dtype=bool)
    expected[98:108, 48:352] = True
    # The way to a corner is counted across and along, as in the bridging.
    assert (found.mask & ~expected).sum() == 0
    assert (expected & ~found.mask).sum() <= 4 * 3
    narrow = find_vessels(image, SPACING, PostProcessing(core=0.9, seed=0.9).with_outline(0.9))
    assert narrow.mask.sum() == found.core.sum() == 6 * 300
    assert narrow.peak == found.peak
    assert found.lengths_mm[0] == pytest.approx(30.4, abs=0.3)
    assert narrow.lengths_mm[0] == pytest.approx(30.0, abs=0.3)


@pytest.mark.parametrize("angle", [0.0, 22.5, 45.0])
def test_an_outline_is_no_wider_on_a_slant(angle: float) -> None:
    image = np.maximum(_tube(angle, 30.0, 0.6), 0.4 * _tube(angle, 36.0, 2.6))
    found = find_vessels(image, SPACING, PostProcessing(core=0.8, seed=0.8).with_outline(0.3))
    assert found.mask.sum() * 0.01 / found.lengths_mm[0] == pytest.approx(0.6 + 2 * 0.2, abs=0.1)


def test_an_outline_raises_what_lies_below_it() -> None:
    assert PostProcessing().with_outline(0.7) == PostProcessing(0.7, 0.7, 0.7)
    assert PostProcessing(core=0.9).with_outline(0.2) == PostProcessing(0.2, 0.9, 0.9)
    with pytest.raises(ValueError, match="lies above the core"):
        PostProcessing(0.7)


def test_a_card_without_a_core_has_its_threshold_for_one() -> None:
    assert PostProcessing.of(0.3, {"seed": 0.9}) == PostProcessing(0.3, 0.3, 0.9)
    assert PostProcessing.of(0.85, {"min_area_mm2": 3.0}) == PostProcessing(0.85, 0.85, 0.85, 3.0)
    assert PostProcessing.of(0.3, {"core": 0.9}) == PostProcessing(0.3, 0.9, 0.9)


def test_image_probability_rises_with_the_evidence_and_agrees_with_the_finding() -> None:
    parameters = PostProcessing()
    values = []
    for level in (0.0, 0.2, 0.49, 0.55, 0.7, 0.99):
        image = _tube(0.0, 30.0, 1.0) / 0.9 * level
        found = find_vessels(image, SPACING, parameters)
        value = probabilities(
            evidence_of(found, image, np.ones(image.shape, dtype=bool), SPACING), parameters, None
        ).image
        assert (value >= 0.5) == bool(found.lengths_mm)
        values.append(value)
    assert values == sorted(values)
    assert values[0] == 0.0
    assert values[-1] > 0.95


def test_empty_and_full_maps() -> None:
    empty = find_vessels(np.zeros((60, 50), dtype=np.float32), SPACING, PostProcessing())
    assert empty.lengths_mm == ()
    assert empty.peak == 0.0
    full = find_vessels(np.ones((60, 50), dtype=np.float32), SPACING, ANYTHING)
    assert full.mask.all()
    assert np.isfinite(full.lengths_mm).all()


def test_the_strongest_pixels_of_a_whole_image_are_those_of_all_of_it() -> None:
    values = np.random.default_rng(9).random((900, 1000)).astype(np.float32) ** 20
    for image in (values, np.where(values > 0.5, np.float32(0), values), values * 0, values[:9, :7]):
        expected = np.sort(image, axis=None)[-50:].mean(dtype=np.float64)
        assert peak_of(image) == pytest.approx(expected, rel=1e-6)


def test_what_is_left_when_vessels_are_left_out_keeps_its_order() -> None:
    image = np.zeros((400, 300), dtype=np.float32)
    for number, value in enumerate((0.7, 0.8, 0.9)):
        image[40 + 120 * number : 48 + 120 * number, 30:270] = value
    found = find_vessels(image, SPACING, PostProcessing())
    left = leave_out(found, [2], image)
    assert left.lengths_mm == (found.lengths_mm[0], found.lengths_mm[2])
    assert left.boxes == (found.boxes[0], found.boxes[2])
    assert np.array_equal(left.mask, found.mask & (found.zones != 2))
    assert np.array_equal(left.zones, np.choose(found.zones, [0, 1, 0, 2]))
    for number, box in enumerate(left.boxes, start=1):
        assert np.argwhere(left.zones == number).min(axis=0).tolist() == [part.start for part in box]
        assert np.argwhere(left.zones == number).max(axis=0).tolist() == [part.stop - 1 for part in box]
    nothing = leave_out(found, [1, 2, 3], image)
    assert not nothing.mask.any()
    assert nothing.peak == 0.0


def _two_tubes(first: float, second: float) -> np.ndarray:
    """Two tubes of 20 mm, 20 mm apart, each of one probability."""
    image = np.zeros((500, 500), dtype=np.float32)
    image[100:110, 100:300], image[310:320, 100:300] = first, second
    return image


DEMANDS = PostProcessing(core=0.7, seed=0.9975, companion=0.99)


@pytest.mark.parametrize(
    ("first", "second", "companions"),
    [
        pytest.param(0.998, 0.995, {2}, id="sure, and less so"),
        pytest.param(0.995, 0.998, {1}, id="in any order"),
        pytest.param(0.998, 0.999, set(), id="both sure"),
    ],
)
def test_beside_a_sure_vessel_others_need_less(first: float, second: float, companions: set[int]) -> None:
    found = find_vessels(_two_tubes(first, second), SPACING, DEMANDS)
    assert len(found.lengths_mm) == 2
    assert found.companions == companions


def test_companions_alone_are_nothing() -> None:
    found = find_vessels(_two_tubes(0.995, 0.995), SPACING, DEMANDS)
    assert found.lengths_mm == ()
    assert not found.mask.any()
    assert not found.zones.any()


def test_a_sure_piece_that_is_no_vessel_brings_no_companions() -> None:
    image = _two_tubes(0.0, 0.995)
    y, x = np.ogrid[:500, :500]
    image[np.hypot(y - 105, x - 200) < 15] = 0.999  # a disc of 3 mm
    assert find_vessels(image, SPACING, DEMANDS).lengths_mm == ()


def test_beside_a_sure_vessel_not_everything_counts() -> None:
    assert len(find_vessels(_two_tubes(0.998, 0.98), SPACING, DEMANDS).lengths_mm) == 1
    assert len(find_vessels(_two_tubes(0.998, 0.995), SPACING, PostProcessing(seed=0.9975)).lengths_mm) == 1


def test_companions_fall_with_the_last_sure_vessel() -> None:
    image = _two_tubes(0.998, 0.995)
    found = find_vessels(image, SPACING, DEMANDS)
    assert found.without([1]) == [1, 2]
    assert found.without([2]) == [2]
    assert found.without([]) == []
    left = leave_out(found, [1], image)  # as an operating point does, which asks each for itself
    assert left.companions == {1}
